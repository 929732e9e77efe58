"""Files that survive a crash: atomic replacement, syncing, sparse copies, locks, and room on the disk.

    replace_file(path, content)          # the old content or the new one, never a part
    copy_tree_sparse(source, target)     # holes stay holes
    sync_tree(folder)                    # everything below is on the disk

Covered: a kill of the process at any instruction, a full disk, and, as far as fsync goes, a power cut.
Not covered: file systems without flock or atomic rename (some network mounts), and Windows.
"""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING

from retrieval.errors import DiskFull, IndexUnusable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

__all__ = [
    "copy_tree_sparse",
    "disk_named",
    "make_folder",
    "read_if_there",
    "remove_tree",
    "replace_file",
    "require_room",
    "sync_folder",
    "sync_tree",
    "try_lock",
    "used_bytes",
    "write_synced",
]

_CHUNK = 1 << 20
_MIB = 1 << 20


def replace_file(path: Path, content: bytes) -> None:
    """Write `content` to `path` so that a reader finds the old content or the new, whole."""
    temporary = path.with_name(f"{path.name}.tmp")
    write_synced(temporary, content)
    temporary.replace(path)
    sync_folder(path.parent)


def read_if_there(path: Path) -> bytes | None:
    """Content of a file, or None if there is no such file; raises IndexUnusable if it may not be read."""
    with disk_named(path.parent):
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None


def write_synced(path: Path, content: bytes) -> None:
    """Write a file and wait until the disk has it (its name is synced by `sync_folder`)."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def make_folder(folder: Path) -> None:
    """Make a folder and those above it; each new name is durable when it returns."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for each in missing:
        sync_folder(each.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable."""
    _sync(folder, os.O_RDONLY | os.O_DIRECTORY)


def sync_tree(folder: Path) -> None:
    """Make every file and name below `folder` durable."""
    for parent, _, names in _walk(folder):
        for name in names:
            _sync(parent / name, os.O_RDONLY)
        sync_folder(parent)


def copy_tree_sparse(source: Path, target: Path) -> None:
    """Copy a folder to a new one; blocks that were never written are not written in the copy either."""
    for parent, _, names in _walk(source):
        copy = target / parent.relative_to(source)
        copy.mkdir(parents=True)
        for name in names:
            _copy_sparse(parent / name, copy / name)


def remove_tree(folder: Path) -> None:
    """Remove a folder and all below; one that is not there is no error."""
    if folder.exists():
        shutil.rmtree(folder)


def try_lock(descriptor: int) -> bool:
    """Take the exclusive flock of an open file without waiting; it ends with the process at the latest."""
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def used_bytes(folder: Path) -> int:
    """Disk blocks that the files below `folder` occupy, in bytes (holes count nothing)."""
    return sum((parent / name).stat().st_blocks * 512 for parent, _, names in _walk(folder) for name in names)


def require_room(needs: Mapping[Path, int]) -> None:
    """Raise DiskFull unless so many bytes are free where each folder lies, or will lie; one disk is asked once.

    Asked before anything is written, because the store writes through memory maps: without room
    the system would end the process (SIGBUS) instead of reporting an error.
    """
    disks: dict[int, tuple[Path, int]] = {}
    for folder, needed in needs.items():
        there = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists())
        disk = there.stat().st_dev
        disks[disk] = (there, needed + disks.get(disk, (there, 0))[1])
    for there, needed in disks.values():
        free = shutil.disk_usage(there).free
        if free < needed:
            raise DiskFull(
                f"The disk of {there} has {free / _MIB:,.0f} MiB free; the next generation needs up to "
                f"{needed / _MIB:,.0f} MiB.",
                remedy=_ROOM,
            )


@contextmanager
def disk_named(folder: Path) -> Iterator[None]:
    """Give what a disk refuses below `folder` our names: DiskFull for no room, else IndexUnusable.

    A broken pipe is no disk, and errors of SQLite other than a full disk belong to the vector cache.
    """
    try:
        yield
    except (OSError, sqlite3.OperationalError) as cause:
        if _means_full(cause):
            raise DiskFull(f"The disk of {folder} is full: {cause}.", remedy=_ROOM) from cause
        if not isinstance(cause, OSError) or isinstance(cause, (ConnectionError, BlockingIOError)):
            raise
        raise IndexUnusable(
            f"{cause.filename or folder} cannot be used: {cause.strerror or cause}.",
            remedy=f"Let {folder} be a folder that you may read and write (a reader puts its private copy there, too), "
            "on a disk that works; then try again. The served generation is as it was.",
        ) from cause


_ROOM = "Free some space and refresh again; nothing was lost, and the old generation keeps serving."


def _means_full(cause: OSError | sqlite3.OperationalError) -> bool:
    if isinstance(cause, OSError):
        return cause.errno in (errno.ENOSPC, errno.EDQUOT)
    return cause.sqlite_errorcode == sqlite3.SQLITE_FULL


def _walk(folder: Path) -> Iterator[tuple[Path, list[str], list[str]]]:
    for parent, folders, names in os.walk(folder, onerror=_raise):
        yield folder / os.path.relpath(parent, folder), folders, names


def _raise(error: OSError) -> None:
    raise error


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _copy_sparse(source: Path, target: Path) -> None:
    with source.open("rb", buffering=0) as reading, target.open("wb") as writing:
        descriptor = reading.fileno()  # looking for data moves its position: reads name theirs
        size = os.fstat(descriptor).st_size
        writing.truncate(size)
        for start, end in _data_ranges(descriptor, size):
            writing.seek(start)
            while start < end:
                block = os.pread(descriptor, min(_CHUNK, end - start), start)
                if not block:
                    raise OSError(errno.EIO, "the file became shorter while it was copied", str(source))
                writing.write(block)
                start += len(block)


def _data_ranges(descriptor: int, size: int) -> Iterator[tuple[int, int]]:
    """Half-open byte ranges of a file that hold data."""
    end = 0
    while end < size:
        try:
            start = os.lseek(descriptor, end, os.SEEK_DATA)
        except OSError as cause:
            if cause.errno == errno.ENXIO:  # only a hole is left
                return
            raise
        end = os.lseek(descriptor, start, os.SEEK_HOLE)
        yield start, end
