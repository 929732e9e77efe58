"""What a generation holds, as read from disk: its manifest and its catalogue of documents.

    catalogue = Catalogue.model_validate_json(content)      # strict and frozen: an unknown key is damage

The catalogue is enough to decide what a refresh must do, without opening the store: each document with
its hashes, each passage with its id, position and the fingerprint of its payload.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from retrieval.bm25 import BM25_DIGEST
from retrieval.documents import Document, Generation, Trust
from retrieval.store.payload import PAYLOAD_VERSION, fingerprint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retrieval.documents import Passage

__all__ = [
    "EMPTY",
    "Catalogue",
    "DocumentEntry",
    "Manifest",
    "PassageEntry",
    "SchemaParts",
    "SourceEntry",
    "describe",
    "text_digest",
]


class _Stored(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class SchemaParts(_Stored):
    """Everything that all passages of one generation must share."""

    embedder: str
    splitter: str
    bm25: str = BM25_DIGEST
    payload: str = PAYLOAD_VERSION

    @property
    def digest(self) -> str:
        """sha256 (hex) over the parts."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    def differences(self, other: SchemaParts) -> list[str]:
        """Names of the parts in which the two differ."""
        return [name for name in type(self).model_fields if getattr(self, name) != getattr(other, name)]


class Manifest(_Stored):
    """The head of a generation, written last; whoever opens the generation checks it."""

    number: int
    documents: int
    passages: int
    schema_parts: SchemaParts
    catalogue_sha256: str
    churn: int
    """Stored points deleted or overwritten since the store was last written anew."""

    @property
    def generation(self) -> Generation:
        return Generation(self.number, self.documents, self.passages, self.schema_parts.digest)


class PassageEntry(_Stored):
    """A passage without its text."""

    id: str
    start: int
    end: int
    fingerprint: str


class DocumentEntry(_Stored):
    """A document without its text, which is stored under `text_hash`."""

    id: str
    source: str
    uri: str
    title: str
    trust: Trust
    content_hash: str
    """sha256 (hex) of the bytes as the source delivered them."""
    text_hash: str
    """sha256 (hex) of the stored text in UTF-8: its name in the text archive."""
    parser: str
    """Version of the parser that read it; another version reads it again."""
    passages: tuple[PassageEntry, ...]

    def document(self, text: str) -> Document:
        """The document as it was parsed, given its stored text."""
        return Document(self.id, self.source, self.uri, self.title, text, self.content_hash, self.trust)


class SourceEntry(_Stored):
    """A source that the index holds; `root` only guards the name against another folder."""

    name: str
    root: str


class Catalogue(_Stored):
    """All documents of a generation, by ascending id."""

    sources: tuple[SourceEntry, ...]
    documents: tuple[DocumentEntry, ...]

    @property
    def passages(self) -> dict[str, str]:
        """Fingerprints by passage id."""
        return {passage.id: passage.fingerprint for document in self.documents for passage in document.passages}

    def content(self) -> bytes:
        """The bytes to store; their sha256 is in the manifest."""
        return self.model_dump_json().encode()


EMPTY = Catalogue(sources=(), documents=())
"""What is there before the first refresh."""


def text_digest(text: str) -> str:
    """sha256 (hex) of the text in UTF-8."""
    return hashlib.sha256(text.encode()).hexdigest()


def describe(document: Document, passages: Sequence[Passage], parser: str) -> DocumentEntry:
    """The catalogue's entry for a parsed and split document."""
    return DocumentEntry(
        id=document.id,
        source=document.source,
        uri=document.uri,
        title=document.title,
        trust=document.trust,
        content_hash=document.content_hash,
        text_hash=text_digest(document.text),
        parser=parser,
        passages=tuple(
            PassageEntry(id=passage.id, start=passage.start, end=passage.end, fingerprint=fingerprint(passage))
            for passage in passages
        ),
    )
