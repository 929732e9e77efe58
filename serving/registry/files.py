"""Durable files of the registry: whole or not at all, and on the disk before anybody is told of them.

    with storage_told(folder, "register an adapter"), locked(folder / ".lock"):
        copy_synced(source, target)
        replace_file(path, content)

Covered: a kill of the process at any instruction, a full disk and, as far as fsync goes, a power cut.
Not covered: file systems without flock or atomic rename (some network mounts), and Windows.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from serving.registry.errors import ModelStorageFull, RegistryError

__all__ = ["copy_synced", "locked", "make_folder", "replace_file", "storage_told", "sync_folder", "write_synced"]


def write_synced(path: Path, content: bytes) -> None:
    """Write a file and wait until the disk has it (its name is synced by `sync_folder`)."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def copy_synced(source: Path, target: Path) -> None:
    """Copy one file, readable by who may read the folder, and wait until the disk has it."""
    with source.open("rb") as reading, target.open("wb") as writing:
        shutil.copyfileobj(reading, writing, 1 << 20)
        writing.flush()
        os.fsync(writing.fileno())


def replace_file(path: Path, content: bytes) -> None:
    """Write `content` to `path` so that a reader finds the old content or the new, whole."""
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        write_synced(temporary, content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)  # left by a disk that is full
    sync_folder(path.parent)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it; each new name is durable when it returns."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for each in missing:
        sync_folder(each.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def locked(path: Path, *, waiting: Callable[[], object] = lambda: None) -> Iterator[None]:
    """Held by one thread of one process; the others call `waiting` and wait.

    The kernel lets it go when that process ends, however it ends.
    """
    make_folder(path.parent)
    with path.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def storage_told(folder: Path, doing: str) -> Iterator[None]:
    """Give what a disk refuses our names: ModelStorageFull for no room, RegistryError for what may not be used."""
    try:
        yield
    except OSError as cause:
        if cause.errno in (errno.ENOSPC, errno.EDQUOT):
            raise ModelStorageFull(
                f"The disk of {folder} is too full to {doing}.",
                remedy="Free some space and try again; what was there before is as it was.",
            ) from cause
        if cause.errno not in _NOT_OURS:
            raise
        raise RegistryError(
            f"{cause.filename or folder} cannot be used to {doing}: {cause.strerror}.",
            remedy=f"Let {folder} be a folder that you may read and write; what was there before is as it was.",
        ) from cause


_NOT_OURS = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.EIO}
