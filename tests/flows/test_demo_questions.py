"""Questions made from headings: by rule, always the same, and only where there is something to ask."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.demo_questions import FOREIGN, first_questions, follow_ups, foreign_question, phrase
from flows.errors import NothingToAsk
from retrieval.documents import Passage

PROSE = " says what it is and what it does, in a sentence that has words enough. " * 3


def passage(path: str, title: str, *headings: str, text: str = "", start: int = 0) -> Passage:
    return Passage(
        id=f"{path}@{start}",
        document_id=f"docs:{path}",
        uri=f"docs/{path}",
        title=title,
        heading_path=headings,
        start=start,
        end=start + len(text),
        text=text,
        embedded_text=text,
    )


PHRASES = {
    "Install the client": "How do I install the client?",
    "How to pause a plan": "How do I pause a plan?",
    "Running a local server": "How does running a local server work?",
    "Connection limits": "What are Connection limits?",
    "The retry policy": "What is the retry policy?",
    "Functions of a behaviour": "What are Functions of a behaviour?",
    "Block size": "What is the Block size?",
    "Why plans fail": "Can you explain why plans fail?",
    "Is it safe?": "Is it safe?",
    "Access": "What is the Access?",
}


@pytest.mark.parametrize(("heading", "question"), PHRASES.items(), ids=PHRASES)
def test_a_heading_becomes_a_question(heading: str, question: str):
    assert phrase(heading) == question


@given(st.text(st.characters(codec="utf-8"), min_size=1).filter(lambda text: bool(text.strip().rstrip(".:?!").split())))
def test_any_heading_becomes_one_question(heading: str):
    assert phrase(heading).endswith("?")


def test_the_heading_that_its_own_prose_repeats_comes_first():
    vague = passage("a.md", "General remarks", text="Something" + PROSE)
    telling = passage("b.md", "Watering plans", text="A watering plan" + PROSE)
    assert [asked.heading for asked in first_questions([vague, telling])] == ["Watering plans", "General remarks"]


UNFIT = {
    "nothing but a list": ("Watering plans", "- one\n- two\n- three\n" * 9),
    "one word": ("Watering", "Watering" + PROSE),
    "code": ("`plan.water()` method", "The plan water method" + PROSE),
    "page furniture": ("Table of contents overview", "The table of contents overview" + PROSE),
    "nine words": ("Every plan that waters all beds in one go", "Every plan" + PROSE),
}


@pytest.mark.parametrize(("heading", "text"), UNFIT.values(), ids=UNFIT)
def test_headings_that_give_no_clear_question_are_left_out(heading: str, text: str):
    with pytest.raises(NothingToAsk):
        first_questions([passage("a.md", heading, text=text)])


def test_a_heading_of_two_documents_is_left_out_since_it_names_neither():
    pages = [passage(f"{name}.md", name, "Known problems", text="Known problems" + PROSE) for name in ("one", "two")]
    with pytest.raises(NothingToAsk):
        first_questions(pages)


def test_an_empty_source_gives_no_question():
    with pytest.raises(NothingToAsk):
        first_questions([])


def test_a_follow_up_asks_for_another_part_of_the_same_document_without_naming_its_subject():
    top = passage("a.md", "Watering plans", text="A watering plan" + PROSE)
    below = passage("a.md", "Watering plans", "Pause times", text="A pause" + PROSE, start=300)
    elsewhere = passage("b.md", "Seeds", "Seed storage", text="Seeds" + PROSE)
    (first, *_) = first_questions([top])
    questions = [asked.question for asked in follow_ups([top, below, elsewhere], first)]
    assert questions == ["And what about Pause times there?", "What else should I know about it?"]


def test_a_document_with_one_heading_still_gets_a_follow_up():
    top = passage("a.md", "Watering plans", text="A watering plan" + PROSE)
    (first,) = first_questions([top])
    assert [asked.question for asked in follow_ups([top], first)] == ["What else should I know about it?"]


def test_the_foreign_question_is_the_first_of_which_no_word_occurs():
    assert foreign_question(lambda question: question in FOREIGN[:2]) == FOREIGN[2]
    assert foreign_question(lambda question: True) == FOREIGN[-1]
