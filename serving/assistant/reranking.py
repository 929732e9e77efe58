"""Step three: of a deeper pool than is shown, the passages that are most relevant.

A reranking adapter's calibration holds `weight`, how much its scores count against the order of hybrid search.
"""

from __future__ import annotations

from serving.assistant.library import Query
from serving.assistant.reranker import Reranker, rerank
from serving.assistant.running import Running
from serving.assistant.shown import Found

__all__ = ["POOL", "Reranking", "reranking"]

POOL = 20
"""Passages that are scored. A small cross-encoder takes about 50 ms for each on one core."""


def reranking(reranker: Reranker | None, running: Running) -> Reranking | None:
    """The stage, or None where the order of the search stands.

    Raises `CalibrationMissing`, and ValueError for an adapter without its reranker or the other way round: an answer
    must not name a version that had no part in it.
    """
    if (reranker is not None) != running.tuned:
        raise ValueError(f"reranking runs as {running.mode}, but the reranker is {reranker}")
    return Reranking(reranker, running) if reranker else None


class Reranking:
    """A reranker with the weight of its scores."""

    def __init__(self, reranker: Reranker, running: Running) -> None:
        """Raises `CalibrationMissing`."""
        self._reranker = reranker
        (self._weight,) = running.calibrated("weight")

    def best(self, found: Found, query: Query, top_k: int) -> Found:
        """The best `top_k` of what was found for a query, best first. Raises `QuestionTooLong`."""
        scores = self._reranker.score(query.text, found.passages)
        order = rerank([passage.id for passage in found.passages], scores, self._weight)
        return found.take(order[:top_k])
