"""The bootstrap: intervals of means, of both classes, of areas, and of gains over pairs."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from tuning.statistics import Statistic, Value, bootstrap, bootstrap_gain, bootstrap_mean

shares = st.lists(st.floats(0, 1), min_size=1, max_size=20)
values = st.builds(Value, st.sampled_from([0.0, 0.25, 0.5, 1.0]), st.booleans())
statistics = st.sampled_from(Statistic)


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


@given(st.lists(values, max_size=12), statistics, st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing(rows: list[Value], statistic: Statistic, chance: random.Random):
    shuffled = chance.sample(rows, len(rows))
    assert bootstrap(rows, statistic, seed=3, resamples=30) == bootstrap(shuffled, statistic, seed=3, resamples=30)


@given(st.lists(st.tuples(values, values), max_size=12), statistics, st.randoms(use_true_random=False))
def test_the_order_of_pairs_changes_nothing(
    pairs: list[tuple[Value, Value]], statistic: Statistic, chance: random.Random
):
    shuffled = chance.sample(pairs, len(pairs))
    assert bootstrap_gain(pairs, statistic, seed=3, resamples=30) == bootstrap_gain(
        shuffled, statistic, seed=3, resamples=30
    )


@pytest.mark.parametrize("statistic", Statistic)
@pytest.mark.parametrize("rows", [10, 1001])
def test_nothing_gains_over_itself_whatever_its_values(rows: int, statistic: Statistic):
    chance = random.Random(rows)
    same = [Value(chance.random(), positive=bool(n % 3)) for n in range(rows)]
    gain = bootstrap_gain([(value, value) for value in same], statistic, seed=0, resamples=100)
    assert gain is not None
    assert (gain.low, gain.value, gain.high) == (0.0, 0.0, 0.0)


@given(st.lists(values, max_size=12), statistics)
def test_nothing_gains_over_itself(rows: list[Value], statistic: Statistic):
    gain = bootstrap_gain([(row, row) for row in rows], statistic, seed=0, resamples=30)
    assert gain is None or (gain.low, gain.value, gain.high) == (0.0, 0.0, 0.0)


@given(st.lists(values, min_size=1, max_size=20))
def test_a_statistic_of_classes_exists_with_rows_of_both(rows: list[Value]):
    both = len({row.positive for row in rows}) == 2
    assert (bootstrap(rows, Statistic.AUC, seed=0, resamples=5) is not None) is both
    assert (bootstrap(rows, Statistic.BALANCED, seed=0, resamples=5) is not None) is both


@given(st.lists(values, min_size=2, max_size=30).filter(lambda rows: len({row.positive for row in rows}) == 2))
def test_the_area_is_that_of_scikit_learn(rows: list[Value]):
    interval = bootstrap(rows, Statistic.AUC, seed=0, resamples=5)
    expected = roc_auc_score([row.positive for row in rows], [row.value for row in rows])
    assert interval is not None
    assert interval.value == pytest.approx(expected)
    assert -1e-9 <= interval.low <= interval.high <= 1 + 1e-9


def test_a_balanced_mean_weighs_a_small_class_like_a_large_one():
    rows = [Value(1.0, positive=True)] * 90 + [Value(0.0, positive=False)] * 10
    interval = bootstrap(rows, Statistic.BALANCED, seed=0)
    assert interval is not None
    assert (interval.low, interval.value, interval.high) == (0.5, 0.5, 0.5)  # rows are drawn within their class


def test_pairing_takes_out_what_is_hard_about_a_row():
    chance = random.Random(0)
    hard = [chance.random() for _ in range(200)]
    pairs = [(Value(score + 0.01), Value(score)) for score in hard]
    gain = bootstrap_gain(pairs, Statistic.MEAN, seed=0)
    alone = bootstrap_mean(hard, seed=0)
    assert gain is not None
    assert 0.0099 < gain.low <= gain.high < 0.0101
    assert alone.high - alone.low > 0.05


def test_the_interval_of_a_gain_covers_the_truth_about_as_often_as_it_says():
    chance = random.Random(4)
    covered = 0
    for seed in range(60):
        pairs = [(Value(chance.gauss(0.1, 0.5)), Value(chance.gauss(0, 0.5))) for _ in range(80)]
        gain = bootstrap_gain(pairs, Statistic.MEAN, seed=seed, resamples=400)
        assert gain is not None
        covered += gain.low <= 0.1 <= gain.high
    assert covered >= 51  # of 60; 57 are expected
