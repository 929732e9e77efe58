"""Headings become questions that their own section answers and another one does not."""

from __future__ import annotations

from serving.interface.context import ContextPassage
from serving.interface.refusal import Answerability
from tuning.converters.headings import heading_rows
from tuning.rows import Origin, RefusalRow

ORIGIN = Origin(source="ferry", licence="CC0")
TITLES = ("Ferry > Bicycles", "Ferry > Can I cancel", "Ferry > Prices > Children", "Ferry > Ferry:", "Ferry")
PAGES = {
    "ferry": [ContextPassage(id=title, title=title, text=f"About {title}.") for title in TITLES],
    "twice": [ContextPassage(id=f"{n}", title="Library > Loans", text=f"Part {n}.") for n in range(3)],
    "one": [ContextPassage(id="one", title="Museum > Hours", text="Open at nine.")],
}


def rows(seed: int) -> tuple[RefusalRow, ...]:
    return heading_rows(PAGES, origin=ORIGIN, seed=seed).rows


def heading(row: RefusalRow) -> str:
    return row.passages[0].title.rpartition(" > ")[2]


def test_each_heading_is_asked_of_its_own_section_and_of_another_of_the_page() -> None:
    made = rows(0)
    assert len(made) == 6
    for own, other in zip(made[::2], made[1::2], strict=True):
        assert (own.question, own.history) == (other.question, other.history)
        assert (own.label, other.label) == (Answerability.ANSWERABLE, Answerability.UNANSWERABLE)
        assert heading(own) in own.question
        assert own.answering == own.passages[0].id != other.passages[0].id
        assert other.answering is None


def test_a_page_without_two_headings_of_their_own_is_counted() -> None:
    assert heading_rows(PAGES, origin=ORIGIN).left_out == {"its page has fewer than two headings of their own": 2}


def titled(*headings: str) -> tuple[RefusalRow, ...]:
    passages = [ContextPassage(id=heading, title=f"Ferry > {heading}", text="Text.") for heading in headings]
    return tuple(row for seed in range(20) for row in heading_rows({"ferry": passages}, origin=ORIGIN, seed=seed).rows)


def test_a_heading_that_is_a_question_is_asked_as_it_is() -> None:
    asked = {row.question for row in titled("Can I cancel", "What's on board", "Who pays?", "May fares", "Is it")}
    assert {question for question in asked if "cancel" in question} == {"Can I cancel?"}
    assert {question for question in asked if "board" in question} == {"What's on board?"}
    assert {question for question in asked if "pays" in question} == {"Who pays?"}
    for heading in ("May fares", "Is it"):  # a month, and too short to be a question
        assert len({question for question in asked if heading in question}) > 3


def test_the_stop_of_a_heading_is_not_asked_about_and_signs_are_no_heading() -> None:
    asked = {row.question for row in titled("Before you sail:", "Prices.", "* * *")}
    assert any("Before you sail?" in question for question in asked)
    assert not any(":" in question or ".?" in question or "*" in question for question in asked)


def test_a_follow_up_goes_on_from_a_question_about_the_section_that_does_not_answer() -> None:
    followed = [row for seed in range(20) for row in rows(seed) if row.history]
    assert 0.2 < len(followed) / (20 * 6) < 0.8
    for row in followed:
        assert [turn.role for turn in row.history] == ["user"]
        assert (heading(row) in row.history[0].content) == (row.label is Answerability.UNANSWERABLE)


def test_only_a_follow_up_is_asked_as_one() -> None:
    firsts = [row.question for seed in range(20) for row in rows(seed) if not row.history]
    later = [row.question for seed in range(20) for row in rows(seed) if row.history]
    assert not any(question.startswith("And ") for question in firsts)
    assert any(question.startswith("And ") for question in later)


def test_every_row_says_that_it_was_made_and_of_which_page() -> None:
    origins = {(row.origin.synthetic, row.origin.slice, row.origin.document) for row in rows(0)}
    assert origins == {(True, "heading", "ferry")}
    assert rows(3) == rows(3) != rows(4)
