"""What a refresh found out before it writes anything: the served state, the survey, and both plans.

changes = find_changes(sources, read_base(index_root), ...)
changes.documents.counts(), changes.passages.counts()
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from retrieval.catalogue import EMPTY, Catalogue, Manifest, SchemaParts
from retrieval.generations import current_number, read_catalogue
from retrieval.plan import Plan, plan_changes
from retrieval.survey import Survey, survey_sources
from retrieval.texts import has_text, read_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from retrieval.catalogue import DocumentEntry
    from retrieval.sources.folder import FolderSource
    from retrieval.survey import TextSplitter

__all__ = ["Base", "Changes", "find_changes", "read_base"]


@dataclass(frozen=True)
class Base:
    """What is served before the refresh; `manifest` is None before the first."""

    manifest: Manifest | None
    catalogue: Catalogue


@dataclass(frozen=True)
class Changes:
    """Everything a refresh needs to write the next generation."""

    base: Base
    schema: SchemaParts
    survey: Survey
    documents: Plan
    passages: Plan

    @property
    def rebuild(self) -> bool:
        """Whether the store is written anew: there is none, or it has another schema."""
        return self.base.manifest is None or self.base.manifest.schema_parts != self.schema

    @property
    def is_empty(self) -> bool:
        """Whether the served generation already says it all."""
        if self.base.manifest is None:
            return not self.survey.catalogue.documents
        return not self.rebuild and self.survey.catalogue == self.base.catalogue

    @property
    def texts_to_embed(self) -> list[str]:
        """Embedded texts of the passages to be written, in the order of their ids."""
        ids = self.survey.passages if self.rebuild else (*self.passages.added, *self.passages.changed)
        return [self.survey.passages[passage_id].embedded_text for passage_id in ids]


def read_base(index_root: Path) -> Base:
    """The generation that CURRENT names; raises IndexDamaged."""
    number = current_number(index_root)
    return Base(None, EMPTY) if number is None else Base(*read_catalogue(index_root, number))


def find_changes(
    sources: Sequence[FolderSource],
    base: Base,
    *,
    texts_root: Path,
    embedder: str,
    splitter: TextSplitter,
    excluded: Sequence[Path] = (),
    progress: Callable[[int, int], None] | None = None,
) -> Changes:
    """Survey the sources and plan; writes nothing. Raises SourceMissing, SourceNameTaken, IndexDamaged."""
    schema = SchemaParts(embedder=embedder, splitter=splitter.digest)
    survey = survey_sources(
        sources,
        base.catalogue,
        archive=_Texts(texts_root),
        splitter=splitter,
        excluded=excluded,
        resplit=base.manifest is not None and base.manifest.schema_parts != schema,
        progress=progress,
    )
    return Changes(
        base=base,
        schema=schema,
        survey=survey,
        documents=plan_changes(_documents(base.catalogue), _documents(survey.catalogue)),
        passages=plan_changes(base.catalogue.passages, survey.catalogue.passages),
    )


@dataclass(frozen=True)
class _Texts:
    root: Path

    def has(self, entry: DocumentEntry) -> bool:
        return has_text(self.root, entry.text_hash)

    def text(self, entry: DocumentEntry) -> str:
        return read_text(self.root, entry.text_hash)


def _documents(catalogue: Catalogue) -> dict[str, str]:
    """A fingerprint by document id: content, trust and title, whatever the parser made of the rest."""
    return {entry.id: f"{entry.content_hash} {entry.trust} {entry.title}" for entry in catalogue.documents}
