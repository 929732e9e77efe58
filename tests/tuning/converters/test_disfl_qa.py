"""Disfluent questions become rows after other questions of their paragraph."""

from __future__ import annotations

import pytest

from tuning.converters.disfl_qa import query_rewrite_rows, read_disfl_qa
from tuning.converters.squad import Article, read_squad
from tuning.errors import DataInvalid

TEXT = "The bridge was built in 1310 by monks. It has five arches."
QUESTIONS = {
    "a": ("When was the bridge built?", "1310"),
    "b": ("Who built the bridge?", "monks"),
    "c": ("How many arches has it?", "five"),
    "d": ("Who paid them?", ""),
    "e": (" ", "monks"),
}
PAIRS = read_disfl_qa(
    {
        "a": {"original": "When was the bridge built?", "disfluent": "Who no when was the bridge built?"},
        "d": {"original": "Who paid them?", "disfluent": "Who built sorry paid them?"},
    }
)


@pytest.fixture
def articles() -> tuple[Article, ...]:
    asked = [
        {"id": n, "question": q, "answers": [{"text": a, "answer_start": TEXT.index(a)}] if a else []}
        for n, (q, a) in QUESTIONS.items()
    ]
    return read_squad({"data": [{"title": "Bridge", "paragraphs": [{"context": TEXT, "qas": asked}]}]})


def test_the_fluent_question_is_the_rewrite_and_others_were_answered_before(articles: tuple[Article, ...]):
    answers = dict(QUESTIONS.values())
    lengths = set()
    for seed in range(20):
        first, second = query_rewrite_rows(PAIRS, articles, seed=seed).rows
        assert (first.question, first.rewrite) == ("Who no when was the bridge built?", "When was the bridge built?")
        assert second.rewrite == "Who paid them?"
        assert first.origin.document == "Bridge"
        lengths.add(len(first.history))
        for asked, answered in zip(first.history[::2], first.history[1::2], strict=True):
            assert (asked.role, answered.role) == ("user", "assistant")
            assert answers[asked.content] == answered.content
            assert asked.content != first.rewrite
    assert lengths == {2, 4}


def test_a_row_can_stand_without_a_conversation(articles: tuple[Article, ...]):
    assert all(row.history == () for row in query_rewrite_rows(PAIRS, articles, turns=(0, 0)).rows)


def test_what_cannot_become_a_row_is_counted(articles: tuple[Article, ...]):
    pairs = read_disfl_qa({"z": {"original": "q", "disfluent": "q"}, "b": {"original": " ", "disfluent": "x"}})
    made = query_rewrite_rows(pairs | PAIRS, articles, turns=(3, 3))
    assert len(made.rows) == 1
    assert made.left_out == {
        "blank": 1,
        "its paragraph has too few other questions with answers": 1,
        "its question is in none of the articles": 1,
    }


def test_another_format_is_refused():
    with pytest.raises(DataInvalid, match=r"a\.disfluent"):
        read_disfl_qa({"a": {"original": "q"}})
