"""Reranking: do the relevant passages come first?

nDCG@10 with the relevance itself as gain and a logarithmic discount (Jarvelin & Kekalainen, 2002); the reciprocal rank
of the first of the most relevant passages. Equal scores are ordered by passage id.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from tuning.errors import NotJudged
from tuning.evaluation import Evaluation, Judged, Metric, Subject, run_rows, summarise
from tuning.rows import RankedPassage, RerankRow
from tuning.statistics import RESAMPLES
from tuning.systems import Progress, RerankSystem

__all__ = ["METRICS", "evaluate_rerank", "judge_ranking", "scored"]

METRICS = (Metric("ndcg_at_10"), Metric("mrr"))
_CUT = 10


def evaluate_rerank(
    rows: Sequence[RerankRow],
    system: RerankSystem,
    *,
    seed: int,
    adapter: str = "none",
    progress: Progress | None = None,
    resamples: int = RESAMPLES,
) -> Evaluation:
    """Measures an order of passages; both metrics lie between 0 and 1, higher is better."""
    outcomes = run_rows(rows, lambda row: judge_ranking(row, system(row)), progress=progress)
    return summarise(Subject("rerank", adapter), METRICS, outcomes, seed=seed, resamples=resamples)


def judge_ranking(row: RerankRow, scores: Sequence[float]) -> Judged:
    """What the scores of a row's passages earn.

    Raises NotJudged for a row without an order to find, and for a score that is no number.
    """
    gains = [passage.relevance for passage in row.passages]
    if max(gains) == min(gains):
        raise NotJudged("all passages of the row are equally relevant")
    order = [passage for _, passage in scored(row, scores)]
    first = next(rank for rank, passage in enumerate(order, 1) if passage.relevance == max(gains))
    ideal = _discounted(sorted(gains, reverse=True))
    values = {"ndcg_at_10": _discounted([p.relevance for p in order]) / ideal, "mrr": 1 / first}
    return Judged(values, shown=f"{row.question} -> {order[0].id}")


def scored(row: RerankRow, scores: Sequence[float]) -> list[tuple[float, RankedPassage]]:
    """Each passage with its score, best first, equal scores by passage id.

    Raises NotJudged for a score that is no number, ValueError for one too few or too many.
    """
    if any(not math.isfinite(score) for score in scores):
        raise NotJudged("a score is no finite number")
    return sorted(zip(scores, row.passages, strict=True), key=lambda pair: (-pair[0], pair[1].id))


def _discounted(gains: Sequence[float]) -> float:
    return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains[:_CUT], 1))
