"""One metric of two evaluations of the same rows, pair by pair."""

from __future__ import annotations

from dataclasses import dataclass

from tuning.evaluation import Evaluation
from tuning.statistics import Interval, Statistic, bootstrap_gain

__all__ = ["Comparison", "compare"]


@dataclass(frozen=True)
class Comparison:
    """How much a candidate is above a baseline."""

    metric: str
    baseline: str
    part: str
    """A slice of the rows; empty for all."""
    pairs: int
    """Rows for which both could be judged."""
    smaller_class: int
    """Of these, rows of the rarer class, where the metric knows classes; else all."""
    gain: Interval
    together: bool = False
    """Whether each row counts alike, where the metric would give both classes the same weight."""

    def is_of(self, least: int) -> bool:
        """Whether there are so many pairs, and of a class at least half as many: a class of one row has no spread."""
        return self.pairs >= least and 2 * self.smaller_class >= least

    def __str__(self) -> str:
        where = f" on {self.part}" if self.part else ""
        gain = f"{self.gain.value:+.3f} [{self.gain.low:+.3f}, {self.gain.high:+.3f}]"
        alike = ", each counted alike" if self.together else ""
        return f"{self.metric}{where} against {self.baseline}: {gain} over {self.pairs} rows{alike}"


def compare(
    candidate: Evaluation,
    baseline: Evaluation,
    metric: str,
    name: str,
    part: str,
    seed: int,
    resamples: int,
    *,
    together: bool = False,
) -> Comparison | None:
    """The gain of `candidate` over `baseline`, called `name`, on a slice (all rows if empty).

    `together`: a mean of both classes' means becomes the mean of all rows, which a slice of one class has too. None
    where the metric was judged for both on no row, or its statistic lacks a class.
    """
    statistic = next((m.statistic for m in candidate.measures if m.name == metric), None)
    together = together and statistic is Statistic.BALANCED
    statistic = Statistic.MEAN if together else statistic
    theirs = {outcome.key: outcome.value(metric) for outcome in baseline.outcomes}
    ours = [(o.value(metric), theirs.get(o.key)) for o in candidate.outcomes if not part or part in o.slices]
    pairs = [(a, b) for a, b in ours if a is not None and b is not None]
    gain = bootstrap_gain(pairs, statistic, seed=seed, resamples=resamples) if statistic else None
    if gain is None:
        return None
    positive = sum(own.positive for own, _ in pairs)
    smaller = len(pairs) if statistic is Statistic.MEAN else min(positive, len(pairs) - positive)
    return Comparison(metric, name, part, len(pairs), smaller, gain, together)
