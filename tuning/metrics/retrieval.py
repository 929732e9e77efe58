"""Retrieval: does a search bring the document that answers the question, and how high up?

Judged by document: a ranking of passages counts each document once, at its best passage. A row whose uri names no
indexed document cannot be judged; it is counted as such and is neither a hit nor a miss. A row whose uri ends several
documents' uris is met by any of them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from tuning.rows import RetrievalRow
from tuning.statistics import Interval, bootstrap_mean

__all__ = ["RetrievalReport", "evaluate_retrieval", "names_document", "rank_of"]

CUTS = (1, 5, 10)


@dataclass(frozen=True)
class RetrievalReport:
    """Metrics over the judged rows; empty if there is none."""

    rows: int
    judged: int
    unjudged: int
    metrics: dict[str, Interval]
    """`hit_at_1`, `hit_at_5`, `hit_at_10`: share of rows whose document is among the first n documents.
    `mrr`: mean of 1/rank, 0 where the search did not bring the document at all. Higher is better."""
    missed: tuple[str, ...]
    """Questions whose document is not among the first ten, in file order."""


def evaluate_retrieval(
    rows: Sequence[RetrievalRow], indexed: Collection[str], search: Callable[[str], Sequence[str]], *, seed: int
) -> RetrievalReport:
    """Runs every judgeable question through `search` (question -> uris of its hits, best first).

    `indexed` are the uris of all documents that could be found.
    """
    judged = [row for row in rows if any(names_document(row.uri, uri) for uri in indexed)]
    ranks = [rank_of(row.uri, search(row.question)) for row in judged]
    missed = tuple(row.question for row, rank in zip(judged, ranks, strict=True) if rank is None or rank > CUTS[-1])
    metrics = _metrics(ranks, seed) if ranks else {}
    return RetrievalReport(len(rows), len(judged), len(rows) - len(judged), metrics, missed)


def rank_of(wanted: str, found: Sequence[str]) -> int | None:
    """One-based rank of the wanted document among the distinct uris of `found`; None if it is not among them."""
    for rank, uri in enumerate(dict.fromkeys(found), 1):
        if names_document(wanted, uri):
            return rank
    return None


def names_document(wanted: str, uri: str) -> bool:
    """Whether `uri` is `wanted` or ends with it from a `/` on."""
    return uri == wanted or uri.endswith("/" + wanted.lstrip("/"))


def _metrics(ranks: Sequence[int | None], seed: int) -> dict[str, Interval]:
    hits = {
        f"hit_at_{cut}": bootstrap_mean([float(rank is not None and rank <= cut) for rank in ranks], seed=seed)
        for cut in CUTS
    }
    return hits | {"mrr": bootstrap_mean([1 / rank if rank else 0.0 for rank in ranks], seed=seed)}
