"""Refusal: both accuracies, false refusals, and a threshold that is chosen on other rows."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.interface.context import ContextPassage
from serving.interface.refusal import Answerability, Judgement
from tuning.errors import NotJudged, RowsInvalid
from tuning.metrics.refusal import METRICS, choose_threshold, evaluate_refusal
from tuning.rows import RefusalRow

YES, NO, WHICH = Answerability.ANSWERABLE, Answerability.UNANSWERABLE, Answerability.UNDERSPECIFIED
labelled = st.lists(st.tuples(st.booleans(), st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.9, 1.0])), min_size=2, max_size=14)


def rows_of(*labels: Answerability) -> list[RefusalRow]:
    passage = ContextPassage(id="p", text="The port is 7000.")
    return [RefusalRow(question=str(n), passages=(passage,), label=label) for n, label in enumerate(labels)]


def odds(*answerable: float) -> Callable[[RefusalRow], Judgement]:
    """A judge that has these odds for the rows by their numbers."""
    return lambda row: Judgement(answerable[int(row.question)], 1 - answerable[int(row.question)], 0.0)


def test_the_metrics_are_those_of_the_design():
    assert {metric.name for metric in METRICS} >= {
        "accuracy_answerable", "accuracy_unanswerable", "balanced_accuracy", "false_refusal_rate", "auc",
    }  # fmt: skip


def test_each_class_is_weighed_alike():
    rows = rows_of(YES, YES, YES, YES, NO, NO)
    found = evaluate_refusal(rows, odds(0.9, 0.9, 0.9, 0.2, 0.1, 0.8), threshold=0.5, seed=0)
    values = {name: interval.value for name, interval in found.metrics.items()}
    assert values == {
        "accuracy_answerable": 0.75,
        "accuracy_unanswerable": 0.5,
        "balanced_accuracy": 0.625,
        "false_refusal_rate": 0.25,
        "auc": pytest.approx(7 / 8),
    }
    assert found.settings == {"threshold": 0.5}
    assert found.counts["judged_unanswerable"] == 2


def test_the_threshold_decides():
    rows = rows_of(YES, NO)
    strict = evaluate_refusal(rows, odds(0.6, 0.4), threshold=0.7, seed=0).metrics
    lax = evaluate_refusal(rows, odds(0.6, 0.4), threshold=0.4, seed=0).metrics
    assert strict["false_refusal_rate"].value == 1.0
    assert lax["accuracy_unanswerable"].value == 0.0
    assert strict["auc"] == lax["auc"]


def test_asking_back_is_no_answer_and_right_for_an_unclear_question_alone():
    def asks(row: RefusalRow) -> Judgement:
        return Judgement(0.1, 0.2, 0.7)

    found = evaluate_refusal(rows_of(YES, NO, WHICH), asks, threshold=0.5, seed=0).metrics
    assert found["accuracy_answerable"].value == 0.0
    assert found["accuracy_unanswerable"].value == 1.0
    assert found["accuracy_underspecified"].value == 1.0


def test_a_row_that_the_judge_cannot_take_is_not_a_refusal():
    def fails(row: RefusalRow) -> Judgement:
        if row.question == "0":
            raise NotJudged("its prompt is too long")
        return Judgement(1.0, 0.0, 0.0)

    found = evaluate_refusal(rows_of(YES, YES, NO), fails, threshold=0.5, seed=0)
    assert found.metrics["false_refusal_rate"].value == 0.0
    assert found.reasons() == {"its prompt is too long": 1}


def test_odds_that_are_no_number_are_no_refusal():
    found = evaluate_refusal(rows_of(YES, YES, NO), odds(float("nan"), 0.9, 0.1), threshold=0.5, seed=0)
    assert (found.judged, found.metrics["false_refusal_rate"].value, found.metrics["auc"].value) == (2, 0.0, 1.0)


def test_the_best_threshold_lies_in_the_middle_of_the_best_range():
    choice = choose_threshold(rows_of(YES, YES, NO, NO), odds(0.9, 0.7, 0.3, 0.1), over_refusal_budget=1.0)
    assert choice.threshold == pytest.approx(0.5)
    assert (choice.balanced_accuracy, choice.false_refusal_rate, choice.rows) == (1.0, 0.0, 4)


def test_the_budget_is_kept_even_where_refusing_more_would_score_better():
    rows = rows_of(YES, YES, YES, NO, NO, NO, NO, NO, NO)
    judge = odds(0.9, 0.8, 0.2, 0.7, 0.6, 0.5, 0.4, 0.35, 0.3)
    assert choose_threshold(rows, judge, over_refusal_budget=0.4).threshold == pytest.approx(0.75)
    kept = choose_threshold(rows, judge, over_refusal_budget=0.3)
    assert kept.false_refusal_rate == 0.0
    assert kept.threshold == pytest.approx(0.1)


def test_unclear_rows_choose_no_threshold():
    judge = odds(0.9, 0.5, 0.1)
    with_them = choose_threshold(rows_of(YES, WHICH, NO), judge, over_refusal_budget=1.0)
    assert (with_them.threshold, with_them.rows) == (pytest.approx(0.5), 2)


@pytest.mark.parametrize("labels", [(YES, YES), (NO,), (WHICH, YES)])
def test_without_both_classes_no_threshold_can_be_chosen(labels: tuple[Answerability, ...]):
    with pytest.raises(RowsInvalid, match="answerable and unanswerable"):
        choose_threshold(rows_of(*labels), odds(0.5, 0.5), over_refusal_budget=1.0)


@given(labelled, st.sampled_from([0.0, 0.25, 0.5, 1.0]))
def test_no_other_threshold_within_the_budget_is_better(scored: list[tuple[bool, float]], budget: float):
    if len({answerable for answerable, _ in scored}) < 2:
        return
    rows = rows_of(*(YES if answerable else NO for answerable, _ in scored))
    judge = odds(*(p for _, p in scored))
    choice = choose_threshold(rows, judge, over_refusal_budget=budget)

    def at(threshold: float) -> tuple[float, float]:
        found = evaluate_refusal(rows, judge, threshold=threshold, seed=0, resamples=2).metrics
        return found["balanced_accuracy"].value, found["false_refusal_rate"].value

    chosen = at(choice.threshold)
    assert chosen == (pytest.approx(choice.balanced_accuracy), pytest.approx(choice.false_refusal_rate))
    assert chosen[1] <= budget
    for other in (0.0, 0.05, 0.2, 0.4, 0.7, 0.95, 1.0):
        accuracy, refused = at(other)
        assert refused > budget or accuracy <= chosen[0] + 1e-9


@given(labelled, st.randoms(use_true_random=False))
def test_the_order_of_rows_chooses_no_other_threshold(scored: list[tuple[bool, float]], chance):
    if len({answerable for answerable, _ in scored}) < 2:
        return
    rows = rows_of(*(YES if answerable else NO for answerable, _ in scored))
    judge = odds(*(p for _, p in scored))
    shuffled = chance.sample(rows, len(rows))
    assert choose_threshold(rows, judge, over_refusal_budget=0.5) == choose_threshold(
        shuffled, judge, over_refusal_budget=0.5
    )
