"""What the demo's answers promise, each told in words when it is not so.

The quotes are looked up again, by code that the answering pipeline does not use: in the stored text, and for formats
whose text is stored as it is, in the file itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from retrieval.sources.folder import FolderSource
    from retrieval.texts import TextArchive
    from serving.assistant.answer import Answer, Citation
    from serving.interface.turns import Turn

__all__ = ["Evidence", "unmet_by_answer", "unmet_by_follow_up", "unmet_by_refusal"]

_KEPT_AS_THEY_ARE = (".md", ".markdown", ".rst", ".txt")


@dataclass(frozen=True)
class Evidence:
    """Where quotes are looked up."""

    archive: TextArchive
    source: FolderSource

    def texts(self, generation: int, document_id: str) -> Iterator[tuple[str, str]]:
        """What holds the document (`stored text`, `file`), and its text."""
        yield "stored text", self.archive.text(generation, document_id)
        source, _, path = document_id.partition(":")
        file = self.source.root / path
        if source == self.source.name and path.endswith(_KEPT_AS_THEY_ARE) and file.is_file():
            yield "file", file.read_bytes().decode("utf-8-sig", "replace")


def unmet_by_answer(answer: Answer, evidence: Evidence) -> tuple[str, ...]:
    """Answered, cited, and every quote stands where its citation says."""
    if answer.refused:
        return (f"it was refused ({answer.refusal_reason})",)
    if not answer.citations:
        return ("it cites nothing",)
    generation = answer.versions.generation
    return tuple(unmet for citation in answer.citations for unmet in _misquoted(citation, generation, evidence))


def unmet_by_follow_up(answer: Answer, question: str, history: Sequence[Turn], evidence: Evidence) -> tuple[str, ...]:
    """The same, and what was searched for holds a word that only the conversation has."""
    said = _terms(" ".join(turn.content for turn in history)) - _terms(question)
    unmet = unmet_by_answer(answer, evidence)
    return unmet if _terms(answer.query) & said else (*unmet, "the query takes nothing from the conversation")


def unmet_by_refusal(answer: Answer) -> tuple[str, ...]:
    """Refused, without a citation."""
    return () if answer.refused and not answer.citations else ("it was answered",)


def _misquoted(citation: Citation, generation: int, evidence: Evidence) -> Iterator[str]:
    for holder, text in evidence.texts(generation, citation.document_id):
        if text[citation.source_start : citation.source_end] != citation.quote:
            yield f"the {holder} of {citation.uri} does not hold the quote at {citation.source_start}"


def _terms(text: str) -> set[int]:
    """Stems without stop words, as lexical search counts them."""
    from retrieval.bm25 import Bm25

    return set(Bm25().query(text).indices)
