"""What the demo's answers promise, each told in words when it is not so.

Quotes are looked up again without the code that the answering pipeline reads with: in the stored text, found through
the catalogue as the file it is, and, for formats whose text is stored as it is, in the document itself.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from retrieval.sources.folder import FolderSource
    from serving.assistant.answer import Answer, Citation
    from serving.interface.turns import Turn

__all__ = ["Evidence", "unmet_by_answer", "unmet_by_follow_up", "unmet_by_refusal"]

_KEPT_AS_THEY_ARE = (".md", ".markdown", ".rst", ".txt")


@dataclass(frozen=True)
class Evidence:
    """Where quotes are looked up."""

    index_root: Path
    texts_root: Path
    source: FolderSource

    def texts(self, generation: int, document_id: str) -> Iterator[tuple[str, str]]:
        """What holds the document (`stored text`, `file`), and its text."""
        yield "stored text", self._stored(generation, document_id)
        name, _, path = document_id.partition(":")
        file = self.source.root / path
        if name == self.source.name and file.suffix.lower() in _KEPT_AS_THEY_ARE and file.is_file():
            yield from (("file", text) for text in _utf8(file.read_bytes()))

    def _stored(self, generation: int, document_id: str) -> str:
        """The file that the catalogue names; empty, so that every quote is missed, when there is none."""
        catalogue = self.index_root / "generations" / str(generation) / "catalogue.json"
        documents = json.loads(catalogue.read_text("utf-8"))["documents"]
        digests = [document["text_hash"] for document in documents if document["id"] == document_id]
        paths = [self.texts_root / digest[:2] / f"{digest}.txt" for digest in digests]
        return "".join(path.read_bytes().decode() for path in paths if path.is_file())


def unmet_by_answer(answer: Answer, evidence: Evidence) -> tuple[str, ...]:
    """Answered, citing the source that was asked about, and every quote stands where its citation says.

    Which document of the source is not held against it: several may answer, and another one better.
    """
    if answer.refused:
        return (f"it was refused ({answer.refusal_reason})",)
    if not answer.citations:
        return ("it cites nothing",)
    generation = answer.versions.generation
    misquoted = [unmet for citation in answer.citations for unmet in _misquoted(citation, generation, evidence)]
    source = evidence.source.name
    if not any(citation.document_id.startswith(f"{source}:") for citation in answer.citations):
        misquoted.append(f"it cites no document of {source}")
    return tuple(misquoted)


def unmet_by_follow_up(answer: Answer, question: str, history: Sequence[Turn], evidence: Evidence) -> tuple[str, ...]:
    """The same, and what was searched for holds a word that only the conversation has."""
    said = _terms(" ".join(turn.content for turn in history)) - _terms(question)
    unmet = unmet_by_answer(answer, evidence)
    return unmet if _terms(answer.query) & said else (*unmet, "the query takes nothing from the conversation")


def unmet_by_refusal(answer: Answer) -> tuple[str, ...]:
    """Refused, without a citation."""
    return () if answer.refused and not answer.citations else ("it was answered",)


def _utf8(content: bytes) -> Iterator[str]:
    """The text without its byte order mark if it is UTF-8; what else it may be was guessed, and proves nothing."""
    try:
        yield content.removeprefix(codecs.BOM_UTF8).decode()
    except UnicodeDecodeError:
        return


def _misquoted(citation: Citation, generation: int, evidence: Evidence) -> Iterator[str]:
    for holder, text in evidence.texts(generation, citation.document_id):
        if text[citation.source_start : citation.source_end] != citation.quote:
            yield f"the {holder} of {citation.uri} does not hold the quote at {citation.source_start}"


def _terms(text: str) -> set[int]:
    """Stems without stop words, as lexical search counts them."""
    from retrieval.bm25 import Bm25

    return set(Bm25().query(text).indices)
