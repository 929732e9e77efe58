"""What the pipeline asks of retrieval: passages for a query, closeness in meaning, stored text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from retrieval.documents import Hit

__all__ = ["Library", "Query"]


@dataclass(frozen=True)
class Query:
    """What to search for: one or several texts that together stand for the question."""

    text: str
    """The standalone question, as shown to the user."""
    searches: tuple[tuple[str, float], ...]
    """Text and weight of each search; the weights sum to one."""


class Library(Protocol):
    """One generation of the index, for the length of one answer."""

    @property
    def generation(self) -> int:
        """Number of the generation that everything below reads."""
        ...

    def search(self, query: Query, top_k: int) -> list[Hit]:
        """The best passages, best first; equal scores by passage id."""
        ...

    def similarity(self, text: str, others: Sequence[str]) -> list[float]:
        """Cosine of `text` with each of `others`."""
        ...

    def terms(self, text: str) -> Sequence[str]:
        """Stems without stop words, as lexical search counts them."""
        ...

    def stored_text(self, document_id: str) -> str:
        """The document's text in this generation, which citations count in."""
        ...
