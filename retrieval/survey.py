"""What the sources hold now, compared with what the index holds: reads, parses and splits what changed.

    survey = survey_sources(sources, base, archive=texts, splitter=splitter)

A file whose bytes, parser and trust are those of the catalogue, and whose text is stored, is not parsed
again. A file that cannot be read, parsed or split keeps its last good passages and is named. Nothing is
written. With `resplit`, every document of the index is split anew, from its file or from its stored text
(the way to another embedder, splitter or layout).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from retrieval.catalogue import Catalogue, DocumentEntry, SourceEntry, describe
from retrieval.errors import SourceNameTaken, UnreadableDocument
from retrieval.parsing import PARSER_VERSION, parse
from retrieval.sources.folder import list_files, read_file
from retrieval.sources.names import unescaped
from serving.interface.errors import GroundskeeperError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from retrieval.documents import Document, Passage
    from retrieval.sources.folder import FolderSource, SourceFile

__all__ = ["Archive", "Skipped", "Survey", "TextSplitter", "check_names", "survey_sources"]


class TextSplitter(Protocol):
    """What a refresh needs of a splitter; `retrieval.splitting` has the real one."""

    @property
    def digest(self) -> str: ...

    def split(self, document: Document) -> list[Passage]: ...


class Archive(Protocol):
    """The stored texts of documents that the index holds."""

    def has(self, entry: DocumentEntry) -> bool: ...

    def text(self, entry: DocumentEntry) -> str: ...


class Skipped(NamedTuple):
    """A file that a refresh went on without, and what to do about it."""

    uri: str
    reason: str
    remedy: str


@dataclass(frozen=True)
class Survey:
    """The catalogue to come, and the contents that are new in it."""

    catalogue: Catalogue
    passages: dict[str, Passage]
    """By id: all passages of the documents that were split in this survey."""
    texts: dict[str, str]
    """By sha256: texts of the documents that were parsed in this survey."""
    skipped: tuple[Skipped, ...]
    """Files that could not be read, parsed or split, in the order they were met."""
    warnings: tuple[str, ...]


@dataclass
class _Collected:
    """What a survey gathers as it walks."""

    entries: dict[str, DocumentEntry] = field(default_factory=dict)
    passages: dict[str, Passage] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, Skipped] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def survey_sources(
    sources: Sequence[FolderSource],
    base: Catalogue,
    *,
    archive: Archive,
    splitter: TextSplitter,
    excluded: Sequence[Path] = (),
    resplit: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Survey:
    """Compare every file of the sources with `base`; sources of the index that are not named stay.

    A document whose text is not in the archive is parsed again. Nothing below the folders `excluded` is a
    document. `progress(done, total)` counts files.
    Raises SourceMissing and SourceNameTaken before any file is read.
    """
    warnings = check_names(sources, base)
    listed = [(source, file) for source in sources for file in list_files(source, excluded)]
    collected = _Collected(warnings=warnings + _emptied(sources, listed, base))
    walk = _Walk(base, archive, splitter, resplit, collected)
    for done, (source, file) in enumerate(listed):
        walk.visit(source, file)
        if progress is not None:
            progress(done + 1, len(listed))
    walk.keep_others({source.name for source in sources})
    return Survey(
        catalogue=Catalogue(
            sources=_sources(sources, base),
            documents=tuple(collected.entries[key] for key in sorted(collected.entries)),
        ),
        passages=collected.passages,
        texts=collected.texts,
        skipped=tuple(collected.skipped.values()),
        warnings=tuple(collected.warnings),
    )


def check_names(sources: Sequence[FolderSource], base: Catalogue) -> list[str]:
    """Raise SourceNameTaken if a name stands for two folders; return a warning for each that moved.

    A recorded root that is gone has moved; one that is still there, under a path that leads elsewhere, is
    another folder. A root that is a link stays the same root when the link is switched.
    """
    recorded = {entry.name: entry.root for entry in base.sources}
    warnings, seen = [], set()
    for source in sources:
        before = recorded.get(source.name, source.shown_root)
        moved = before != source.shown_root and not _are_one_folder(Path(unescaped(before)), source.root)
        if source.name in seen or (moved and Path(unescaped(before)).is_dir()):
            raise SourceNameTaken(
                f"The name '{source.name}' stands for {'another folder' if source.name in seen else before} "
                f"already; refreshing it from {source.shown_root} would remove those documents.",
                remedy=f"Give this folder a name of its own, e.g. {source.name}-2={source.shown_root}.",
            )
        if moved:
            warnings.append(f"Source '{source.name}' has moved from {before} to {source.shown_root}.")
        seen.add(source.name)
    return warnings


def _are_one_folder(one: Path, other: Path) -> bool:
    return one.is_dir() and other.is_dir() and one.samefile(other)


@dataclass
class _Walk:
    base: Catalogue
    archive: Archive
    splitter: TextSplitter
    resplit: bool
    collected: _Collected

    def __post_init__(self) -> None:
        self._known = {entry.uri: entry for entry in self.base.documents}

    def visit(self, source: FolderSource, file: SourceFile) -> None:
        """Take one file into the survey: unchanged, anew, or with its last good content."""
        uri = f"{source.name}/{file.path}"
        known = self._known.get(uri)
        try:
            content = read_file(source, file)
            if (
                known is not None
                and not self.resplit
                and _is_current(known, source, content)
                and self.archive.has(known)
            ):
                self._keep(known)
            else:
                self._take(parse(source, file, content))
        except UnreadableDocument as error:
            self._skip(uri, error)
            if known is not None:
                self._keep(known)

    def keep_others(self, refreshed: set[str]) -> None:
        """Documents of sources that this refresh does not name stay as they are.

        In another schema they must be split anew; raises UnreadableDocument rather than lose one.
        """
        for entry in self.base.documents:
            if entry.source not in refreshed and self.resplit:
                self._split(entry.document(self.archive.text(entry)), entry.parser)
            elif entry.source not in refreshed:
                self.collected.entries[entry.id] = entry

    def _take(self, document: Document) -> None:
        entry = self._split(document, PARSER_VERSION)
        self.collected.texts[entry.text_hash] = document.text

    def _keep(self, entry: DocumentEntry) -> None:
        if not self.resplit:
            self.collected.entries[entry.id] = entry
            return
        try:
            self._split(entry.document(self.archive.text(entry)), entry.parser)
        except UnreadableDocument as error:  # there is nothing to keep: its passages are of another schema
            self._skip(entry.uri, error)

    def _skip(self, uri: str, error: UnreadableDocument) -> None:
        self.collected.skipped.setdefault(uri, Skipped(uri, str(error), error.remedy))

    def _split(self, document: Document, parser: str) -> DocumentEntry:
        passages = _passages(self.splitter, document)
        entry = describe(document, passages, parser)
        self.collected.entries[document.id] = entry
        self.collected.passages.update((passage.id, passage) for passage in passages)
        return entry


def _passages(splitter: TextSplitter, document: Document) -> list[Passage]:
    """The document split. What a splitter raises on one odd page must not block a whole source."""
    try:
        return splitter.split(document)
    except (GroundskeeperError, OSError, MemoryError, ImportError):
        raise  # not the page's fault
    except Exception as cause:  # foreign code, on text that nobody foresaw
        raise UnreadableDocument(
            f"{document.uri} cannot be split into passages: {cause or type(cause).__name__}.",
            remedy="Move the file out of the source or simplify it, and report the page as an error of the splitter.",
        ) from cause


def _is_current(entry: DocumentEntry, source: FolderSource, content: bytes) -> bool:
    return (
        entry.parser == PARSER_VERSION
        and entry.trust == source.trust
        and entry.content_hash == hashlib.sha256(content).hexdigest()
    )


def _emptied(
    sources: Sequence[FolderSource], listed: Sequence[tuple[FolderSource, SourceFile]], base: Catalogue
) -> list[str]:
    """A warning for each source without a single document."""
    filled = {source.name for source, _ in listed}
    counts = {name: 0 for name in (source.name for source in sources) if name not in filled}
    for entry in base.documents:
        if entry.source in counts:
            counts[entry.source] += 1
    return [
        f"Source '{name}' holds no documents" + (f"; its {count} documents are removed." if count else ".")
        for name, count in counts.items()
    ]


def _sources(sources: Sequence[FolderSource], base: Catalogue) -> tuple[SourceEntry, ...]:
    roots = {entry.name: entry.root for entry in base.sources}
    roots |= {source.name: source.shown_root for source in sources}
    return tuple(SourceEntry(name=name, root=roots[name]) for name in sorted(roots))
