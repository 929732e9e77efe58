"""How sure a figure is: percentile bootstrap over rows, seeded; alone, by class, or as the gain of one over another.

Rows of equal values are drawn together, as a multinomial count: a draw of rows with replacement is nothing else, and so
the order in which rows came changes nothing.

Covered: chance in which rows were asked. Not covered: chance in training, and rows that are alike (a conversation's
turns count as independent, so intervals are somewhat too narrow there).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array: TypeAlias = NDArray[Any]

__all__ = ["RESAMPLES", "Interval", "Statistic", "Value", "bootstrap", "bootstrap_gain", "bootstrap_mean"]

RESAMPLES = 2000
_CELLS = 4_000_000
"""Counts that are held in memory at once; about 32 MB a class."""


@dataclass(frozen=True)
class Interval:
    """A figure and the bounds between which it lies with 95% confidence."""

    value: float
    low: float
    high: float


class Statistic(StrEnum):
    """What is made of the values of all rows."""

    MEAN = "mean"
    BALANCED = "balanced"
    """Mean of the means of both classes; rows are drawn within their class."""
    AUC = "auc"
    """Chance that a positive row's value is above a negative row's, ties half; rows are drawn within their class."""


@dataclass(frozen=True)
class Value:
    """What one row counts, and its class for the statistics that know classes."""

    value: float
    positive: bool = False


def bootstrap_mean(scores: Sequence[float], *, seed: int, resamples: int = RESAMPLES) -> Interval:
    """Mean of `scores` with its 95% percentile interval over `resamples` draws of rows with replacement.

    Raises ValueError without scores: a mean of nothing is not 0.
    """
    interval = bootstrap([Value(score) for score in scores], Statistic.MEAN, seed=seed, resamples=resamples)
    if interval is None:
        raise ValueError("a mean of no scores was asked for")
    return interval


def bootstrap(
    values: Sequence[Value], statistic: Statistic, *, seed: int, resamples: int = RESAMPLES
) -> Interval | None:
    """The statistic of `values` with its 95% interval; None where it does not exist.

    It does not exist without values, and a statistic of classes not without rows of both.
    """
    classes = _classes([(row.positive, (row.value,)) for row in values], statistic)
    return _interval(statistic, classes, seed, resamples)


def bootstrap_gain(
    pairs: Sequence[tuple[Value, Value]], statistic: Statistic, *, seed: int, resamples: int = RESAMPLES
) -> Interval | None:
    """How much the first of each pair is above the second, both of one row, with its 95% interval; else as `bootstrap`.

    Each draw takes the same rows for both, so that what is hard about a row cancels out. The class is the first's.
    """

    def columns(ours: Value, theirs: Value) -> tuple[float, ...]:
        # A mean of differences, not a difference of means: without rounding, so that equals gain exactly 0.
        return (ours.value, theirs.value) if statistic is Statistic.AUC else (ours.value - theirs.value,)

    classes = _classes([(ours.positive, columns(ours, theirs)) for ours, theirs in pairs], statistic)
    return _interval(statistic, classes, seed, resamples)


@dataclass(frozen=True)
class _Class:
    """Rows that are drawn from together."""

    values: Array
    """Distinct rows, ascending: (distinct, columns)."""
    counts: Array
    """How often each occurs: (distinct,)."""

    @property
    def rows(self) -> int:
        return int(self.counts.sum())


def _classes(rows: Sequence[tuple[bool, tuple[float, ...]]], statistic: Statistic) -> list[_Class]:
    """All rows as one class for the mean, else negatives and positives; empty if a class has no row."""
    import numpy as np

    groups = (
        [rows] if statistic is Statistic.MEAN else [[r for r in rows if r[0] is wanted] for wanted in (False, True)]
    )
    counted = [sorted(Counter(columns for _, columns in group).items()) for group in groups]
    if not all(counted):
        return []
    return [_Class(np.array([v for v, _ in group]), np.array([n for _, n in group])) for group in counted]


def _interval(statistic: Statistic, classes: Sequence[_Class], seed: int, resamples: int) -> Interval | None:
    """The statistic of the one column, or of the first less that of the second."""
    import numpy as np

    if not classes:
        return None

    def estimate(counts: Sequence[Array]) -> Array:
        columns = range(classes[0].values.shape[1])
        found = [_estimate(statistic, [c.values[:, column] for c in classes], counts) for column in columns]
        return found[0] - found[1] if len(found) > 1 else found[0]

    resampled = np.concatenate([estimate(counts) for counts in _draws(classes, seed, resamples)])
    low, high = np.percentile(resampled, [2.5, 97.5])
    (value,) = estimate([c.counts[None, :] for c in classes])
    return Interval(float(value), float(low), float(high))


def _draws(classes: Sequence[_Class], seed: int, resamples: int) -> Iterator[list[Array]]:
    """For each class how often each distinct row was drawn: (resamples, distinct), some resamples at a time."""
    import numpy as np

    generator = np.random.default_rng(seed)
    step = max(1, _CELLS // max(len(c.counts) for c in classes))
    for done in range(0, resamples, step):
        size = min(step, resamples - done)
        yield [generator.multinomial(c.rows, c.counts / c.rows, size) for c in classes]


def _estimate(statistic: Statistic, values: Sequence[Array], counts: Sequence[Array]) -> Array:
    """The statistic of each resample: (resamples,)."""
    if statistic is Statistic.AUC:
        return _auc(*values, *counts)
    means: list[Array] = [drawn @ column / drawn.sum(axis=1) for column, drawn in zip(values, counts, strict=True)]
    total: Array = sum(means[1:], start=means[0])
    return total / len(means)


def _auc(negative: Array, positive: Array, negatives: Array, positives: Array) -> Array:
    """By counting, for each positive value, the negatives below it and half of those that equal it."""
    import numpy as np

    order = np.argsort(negative, kind="stable")
    ascending = negative[order]
    below = np.pad(np.cumsum(negatives[:, order], axis=1), ((0, 0), (1, 0)))
    first, last = (np.searchsorted(ascending, positive, side) for side in ("left", "right"))
    won: Array = ((below[:, first] + below[:, last]) / 2 * positives).sum(axis=1)
    area: Array = won / (negatives.sum(axis=1) * positives.sum(axis=1))
    return area
