"""Folder source: which files of a folder are documents, and their bytes.

    source = FolderSource("docs", Path("docs"))
    for file in list_files(source):
        content = read_file(source, file)

The listing depends on the folder's contents alone: sorted by path, hidden names left out, and symbolic
links followed only to what lies inside the root. What cannot be listed raises: a folder that were
silently passed over would look like a deletion of everything in it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from retrieval.documents import Trust
from retrieval.errors import SourceMissing, UnreadableDocument

__all__ = ["SUFFIXES", "FolderSource", "SourceFile", "list_files", "read_file"]

SUFFIXES = frozenset({".md", ".markdown", ".rst", ".txt", ".html", ".htm", ".ipynb", ".pdf", ".docx"})
"""Endings (lower case) of the files that are documents."""

_MIB = 1024 * 1024


@dataclass(frozen=True)
class FolderSource:
    """A folder of documents.

    `name` is unique among the sources and holds no `:` or `/`, since document ids are `<name>:<path>`.
    `max_bytes` is the largest file that is read, in bytes.
    """

    name: str
    root: Path
    trust: Trust = "official"
    max_bytes: int = 32 * _MIB


@dataclass(frozen=True)
class SourceFile:
    """One file of a source: `path` is relative to the root, posix, spelled as on disk."""

    path: str
    """Bytes of a name that are not UTF-8 appear as `\\xNN`, so that every path can be printed and stored."""
    absolute: Path


def list_files(source: FolderSource) -> list[SourceFile]:
    """All documents of the source, sorted by path; an existing empty root yields an empty list.

    Raises SourceMissing if the root, or a folder in it, does not exist or may not be listed.
    """
    root = source.root
    if not root.is_dir():
        what = "is not a folder" if root.exists() else "does not exist"
        raise SourceMissing(
            f"The root of source '{source.name}' {what}: {root}. Nothing was changed.",
            remedy="Correct the path of the source, or remove the source from the settings.",
        )
    real_root = root.resolve()
    files = (_source_file(path, root) for path in _walk(source, root, real_root, (real_root,)))
    return sorted(files, key=lambda file: file.path)


def read_file(source: FolderSource, file: SourceFile) -> bytes:
    """The whole content of one listed file; never more than `source.max_bytes` enter memory.

    Raises UnreadableDocument if the file has vanished, may not be read, is no regular file or is too big.
    """
    try:
        size = _regular_size(file)
        if size <= source.max_bytes:
            with file.absolute.open("rb") as stream:
                content = stream.read(source.max_bytes + 1)
            size = len(content)
    except OSError as cause:
        raise UnreadableDocument(
            f"{file.path} cannot be read: {cause.strerror or cause}.",
            remedy="Restore the file or its permissions, or remove it from the source.",
        ) from cause
    if size > source.max_bytes:
        raise UnreadableDocument(
            f"{file.path} has {size / _MIB:,.1f} MiB or more; at most {source.max_bytes / _MIB:,.1f} MiB are read.",
            remedy="Split the file, move it out of the source, or raise the source's size bound.",
        )
    return content


def _regular_size(file: SourceFile) -> int:
    """Size in bytes; anything but a regular file is refused before it is opened (a pipe would block)."""
    status = file.absolute.stat()
    if not stat.S_ISREG(status.st_mode):
        raise OSError(None, "it is no regular file")
    return status.st_size


def _walk(
    source: FolderSource, folder: Path, real_root: Path, ancestors: tuple[Path, ...], linked: bool = False
) -> Iterator[Path]:
    """Documents below `folder`. `ancestors` are the real folders above, so that no link runs in circles.

    Within a linked folder further links to folders are left out (`linked`): the listing stays
    at most quadratic in the folder's size, whatever the links.
    """
    for entry in _entries(source, folder):
        path = Path(entry.path)
        if entry.name.startswith((".", "~$")) or not _stays_inside(path, entry, real_root):
            continue
        if entry.is_dir():
            real = path.resolve()
            if real not in ancestors and not (linked and entry.is_symlink()):
                yield from _walk(source, path, real_root, (*ancestors, real), linked or entry.is_symlink())
        elif entry.is_file() and path.suffix.lower() in SUFFIXES:
            yield path


def _entries(source: FolderSource, folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError as cause:
        raise SourceMissing(
            f"A folder of source '{source.name}' cannot be listed: {folder} ({cause.strerror}). Nothing was changed.",
            remedy="Restore the folder or its permissions, then refresh again.",
        ) from cause


def _stays_inside(path: Path, entry: os.DirEntry[str], real_root: Path) -> bool:
    if not entry.is_symlink():
        return True
    try:
        return path.resolve(strict=True).is_relative_to(real_root)
    except (OSError, RuntimeError):  # dangling, or a circle of links
        return False


def _source_file(path: Path, root: Path) -> SourceFile:
    relative = path.relative_to(root).as_posix()
    return SourceFile(os.fsencode(relative).decode("utf-8", "backslashreplace"), path)
