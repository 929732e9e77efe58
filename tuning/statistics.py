"""How sure a figure is: percentile bootstrap over rows, seeded; alone, by class, or as the gain of one over another.

Rows are put in order of their values before any is drawn, so that the order in which they came changes nothing.

Covered: chance in which rows were asked. Not covered: chance in training, and rows that are alike (a conversation's
turns count as independent, so intervals are somewhat too narrow there).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array: TypeAlias = NDArray[Any]

__all__ = ["RESAMPLES", "Interval", "Statistic", "Value", "bootstrap", "bootstrap_gain", "bootstrap_mean"]

RESAMPLES = 2000
_CELLS = 4_000_000
"""Draws that are held in memory at once; about 64 MB."""


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
    classes = _classes([value.positive for value in values], statistic)
    if not classes:
        return None
    (column,), sizes = _ordered(classes, [value.value for value in values])
    return _interval(lambda draws: _estimate(statistic, column, draws, sizes), sizes, seed, resamples)


def bootstrap_gain(
    pairs: Sequence[tuple[Value, Value]], statistic: Statistic, *, seed: int, resamples: int = RESAMPLES
) -> Interval | None:
    """How much the first of each pair is above the second, both of one row, with its 95% interval; else as `bootstrap`.

    Each draw takes the same rows for both, so that what is hard about a row cancels out. The class is the first's.
    """
    classes = _classes([first.positive for first, _ in pairs], statistic)
    if not classes:
        return None
    (ours, theirs), sizes = _ordered(classes, [a.value for a, _ in pairs], [b.value for _, b in pairs])

    def gain(draws: Array) -> Array:
        above: Array = _estimate(statistic, ours, draws, sizes) - _estimate(statistic, theirs, draws, sizes)
        return above

    return _interval(gain, sizes, seed, resamples)


def _classes(positive: Sequence[bool], statistic: Statistic) -> list[list[int]]:
    """Indices of the rows that are drawn from together: negatives and positives, or all. Empty if a class is."""
    if statistic is Statistic.MEAN:
        return [list(range(len(positive)))] if positive else []
    classes = [[i for i, is_positive in enumerate(positive) if is_positive is wanted] for wanted in (False, True)]
    return classes if all(classes) else []


def _ordered(classes: Sequence[Sequence[int]], *columns: Sequence[float]) -> tuple[list[Array], list[int]]:
    """The columns with one class after the other and each in order of its values; the sizes of the classes."""
    import numpy as np

    rows = [sorted(members, key=lambda i: [column[i] for column in columns]) for members in classes]
    order = [i for members in rows for i in members]
    return [np.asarray(column, dtype=np.float64)[order] for column in columns], [len(members) for members in rows]


def _interval(estimate: Callable[[Array], Array], sizes: Sequence[int], seed: int, resamples: int) -> Interval:
    import numpy as np

    found = np.concatenate([estimate(draws) for draws in _draws(sizes, seed, resamples)])
    low, high = np.percentile(found, [2.5, 97.5])
    (value,) = estimate(np.arange(sum(sizes))[None, :])
    return Interval(float(value), float(low), float(high))


def _draws(sizes: Sequence[int], seed: int, resamples: int) -> Iterator[Array]:
    """Row numbers of each resample, some resamples at a time: (resamples, rows), drawn within each class."""
    import numpy as np

    generator = np.random.default_rng(seed)
    starts = [sum(sizes[:i]) for i in range(len(sizes))]
    step = max(1, _CELLS // sum(sizes))
    for done in range(0, resamples, step):
        count = min(step, resamples - done)
        blocks = [start + generator.integers(0, n, (count, n)) for start, n in zip(starts, sizes, strict=True)]
        yield np.concatenate(blocks, axis=1)


def _estimate(statistic: Statistic, values: Array, draws: Array, sizes: Sequence[int]) -> Array:
    """The statistic of each resample: (resamples,)."""
    if statistic is Statistic.AUC:
        return _auc(values, draws, sizes[0])
    drawn = values[draws]
    if statistic is Statistic.MEAN:
        mean: Array = drawn.mean(axis=1)
        return mean
    balanced: Array = (drawn[:, : sizes[0]].mean(axis=1) + drawn[:, sizes[0] :].mean(axis=1)) / 2
    return balanced


def _auc(values: Array, draws: Array, negatives: int) -> Array:
    """By counting, for each distinct value, the negatives below it: no pair is looked at alone."""
    import numpy as np

    distinct, codes = np.unique(values, return_inverse=True)

    def histogram(drawn: Array) -> Array:
        places = codes[drawn] + np.arange(len(drawn))[:, None] * len(distinct)
        return np.bincount(places.ravel(), minlength=len(drawn) * len(distinct)).reshape(len(drawn), -1)

    below = histogram(draws[:, :negatives])
    above = histogram(draws[:, negatives:])
    won: Array = ((np.cumsum(below, axis=1) - below / 2) * above).sum(axis=1)
    area: Array = won / (negatives * (draws.shape[1] - negatives))
    return area
