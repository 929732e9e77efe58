"""What benchmarks print alike: a mean with its interval, and progress on standard error."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict

from tuning.statistics import bootstrap_mean

__all__ = ["intervals", "say"]


def intervals(scores: Sequence[float]) -> dict[str, float]:
    """Mean of `scores` and its 95% bootstrap interval, as JSON."""
    return {name: round(value, 4) for name, value in asdict(bootstrap_mean(scores, seed=0)).items()}


def say(text: str) -> None:
    """One line on standard error."""
    sys.stderr.write(text + "\n")
