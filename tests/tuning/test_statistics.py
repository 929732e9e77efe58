"""The bootstrap interval."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuning.statistics import bootstrap_mean

shares = st.lists(st.floats(0, 1), min_size=1, max_size=20)


@given(shares, st.integers(0, 2**32 - 1))
def test_the_interval_lies_within_the_scores_and_is_repeated_by_its_seed(scores: list[float], seed: int):
    interval = bootstrap_mean(scores, seed=seed, resamples=50)
    assert min(scores) - 1e-9 <= interval.low <= interval.high <= max(scores) + 1e-9
    assert interval == bootstrap_mean(scores, seed=seed, resamples=50)


def test_equal_scores_leave_no_doubt():
    interval = bootstrap_mean([0.5] * 10, seed=1)
    assert (interval.low, interval.value, interval.high) == (0.5, 0.5, 0.5)


def test_the_width_is_that_of_the_normal_approximation():
    scores = [1.0] * 50 + [0.0] * 50  # standard error of the mean: 0.05
    interval = bootstrap_mean(scores, seed=7)
    assert interval.low == pytest.approx(0.402, abs=0.02)
    assert interval.high == pytest.approx(0.598, abs=0.02)


def test_a_mean_of_nothing_is_refused():
    with pytest.raises(ValueError, match="no scores"):
        bootstrap_mean([], seed=0)
