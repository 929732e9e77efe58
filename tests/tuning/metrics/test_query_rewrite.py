"""Rewrites are compared with what a person wrote, as they were written."""

from __future__ import annotations

import pytest

from serving.interface.query_rewrite import QUERY_CHARACTERS
from tuning.metrics.query_rewrite import METRICS, evaluate_query_rewrite, judge_rewrite
from tuning.rows import QueryRewriteRow
from tuning.systems import copy_question


def row(question: str, rewrite: str) -> QueryRewriteRow:
    return QueryRewriteRow(question=question, rewrite=rewrite)


ROW = row("Where is it logged?", "Where is the gateway's startup logged?")


def test_the_metrics_are_those_of_the_design():
    assert {metric.name for metric in METRICS} >= {
        "rouge1_f1", "rouge1_f1_copy", "rouge1_recall", "missing_words_recall", "exact_match", "unchanged",
    }  # fmt: skip


def test_the_persons_rewrite_earns_everything():
    judged = judge_rewrite(ROW, "where is the gateway's STARTUP logged")
    assert {name: judged.values[name] for name in judged.values if name != "rouge1_f1_copy"} == {
        "rouge1_f1": 1.0,
        "rouge1_recall": 1.0,
        "exact_match": 1.0,
        "missing_words_recall": 1.0,
        "unchanged": 0.0,
        "well_formed": 1.0,
    }
    assert judged.values["rouge1_f1_copy"] == pytest.approx(2 * 3 / (4 + 7))  # where is logged; gateway s startup


def test_half_of_the_missing_words_is_half_of_their_recall():
    assert judge_rewrite(ROW, "Where is the gateway logged?").values["missing_words_recall"] == 0.5


def test_the_words_of_the_question_are_no_missing_words():
    assert judge_rewrite(ROW, "Where is it logged?").values["missing_words_recall"] == 0.0


def test_where_the_question_lacked_nothing_there_is_nothing_missing_to_find():
    judged = judge_rewrite(row("Where is the gateway?", "Where is the gateway?"), "Where?")
    assert "missing_words_recall" not in judged.values
    assert "unchanged" not in judged.values


def test_an_output_equal_to_the_question_is_unchanged_where_the_person_changed_it():
    assert judge_rewrite(ROW, "where is it logged").values["unchanged"] == 1.0


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("", ("malformed", "empty")),
        ("Where is it?\nIt is in the log.", ("malformed", "rambling")),
        ("w" * (QUERY_CHARACTERS + 1), ("malformed", "rambling")),
    ],
    ids=["empty", "two lines", "too long"],
)
def test_a_malformed_output_is_counted_and_keeps_its_row(text: str, counts: tuple[str, ...]):
    judged = judge_rewrite(ROW, text)
    assert judged.counts == counts
    assert judged.values["well_formed"] == 0.0
    assert judged.values["rouge1_f1"] < 1.0


def test_an_evaluation_shows_what_copying_would_earn():
    found = evaluate_query_rewrite([ROW, row("And then?", "And then?")], copy_question, seed=0, adapter="copy")
    assert found.metrics["rouge1_f1"] == found.metrics["rouge1_f1_copy"]
    assert found.metrics["unchanged"].value == 1.0
    assert found.metrics["exact_match"].value == 0.5
    assert found.subject.behaviour == "query_rewrite"
