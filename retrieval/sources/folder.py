"""Folder source: which files of a folder are documents, and their bytes.

    source = FolderSource("docs", Path("docs"))
    for file in list_files(source):
        content = read_file(source, file)

The listing depends on the folder's contents alone: sorted by path, hidden names left out, and symbolic
links followed only to what lies inside the root. The program's own state is no source: callers exclude it.
What cannot be listed raises: a folder that were
silently passed over would look like a deletion of everything in it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from retrieval.documents import Trust
from retrieval.errors import SourceMissing, UnreadableDocument
from retrieval.sources.names import escaped, printable

__all__ = ["SUFFIXES", "FolderSource", "SourceFile", "list_files", "read_file"]

SUFFIXES = frozenset({".md", ".markdown", ".rst", ".txt", ".html", ".htm", ".ipynb", ".pdf", ".docx"})
"""Endings (lower case) of the files that are documents."""

_MIB = 1024 * 1024


@dataclass(frozen=True)
class FolderSource:
    """A folder of documents.

    `name` is unique among the sources and holds no `:` or `/`, since document ids are `<name>:<path>`;
    bytes in it that are not UTF-8 become `\\xNN`.
    `max_bytes` is the largest file that is read, in bytes.
    """

    name: str
    root: Path
    trust: Trust = "official"
    max_bytes: int = 32 * _MIB

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", printable(self.name))

    @property
    def shown_root(self) -> str:
        """The absolute path of the root, links in it kept, as it can be printed and stored."""
        return escaped(os.path.abspath(self.root))  # noqa: PTH100 (`resolve` would follow links)


@dataclass(frozen=True)
class SourceFile:
    """One file of a source: `path` is relative to the root, posix, spelled as on disk."""

    path: str
    """Bytes that are not UTF-8 appear as `\\xNN` and a backslash is doubled: every path can be printed and stored."""
    absolute: Path


def list_files(source: FolderSource, excluded: Sequence[Path] = ()) -> list[SourceFile]:
    """All documents of the source, sorted by path; an existing empty root yields an empty list.

    `excluded` are folders whose contents are no documents, wherever a link to them stands; one that holds
    the root itself does not count. Raises SourceMissing if the root, or a folder in it, does not exist or may
    not be listed.
    """
    root = source.root
    if not root.is_dir():
        what = "is not a folder" if root.exists() else "does not exist"
        raise SourceMissing(
            f"The root of source '{source.name}' {what}: {source.shown_root}. Nothing was changed.",
            remedy=_MISSING,
        )
    real_root = root.resolve()
    resolved = (folder.resolve() for folder in excluded)
    bounds = _Bounds(real_root, tuple(folder for folder in resolved if not real_root.is_relative_to(folder)))
    files = (_source_file(path, root) for path in _walk(source, root, bounds, (real_root,)))
    return sorted(files, key=lambda file: file.path)


_MISSING = (
    "Correct the path, or name only the other sources. Documents of a source that is not refreshed stay in the index; "
    "to remove them, refresh an empty folder in its place, or delete the file CURRENT in the index folder and "
    "refresh the sources that are to stay (nothing is encoded again)."
)


@dataclass(frozen=True)
class _Bounds:
    """Where a walk may go, both in real paths: below the root, and into none of the excluded folders."""

    root: Path
    excluded: tuple[Path, ...]

    def hold(self, real: Path) -> bool:
        return real.is_relative_to(self.root) and not any(real.is_relative_to(folder) for folder in self.excluded)


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
    source: FolderSource, folder: Path, bounds: _Bounds, ancestors: tuple[Path, ...], linked: bool = False
) -> Iterator[Path]:
    """Documents below `folder`. `ancestors` are the real folders above, so that no link runs in circles.

    Within a linked folder further links to folders are left out (`linked`): the listing stays
    at most quadratic in the folder's size, whatever the links.
    """
    for entry in _entries(source, folder):
        path = Path(entry.path)
        if entry.name.startswith((".", "~$")) or not _stays_inside(path, entry, bounds):
            continue
        if entry.is_dir():
            real = path.resolve()
            if real not in ancestors and bounds.hold(real) and not (linked and entry.is_symlink()):
                yield from _walk(source, path, bounds, (*ancestors, real), linked or entry.is_symlink())
        elif entry.is_file() and path.suffix.lower() in SUFFIXES:
            yield path


def _entries(source: FolderSource, folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError as cause:
        raise SourceMissing(
            f"A folder of source '{source.name}' cannot be listed: {escaped(str(folder))} ({cause.strerror}). "
            "Nothing was changed.",
            remedy="Restore the folder or its permissions, then refresh again.",
        ) from cause


def _stays_inside(path: Path, entry: os.DirEntry[str], bounds: _Bounds) -> bool:
    if not entry.is_symlink():
        return True
    try:
        return bounds.hold(path.resolve(strict=True))
    except (OSError, RuntimeError):  # dangling, or a circle of links
        return False


def _source_file(path: Path, root: Path) -> SourceFile:
    return SourceFile(escaped(path.relative_to(root).as_posix()), path)
