"""What the pipeline asks of retrieval: passages for a query, closeness in meaning, stored text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from retrieval.documents import Hit

if TYPE_CHECKING:
    from retrieval.encoding import DenseEncoder
    from retrieval.reader import IndexReader
    from retrieval.texts import TextArchive

__all__ = ["EncodedLikeness", "IndexLibrary", "Library", "Likeness", "Query", "Shelf"]


@dataclass(frozen=True)
class Query:
    """What to search for: one or several texts that together stand for the question."""

    text: str
    """The standalone question, as shown to the user."""
    searches: tuple[tuple[str, float], ...]
    """Text and weight of each of its wordings, the most important first; the weights sum to one."""
    beside: tuple[tuple[str, float], ...] = ()
    """What is searched beside: the conversation it goes on from. It finds passages; it is not what they must answer."""


@dataclass(frozen=True)
class Shelf:
    """What a search brought, all of one generation; `hits` and `cosines` run in parallel, best first."""

    generation: int
    hits: tuple[Hit, ...]
    cosines: tuple[float, ...]
    """Of each hit with the first search text, -1 to 1."""


class Likeness(Protocol):
    """How like texts are, by meaning and by words; all that a judgement over given passages needs of retrieval."""

    def similarity(self, text: str, others: Sequence[str]) -> list[float]:
        """Cosine of `text` with each of `others`. Raises `EncoderFailed`."""
        ...

    def terms(self, text: str) -> frozenset[int]:
        """The stems of a text without stop words, as lexical search counts them."""
        ...


class Library(Likeness, Protocol):
    """The documents, as far as an answer needs them. Errors are those of `retrieval.errors`."""

    def search(self, query: Query, top_k: int) -> Shelf:
        """The best passages, best first; equal scores by passage id."""
        ...

    def stored_text(self, generation: int, document_id: str) -> str:
        """The document's text in that generation, which citations count in."""
        ...


class EncodedLikeness:
    """`Likeness` by the index's embedder and the stems of its lexical search."""

    def __init__(self, encoder: DenseEncoder) -> None:
        from retrieval.bm25 import Bm25

        self._encoder, self._bm25 = encoder, Bm25()

    def similarity(self, text: str, others: Sequence[str]) -> list[float]:
        vectors = self._encoder.encode([text, *others])
        return [float(cosine) for cosine in vectors[1:] @ vectors[0]]

    def terms(self, text: str) -> frozenset[int]:
        return frozenset(self._bm25.query(text).indices)


class IndexLibrary:
    """`Library` over the index on this machine."""

    def __init__(self, reader: IndexReader, encoder: DenseEncoder, archive: TextArchive) -> None:
        self._reader, self._encoder, self._archive = reader, encoder, archive
        self._likeness = EncodedLikeness(encoder)

    def search(self, query: Query, top_k: int) -> Shelf:
        from retrieval.search import Query as Wording
        from retrieval.search import find

        wordings = [Wording(text, weight) for text, weight in (*query.searches, *query.beside)]
        found = find(self._reader, self._encoder, wordings, top_k=top_k)
        return Shelf(found.generation, found.hits, found.cosines)

    def similarity(self, text: str, others: Sequence[str]) -> list[float]:
        return self._likeness.similarity(text, others)

    def terms(self, text: str) -> frozenset[int]:
        return self._likeness.terms(text)

    def stored_text(self, generation: int, document_id: str) -> str:
        return self._archive.text(generation, document_id)
