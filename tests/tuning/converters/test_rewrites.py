"""Conversational rewrites become rows without what serving never sees."""

from __future__ import annotations

from typing import Any

import pytest

from serving.interface.turns import Turn
from tuning.converters.rewrites import Topic, query_rewrite_rows, read_canard, read_cast, read_rewrites
from tuning.errors import DataInvalid


def record(
    question: str, rewrite: str, *said: str, topic: tuple[str, ...] = (), source: str = "cast2020"
) -> dict[str, Any]:
    turns = [{"role": "agent" if n % 2 else "user", "text": text} for n, text in enumerate(said)]
    history = {"topic": list(topic), "turns": turns}
    return {"source": source, "conv": "7", "turn": 3, "history": history, "question": question, "rewrite": rewrite}


def test_a_turn_becomes_a_row_after_its_conversation():
    asked = read_rewrites(
        [record("And its keeper?", "Who was the lighthouse's keeper?", "Tell me about the lighthouse.", "It is tall.")]
    )
    (row,) = query_rewrite_rows(asked).rows
    assert row.history == (
        Turn(role="user", content="Tell me about the lighthouse."),
        Turn(role="assistant", content="It is tall."),
    )
    assert (row.question, row.rewrite) == ("And its keeper?", "Who was the lighthouse's keeper?")
    assert (row.origin.source, row.origin.licence, row.origin.conversation) == ("cast2020", "MIT", "7")


def test_a_licence_that_is_named_is_that_of_sources_of_which_none_is_known():
    asked = read_rewrites([record("And?", "And who?", "Who?", source=name) for name in ("own", "cast2020")])
    assert [row.origin.licence for row in query_rewrite_rows(asked, licence="CC0").rows] == ["CC0", "MIT"]
    assert query_rewrite_rows(asked).rows[0].origin.licence == ""


def test_first_questions_are_left_out():
    asked = read_rewrites([record("Who was Ada?", "Who was Ada?")])
    assert query_rewrite_rows(asked).left_out == {"first question of its conversation": 1}


def test_what_nobody_asked_or_rewrote_is_counted():
    asked = read_rewrites([record("And then?", " ", "It rained."), record("", "What?", "It rained."), ADA])
    made = query_rewrite_rows(asked)
    assert len(made.rows) == 1
    assert made.left_out == {"blank": 2}


ADA = record(
    "What did she write?", "What did Lovelace write?", "When was she born?", "In 1815.", topic=("Ada Lovelace", "Life"),
    source="canard-dev",
)  # fmt: skip


@pytest.mark.parametrize(
    ("topic", "first", "named"),
    [
        (Topic.UNSEEN, "When was she born?", "needs_topic"),
        (Topic.FIRST_TURN, "Ada Lovelace, Life", ""),
    ],
)
def test_a_topic_that_serving_never_sees_is_dropped_or_said(topic: Topic, first: str, named: str):
    (row,) = query_rewrite_rows(read_rewrites([ADA]), topic=topic).rows
    assert (row.history[0].content, row.origin.slice) == (first, named)


def test_other_forms_of_words_that_were_said_need_no_topic():
    said = "The painters of the old bridge were paid.", "Yes."
    asked = read_rewrites([record("Who else?", "Who else painted the bridge besides them?", *said)])
    assert query_rewrite_rows(asked).rows[0].origin.slice == ""


def test_the_article_is_the_document_of_a_row():
    assert query_rewrite_rows(read_rewrites([ADA])).rows[0].origin.document == "Ada Lovelace"


CANARD = [
    {
        "History": ["Ada Lovelace", "Life", "When was she born?", "In 1815."],
        "QuAC_dialog_id": "C_1",
        "Question": "What did she write?",
        "Question_no": 2,
        "Rewrite": "What did Lovelace write?",
    }
]


def test_canard_is_read_as_it_is_published():
    assert query_rewrite_rows(read_canard(CANARD, source="canard-dev")).rows == tuple(
        row.model_copy(update={"origin": row.origin.model_copy(update={"conversation": "C_1"})})
        for row in query_rewrite_rows(read_rewrites([ADA])).rows
    )


def test_cast_is_read_as_it_is_published():
    turns = [
        {
            "number": 1,
            "raw_utterance": "What is mortar?",
            "manual_rewritten_utterance": "What is mortar?",
            "passage": "A paste.",
        },
        {"number": 2, "raw_utterance": "Who makes it?", "manual_rewritten_utterance": "Who makes mortar?"},
        {"number": 3, "raw_utterance": "Where?", "manual_rewritten_utterance": "Where is mortar made?"},
    ]
    made = query_rewrite_rows(read_cast([{"number": 106, "title": "Mortar", "turn": turns}]))
    assert [row.rewrite for row in made.rows] == ["Who makes mortar?", "Where is mortar made?"]
    assert [(turn.role, turn.content) for turn in made.rows[1].history] == [
        ("user", "What is mortar?"), ("assistant", "A paste."), ("user", "Who makes it?"),
    ]  # fmt: skip
    assert made.rows[0].origin.conversation == "106"


@pytest.mark.parametrize(
    ("read", "parsed"),
    [
        (read_rewrites, [{"question": "q"}]),
        (read_rewrites, [record("q", "r", "said") | {"history": {"turns": [{"role": "bot", "text": "x"}]}}]),
        (read_canard, {"data": CANARD}),
        (read_canard, [CANARD[0] | {"History": ["Title"]}]),
        (read_cast, [{"number": 1, "turn": [{"raw_utterance": "no rewrite"}]}]),
    ],
)
def test_another_format_is_refused(read: Any, parsed: Any):
    with pytest.raises(DataInvalid):
        read(parsed)
