"""Refusal: are questions answered that can be, and refused that cannot?

A question counts as answered from a threshold of its probability on, chosen on other rows (`choose_threshold`).
`underspecified` rows belong to neither class: whether they are asked back is a figure of its own.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from serving.interface.refusal import Answerability, Judgement
from tuning.errors import NotJudged, RowsInvalid
from tuning.evaluation import Evaluation, Judged, Metric, Subject, run_rows, summarise
from tuning.rows import RefusalRow
from tuning.statistics import RESAMPLES, Statistic
from tuning.systems import Progress, RefusalSystem

__all__ = ["METRICS", "ThresholdChoice", "choose_threshold", "evaluate_refusal", "judge_refusal"]

METRICS = (
    Metric("accuracy_answerable"),
    Metric("accuracy_unanswerable"),
    Metric("balanced_accuracy", Statistic.BALANCED),
    Metric("false_refusal_rate", less_is_better=True),  # of the answerable
    Metric("auc", Statistic.AUC),
    Metric("accuracy_underspecified"),  # asked back, neither answered nor refused
)


def evaluate_refusal(
    rows: Sequence[RefusalRow],
    system: RefusalSystem,
    *,
    threshold: float,
    seed: int,
    adapter: str = "none",
    progress: Progress | None = None,
    resamples: int = RESAMPLES,
) -> Evaluation:
    """Measures a judge at a threshold; every metric lies between 0 and 1, higher is better but for false refusals."""
    outcomes = run_rows(rows, lambda row: judge_refusal(row, system(row), threshold), progress=progress)
    settings = {"threshold": threshold}
    return summarise(Subject("refusal", adapter), METRICS, outcomes, seed=seed, resamples=resamples, settings=settings)


def judge_refusal(row: RefusalRow, judgement: Judgement, threshold: float) -> Judged:
    """What a judgement earns for a row. Asking back is a way of not answering.

    Raises NotJudged for odds that are no number.
    """
    if not math.isfinite(judgement.answerable):
        raise NotJudged("the odds are no finite number")
    label = judgement.label(threshold)
    counts = (f"labelled_{row.label}", f"judged_{label}")
    shown = f"{row.question} ({row.label}) -> {label}, {judgement.answerable:.3f}"
    if row.label is Answerability.UNDERSPECIFIED:
        return Judged({"accuracy_underspecified": float(label is row.label)}, counts=counts, shown=shown)
    answered, answerable = label is Answerability.ANSWERABLE, row.label is Answerability.ANSWERABLE
    right = float(answered is answerable)
    values = {"balanced_accuracy": right, "auc": judgement.answerable, f"accuracy_{row.label}": right}
    if answerable:
        values["false_refusal_rate"] = float(not answered)
    return Judged(values, positive=answerable, counts=counts, shown=shown)


@dataclass(frozen=True)
class ThresholdChoice:
    """A threshold and what it gives on the rows it was chosen on, which is no measurement of it."""

    threshold: float
    balanced_accuracy: float
    false_refusal_rate: float
    rows: int


@dataclass(frozen=True)
class _Range:
    """Thresholds in (low, high] that all decide alike, on these rows."""

    low: float
    high: float
    balanced_accuracy: float
    false_refusal_rate: float


def choose_threshold(
    rows: Sequence[RefusalRow],
    system: RefusalSystem,
    *,
    over_refusal_budget: float,
    progress: Progress | None = None,
) -> ThresholdChoice:
    """The threshold of best balanced accuracy among those that refuse at most that share of the answerable rows.

    It is the middle of the widest range of thresholds that are best, of equally wide ones the lowest. Rows that cannot
    be judged are left out, and `underspecified` ones too. Raises RowsInvalid without judged rows of both classes.
    """
    outcomes = run_rows(rows, lambda row: judge_refusal(row, system(row), 0.5), progress=progress)
    values = [value for outcome in outcomes if (value := outcome.value("auc"))]
    yes = sorted(value.value for value in values if value.positive)
    no = sorted(value.value for value in values if not value.positive)
    if not yes or not no:
        raise RowsInvalid(
            f"A threshold is chosen on answerable and unanswerable rows; {len(yes)} and {len(no)} could be judged.",
            remedy="Add rows of the class that is missing, or look at why rows could not be judged.",
        )
    within = [r for r in _ranges(yes, no) if r.false_refusal_rate <= over_refusal_budget]
    best = max(r.balanced_accuracy for r in within)
    runs = [list(run) for is_best, run in groupby(within, key=lambda r: r.balanced_accuracy == best) if is_best]
    widest = max(runs, key=lambda run: (run[-1].high - run[0].low, -run[0].low))
    middle = (widest[0].low + widest[-1].high) / 2
    chosen = next(r for r in widest if middle <= r.high)
    return ThresholdChoice(middle, best, chosen.false_refusal_rate, len(values))


def _ranges(yes: Sequence[float], no: Sequence[float]) -> Iterator[_Range]:
    """Every way to decide, from answering all on; probabilities are ascending."""
    for low, high in pairwise([0.0, *sorted({*yes, *no}), 1.0]):
        refused = bisect_left(yes, high) / len(yes)
        rejected = bisect_left(no, high) / len(no)
        yield _Range(low, high, (1 - refused + rejected) / 2, refused)
