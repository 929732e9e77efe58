"""How sure a mean is: percentile bootstrap over rows, seeded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Interval", "bootstrap_mean"]


@dataclass(frozen=True)
class Interval:
    """A mean and the bounds between which it lies with 95% confidence."""

    value: float
    low: float
    high: float


def bootstrap_mean(scores: Sequence[float], *, seed: int, resamples: int = 2000) -> Interval:
    """Mean of `scores` with its 95% percentile interval over `resamples` draws of rows with replacement.

    The order of `scores` matters to the draws, so callers keep rows in file order. Raises ValueError without scores:
    a mean of nothing is not 0.
    """
    import numpy as np

    if not scores:
        raise ValueError("a mean of no scores was asked for")
    values = np.asarray(scores, dtype=np.float64)
    generator = np.random.default_rng(seed)
    means = [values[generator.integers(0, len(values), len(values))].mean() for _ in range(resamples)]
    low, high = np.percentile(means, [2.5, 97.5])
    return Interval(value=float(values.mean()), low=float(low), high=float(high))
