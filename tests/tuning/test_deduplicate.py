"""Repetition goes, contradiction goes, and what differs on purpose stays."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from serving.interface.context import ContextPassage
from serving.interface.turns import Turn
from tests.tuning.made_rows import citation_rows, refusal, refusal_rows, rerank_rows, rewrite, rewrite_rows
from tuning.deduplicate import deduplicate
from tuning.rows import Origin, RankedPassage, RefusalRow, RerankRow

PAGE = "A folder that is paused is neither scanned nor sent. Press Resume in its menu to go on where it stopped."
QUESTION = "How do I resume a folder that I paused an hour ago?"


def ranked(**relevances: float) -> RerankRow:
    return RerankRow(
        question=QUESTION,
        passages=tuple(RankedPassage(id=n, text=f"About {n}.", relevance=r) for n, r in relevances.items()),
    )


def test_equal_rows_stay_once_whatever_their_case_and_spaces():
    found = deduplicate([refusal(QUESTION, PAGE), refusal(QUESTION.upper(), f" {PAGE}\n"), refusal(QUESTION, PAGE)])
    assert len(found.rows) == 1
    assert found.removed == {"exact": 2, "near": 0, "conflicting": 0}


def test_the_order_of_passages_is_no_difference():
    assert deduplicate([ranked(a=1, b=0), ranked(b=0, a=1)]).removed["exact"] == 1


def test_rows_with_one_input_and_two_labels_all_go_and_are_named():
    found = deduplicate([refusal(QUESTION, PAGE), refusal(QUESTION, PAGE), refusal(QUESTION, PAGE, "unanswerable")])
    assert found.rows == ()
    assert found.removed == {"exact": 0, "near": 0, "conflicting": 3}


def test_of_a_conversation_refusal_reads_the_last_question_and_nothing_else():
    def after(label: str, *said: str) -> RefusalRow:
        history = tuple(
            Turn(role=role, content=text) for role, text in zip(("user", "assistant") * 2, said, strict=False)
        )
        return refusal(QUESTION, PAGE, label).model_copy(update={"history": history})

    rows = [
        after("answerable", "Hello.", "Yes?", "I paused a folder."),
        after("answerable", "I paused a folder.", "Well."),
    ]
    assert deduplicate(rows).removed["exact"] == 1
    assert deduplicate([*rows, after("unanswerable", "I paused a folder.")]).removed["conflicting"] == 3
    assert len(deduplicate([*rows, after("unanswerable", "I removed a folder.")]).rows) == 2


def test_rows_that_rank_the_same_passages_in_two_ways_all_go():
    assert deduplicate([ranked(a=1, b=0), ranked(a=0, b=1)]).removed["conflicting"] == 2


def test_rows_of_one_question_that_are_answered_by_two_passages_all_go():
    shown = tuple(ContextPassage(id=n, text=text) for n, text in (("a", PAGE), ("b", "Resume folders from the menu.")))
    rows = [
        refusal(QUESTION, PAGE).model_copy(update={"passages": order, "answering": answering})
        for order, answering in ((shown, "a"), (shown[::-1], "b"), (shown[::-1], "a"))
    ]
    assert deduplicate(rows).removed["conflicting"] == 3
    assert deduplicate(rows[::2]).removed == {"exact": 1, "near": 0, "conflicting": 0}


def test_a_row_that_leaves_open_which_passage_answers_contradicts_none_that_says_so():
    both = tuple(ContextPassage(id=name, text=f"{PAGE} {name}") for name in "ab")

    def row(answering: str | None, label: str = "answerable") -> RefusalRow:
        return RefusalRow(question=QUESTION, passages=both, label=label, answering=answering)

    assert deduplicate([row(None), row("a"), row(None)]).rows == (row("a"),)
    assert deduplicate([row(None), row("a"), row("b")]).removed == {"exact": 0, "near": 0, "conflicting": 3}
    assert deduplicate([row(None), row(None, "unanswerable")]).rows == ()
    made = row("a").model_copy(update={"origin": Origin(synthetic=True)})
    near = row("a").model_copy(update={"question": f"{QUESTION} Please."})
    assert deduplicate([row(None), made, near]).rows == deduplicate([made, near]).rows == (near,)


def test_one_of_several_wordings_of_a_rewrite_stays():
    first, second = "How do I resume a paused folder?", "What resumes a paused folder?"
    found = deduplicate(
        [rewrite("And resume?", first, "How do I pause?"), rewrite("And resume?", second, "How do I pause?")]
    )
    assert len(found.rows) == 1
    assert found.removed == {"exact": 0, "near": 1, "conflicting": 0}


def test_nearly_equal_rows_stay_once():
    found = deduplicate([refusal(QUESTION, PAGE), refusal(QUESTION.replace("?", " ?"), f"{PAGE} Then wait.")])
    assert len(found.rows) == 1
    assert found.removed["near"] == 1


def test_nearly_equal_questions_with_another_label_or_another_page_stay():
    other = "Scans run every hour. They can be turned off for each folder alone."
    rows = [
        refusal(QUESTION, PAGE),
        refusal(QUESTION.replace("an hour", "one hour"), PAGE, "unanswerable"),
        refusal(QUESTION, other),
    ]
    assert len(deduplicate(rows).rows) == 3


def test_short_questions_after_other_conversations_stay():
    rows = [rewrite("Why?", f"Why did {name} leave the band?", f"When did {name} leave the band?") for name in "XYZ"]
    assert len(deduplicate([*rows, rewrite("Why?", "Why?", "Hello."), rewrite("Why?", "Why?", "It rains.")]).rows) == 5


def test_of_equal_rows_the_one_that_people_wrote_stays():
    made, written = refusal(QUESTION, PAGE, synthetic=True, source="a"), refusal(QUESTION, PAGE, source="b")
    assert deduplicate([made, written]).rows == (written,)


@given(
    st.one_of(st.lists(rows, max_size=6) for rows in (refusal_rows(), citation_rows(), rewrite_rows, rerank_rows)),
    st.randoms(),
)
def test_neither_the_order_of_rows_nor_their_number_changes_what_stays(rows: list, chance: random.Random):
    found = deduplicate(rows)
    again = rows + rows
    chance.shuffle(again)
    assert deduplicate(again).rows == found.rows
    assert len(found.rows) + sum(found.removed.values()) == len(rows)
    assert deduplicate(found.rows).rows == found.rows


def test_a_passage_more_is_another_row():
    one = refusal(QUESTION, PAGE)
    two = one.model_copy(update={"passages": (*one.passages, ContextPassage(id="q", text=PAGE[:40]))})
    assert len(deduplicate([one, two]).rows) == 2
