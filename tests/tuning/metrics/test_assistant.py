"""The assistant: answered with the right page, or refused."""

from __future__ import annotations

import pytest

from tuning.metrics.assistant import METRICS, evaluate_assistant, judge_reply
from tuning.rows import AssistantRow
from tuning.systems import Reply

ROW = AssistantRow(question="q", uri="guide.md", answerable=True)
FOREIGN = AssistantRow(question="foreign", uri=None, answerable=False)
FOUND = ("docs/other.md", "docs/guide.md")


def test_the_metrics_are_those_of_the_design():
    assert {metric.name for metric in METRICS} >= {
        "answered_and_cites_uri", "refused_when_foreign", "answered_when_answerable",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("reply", "right", "answered"),
    [
        (Reply(False, ("docs/guide.md",), FOUND), 1.0, 1.0),
        (Reply(False, ("docs/other.md", "docs/guide.md"), FOUND), 1.0, 1.0),
        (Reply(False, ("docs/other.md",), FOUND), 0.0, 1.0),
        (Reply(True, (), FOUND), 0.0, 0.0),
    ],
    ids=["right page", "right page among others", "wrong page", "refused"],
)
def test_an_answer_counts_when_it_cites_the_page(reply: Reply, right: float, answered: float):
    values = judge_reply(ROW, reply).values
    assert values["answered_and_cites_uri"] == values["answered_and_cites_uri_overall"] == right
    assert values["answered_when_answerable"] == answered


def test_a_page_that_search_did_not_bring_is_no_fault_of_the_answer():
    values = judge_reply(ROW, Reply(True, (), ("docs/other.md",))).values
    assert "answered_and_cites_uri" not in values
    assert (values["answered_and_cites_uri_overall"], values["retrieved"]) == (0.0, 0.0)


def test_a_foreign_question_is_to_be_refused_and_nothing_else():
    assert judge_reply(FOREIGN, Reply(True, (), FOUND)).values == {"refused_when_foreign": 1.0}
    assert judge_reply(FOREIGN, Reply(False, FOUND, FOUND)).values == {"refused_when_foreign": 0.0}


def test_a_question_without_a_page_can_be_answered_but_cites_no_page_in_particular():
    row = AssistantRow(question="q", uri=None, answerable=True)
    assert judge_reply(row, Reply(False, FOUND, FOUND)).values == {"answered_when_answerable": 1.0}


def test_an_assistant_that_always_refuses_is_seen():
    found = evaluate_assistant([ROW, FOREIGN], lambda row: Reply(True, (), FOUND), seed=0)
    assert found.metrics["refused_when_foreign"].value == 1.0
    assert found.metrics["answered_when_answerable"].value == 0.0
    assert found.counts == {"answerable": 1, "foreign": 1}
