"""The decision over odds and signals: fitted where it can be, honest about its budget."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuning.calibration import FEWEST_OF_A_SOURCE, Decision, fit_decision, fit_preference
from tuning.errors import RowsInvalid

NUMBERS = st.floats(-5, 5).map(lambda number: round(number, 3))
ROWS = st.lists(st.tuples(NUMBERS, NUMBERS, st.booleans()), min_size=2, max_size=40).filter(
    lambda rows: len({label for *_, label in rows}) == 2
)


def answered(decision: Decision, odds: float, *signals: float) -> bool:
    return decision.bias + decision.odds * odds + float(np.dot(decision.signals, signals)) >= 0


def fitted(rows: list[tuple[float, float, bool]], budget: float = 1.0) -> Decision:
    odds, signals, labels = zip(*rows, strict=True)
    return fit_decision(
        odds, [(signal,) for signal in signals], labels, ["a"] * len(labels), over_refusal_budget=budget
    )


def test_what_the_odds_part_is_parted() -> None:
    decision = fitted([(-2, 0, False), (-1, 0, False), (1, 0, True), (2, 0, True)])
    assert decision.balanced_accuracy == 1
    assert [answered(decision, odds, 0) for odds in (-3, -1, 1, 3)] == [False, False, True, True]


def test_a_signal_that_tells_more_than_the_odds_weighs_more() -> None:
    draw = random.Random(0)
    rows = [(draw.gauss(0.2 * label, 1), draw.gauss(3 * label, 1), bool(label)) for label in (0, 1) * 200]
    decision = fitted(rows)
    assert decision.signals[0] > 3 * abs(decision.odds)
    assert decision.balanced_accuracy > 0.9


def test_classes_weigh_alike_however_many_rows_each_has() -> None:
    few = [(-1.0, 0.0, False), (1.0, 0.0, True), (0.2, 0.0, False), (-0.2, 0.0, True)]
    many = few + [row for row in few if row[2]] * 9
    assert fitted(many).bias == pytest.approx(fitted(few).bias, abs=1e-6)


@given(ROWS, st.floats(0, 1))
def test_no_more_answerable_rows_are_refused_than_the_budget_allows(
    rows: list[tuple[float, float, bool]], budget: float
) -> None:
    decision = fitted(rows, budget)
    refused = [not answered(decision, odds, signal) for odds, signal, label in rows if label]
    assert sum(refused) / len(refused) <= budget + 1e-9
    assert decision.false_refusal_rate <= budget


@pytest.mark.parametrize(("rows", "within"), [(FEWEST_OF_A_SOURCE, True), (FEWEST_OF_A_SOURCE - 1, False)])
def test_a_source_with_few_rows_is_refused_no_more_than_others_if_they_are_enough_to_tell(
    rows: int, within: bool
) -> None:
    """Another source has ten times the rows, and its answerable ones have better odds."""
    draw = random.Random(0)
    drawn = [(draw.gauss(2.0 * label, 1), "much", bool(label)) for label in (0, 1) * 10 * rows]
    drawn += [(draw.gauss(0.5 * label, 1), "little", bool(label)) for label in (0, 1) * rows]
    odds, sources, labels = zip(*drawn, strict=True)
    decision = fit_decision(odds, [()] * len(odds), labels, sources, over_refusal_budget=0.2)
    refused = [not answered(decision, odd) for odd, source, label in drawn if label and source == "little"]
    assert (sum(refused) / len(refused) <= 0.2) == within


@given(ROWS, st.randoms())
def test_the_order_of_the_rows_decides_nothing(rows: list[tuple[float, float, bool]], draw: random.Random) -> None:
    shuffled = list(rows)
    draw.shuffle(shuffled)
    assert fitted(shuffled).bias == pytest.approx(fitted(rows).bias, abs=1e-6)


def test_rows_of_one_class_are_an_error() -> None:
    with pytest.raises(RowsInvalid, match="2 of 2"):
        fit_decision([0.0, 1.0], [(), ()], [True, True], ["a", "a"], over_refusal_budget=0.3)


def choices(draw: random.Random, evidence: float, preference: float) -> list[tuple[float, float]]:
    """Five options, of which the first is right, told by signals of these strengths."""
    return [(draw.gauss(evidence * (place == 0), 1), draw.gauss(preference * (place == 0), 1)) for place in range(5)]


def chosen_right(questions: list[list[tuple[float, float]]], weight: float) -> float:
    return float(np.mean([np.argmax([e + weight * p for e, p in options]) == 0 for options in questions]))


def test_two_signals_that_err_apart_are_weighed_so_that_they_err_less_together() -> None:
    draw = random.Random(1)
    fitted_on, others = ([choices(draw, 2.0, 1.0) for _ in range(300)] for _ in range(2))
    weight = fit_preference(fitted_on, [{0}] * len(fitted_on))
    assert chosen_right(others, weight) > max(chosen_right(others, 0.0), chosen_right(others, 1e6)) + 0.02


def test_a_preference_that_is_no_help_weighs_nothing() -> None:
    draw = random.Random(2)
    questions = [choices(draw, 2.0, -1.0) for _ in range(200)]
    assert fit_preference(questions, [{0}] * len(questions)) == 0


@pytest.mark.parametrize("right", [set(), {0, 1}], ids=["none", "all"])
def test_questions_whose_options_are_all_right_or_all_wrong_tell_nothing(right: set[int]) -> None:
    assert fit_preference([[(1.0, 0.0), (0.0, 9.0)]], [right]) == 0


def test_the_order_of_options_and_questions_changes_no_weight() -> None:
    draw = random.Random(3)
    questions = [choices(draw, 1.0, 1.0) for _ in range(40)]
    turned = [list(reversed(options)) for options in reversed(questions)]
    assert fit_preference(turned, [{4}] * 40) == fit_preference(questions, [{0}] * 40)
