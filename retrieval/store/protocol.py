"""What the index asks of a vector store: keep passages with their two vectors, and rank them.

Every store answers the same contract tests (`tests/retrieval/store/test_store_contract.py`). Scores: higher is
better. Ids are passage ids. All methods raise errors of `retrieval.errors` only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from retrieval.bm25 import SparseVector
from retrieval.documents import Passage

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["PassagePoint", "PassageStore", "Ranked"]


@dataclass(frozen=True)
class PassagePoint:
    """A passage as it is stored: payload and both vectors."""

    passage: Passage
    dense: tuple[float, ...]
    """Unit length; exact in 32-bit floats."""
    sparse: SparseVector


@dataclass(frozen=True)
class Ranked:
    """One place in a ranking; `score` is a dot product (dense: the cosine), higher is better."""

    passage_id: str
    score: float


class PassageStore(Protocol):
    """One open set of passages. Not safe for two threads at once unless the store says so."""

    def upsert(self, points: Sequence[PassagePoint]) -> None:
        """Add the points, or replace those of the same passage id, vectors and payload both."""
        ...

    def delete(self, passage_ids: Sequence[str]) -> None:
        """Remove the passages; ids that are not there are no error."""
        ...

    def search_dense(self, vectors: Sequence[Sequence[float]], limit: int) -> list[list[Ranked]]:
        """The best `limit` by dot product for each query vector, best first, ties by id."""
        ...

    def search_sparse(self, vectors: Sequence[SparseVector], limit: int) -> list[list[Ranked]]:
        """The best `limit` by IDF-weighted dot product for each query vector, best first, ties by id."""
        ...

    def fetch(self, passage_ids: Sequence[str]) -> list[PassagePoint]:
        """The points of these ids, in their order; an unknown id raises IndexDamaged."""
        ...

    def scroll(self) -> Iterator[PassagePoint]:
        """Every point, by ascending id."""
        ...

    def ids(self) -> set[str]: ...

    def count(self) -> int: ...

    def flush(self) -> None:
        """When this returns, all writes are in the files."""
        ...

    def close(self) -> None: ...
