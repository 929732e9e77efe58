"""One metric of two evaluations of the same rows, pair by pair."""

from __future__ import annotations

from dataclasses import dataclass

from tuning.evaluation import Evaluation
from tuning.statistics import Interval, bootstrap_gain

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
    gain: Interval

    def __str__(self) -> str:
        where = f" on {self.part}" if self.part else ""
        gain = f"{self.gain.value:+.3f} [{self.gain.low:+.3f}, {self.gain.high:+.3f}]"
        return f"{self.metric}{where} against {self.baseline}: {gain} over {self.pairs} rows"


def compare(
    candidate: Evaluation, baseline: Evaluation, metric: str, name: str, part: str, seed: int, resamples: int
) -> Comparison | None:
    """The gain of `candidate` over `baseline`, called `name`, on a slice (all rows if empty).

    None where the metric was judged for both on no row, or its statistic lacks a class.
    """
    statistic = next((m.statistic for m in candidate.measures if m.name == metric), None)
    theirs = {outcome.key: outcome.value(metric) for outcome in baseline.outcomes}
    ours = [(o.value(metric), theirs.get(o.key)) for o in candidate.outcomes if not part or part in o.slices]
    pairs = [(a, b) for a, b in ours if a is not None and b is not None]
    gain = bootstrap_gain(pairs, statistic, seed=seed, resamples=resamples) if statistic else None
    return Comparison(metric, name, part, len(pairs), gain) if gain else None
