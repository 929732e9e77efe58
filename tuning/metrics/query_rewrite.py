"""Query rewriting: is the rewrite the one that a person wrote, and does it bring what the question lacked?

The text that was written is judged as it was written: a rambling or malformed one keeps its row and earns what its
words earn, so that a model gains nothing by breaking the form where rewriting is hard.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from serving.interface import query_rewrite as contract
from serving.interface.errors import MalformedOutput
from serving.interface.segments import unescape
from tuning.evaluation import Evaluation, Judged, Metric, Subject, run_rows, summarise
from tuning.metrics.words import content_words, overlap, words
from tuning.rows import QueryRewriteRow
from tuning.statistics import RESAMPLES
from tuning.systems import Progress, RewriteSystem

__all__ = ["METRICS", "evaluate_query_rewrite", "judge_rewrite"]

METRICS = tuple(
    Metric(name, less_is_better=name == "unchanged")
    for name in (
        "rouge1_f1",
        "rouge1_f1_copy",  # of the question itself: what copying would earn
        "rouge1_recall",
        "missing_words_recall",  # content words of the person's rewrite that the question lacks
        "exact_match",
        "unchanged",  # where the person changed the question
        "well_formed",  # the contract's parser takes the text
    )
)


def evaluate_query_rewrite(
    rows: Sequence[QueryRewriteRow],
    system: RewriteSystem,
    *,
    seed: int,
    adapter: str = "none",
    progress: Progress | None = None,
    resamples: int = RESAMPLES,
) -> Evaluation:
    """Measures a rewriter; every metric lies between 0 and 1, and higher is better but for `unchanged`."""
    outcomes = run_rows(rows, lambda row: judge_rewrite(row, system(row)), progress=progress)
    return summarise(Subject("query_rewrite", adapter), METRICS, outcomes, seed=seed, resamples=resamples)


def judge_rewrite(row: QueryRewriteRow, text: str) -> Judged:
    """What `text` earns for a row."""
    written, gold, asked = words(unescape(text)), words(row.rewrite), words(row.question)
    met = overlap(written, gold)
    values = {
        "rouge1_f1": met.f1,
        "rouge1_f1_copy": overlap(asked, gold).f1,
        "rouge1_recall": met.recall,
        "exact_match": float(written == gold),
    }
    missing = content_words(row.rewrite) - content_words(row.question)
    if missing:
        values["missing_words_recall"] = len(missing & content_words(unescape(text))) / len(missing)
    if asked != gold:
        values["unchanged"] = float(written == asked)
    faults = tuple(_faults(text))
    values["well_formed"] = float(not faults)
    return Judged(values, counts=faults, shown=f"{row.question} -> {text}")


def _faults(text: str) -> Iterator[str]:
    """Names under which a text outside the contract's grammar is counted."""
    try:
        contract.parse(text)
    except MalformedOutput:
        yield "malformed"
        yield "empty" if not text.strip() else "rambling"
