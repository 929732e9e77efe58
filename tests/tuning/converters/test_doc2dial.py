"""Doc2Dial becomes rows whose passages are cuts of its pages and whose answers are whole sentences of them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.interface.refusal import Answerability
from tuning.converters.doc2dial import (
    AskedTurn,
    Page,
    asked_rows,
    citation_rows,
    cut_page,
    read_documents,
    read_turns,
    refusal_rows,
    split_documents,
    switched_rows,
)
from tuning.converters.doc2dial_format import WORDS
from tuning.errors import DataInvalid

FERRY = (
    "\n\nTake a bicycle: \nBicycles travel free of charge. Tie yours to the rail on the deck. Helmets stay with you. "
    "\n\nCancel a crossing \nYou may cancel until noon. After noon half of the fare is kept. "
    "\n\nBoats sail all year."
)
LIBRARY = (
    "\n\nBorrow a book \nShow your card at the desk. Loans last four weeks. \n\nLate books \nEach day costs a coin."
)
PAGES = read_documents([{"doc_id": "Ferry#1_0", "text": FERRY}, {"doc_id": "Library#1_0", "text": LIBRARY}])


def turn(name: str, page: str, answer: str, *said: str) -> dict[str, Any]:
    *history, query = said
    text = {"Ferry#1_0": FERRY, "Library#1_0": LIBRARY}.get(page, answer)
    return {
        "id": name,
        "doc_id": page,
        "history": history,
        "query": query,
        "answer": answer,
        "answer_start": text.index(answer),
    }


TURNS = read_turns(
    [
        turn("f_1", "Ferry#1_0", "Tie yours to the rail ", "user:Where does my bicycle go?"),
        turn(
            "f_3",
            "Ferry#1_0",
            "half of the fare",
            "user:Where does my bicycle go?",
            "agent:On the deck.",
            "user: And if I cancel?",
        ),
        turn("l_1", "Library#1_0", "Show your card at the desk. Loans last", "user:How do I borrow?"),
    ]
)


def test_passages_are_sections_with_the_heading_in_the_title():
    cuts = cut_page(PAGES[0])
    assert [(cut.passage.title, cut.passage.text) for cut in cuts] == [
        (
            "Ferry > Take a bicycle",
            "Bicycles travel free of charge. Tie yours to the rail on the deck. Helmets stay with you.",
        ),
        ("Ferry > Cancel a crossing", "You may cancel until noon. After noon half of the fare is kept."),
        ("Ferry", "Boats sail all year."),
    ]
    assert all(FERRY[cut.start : cut.end] == cut.passage.text for cut in cuts)


@given(st.lists(st.lists(st.integers(1, 90), min_size=1, max_size=9), min_size=1, max_size=4))
def test_long_sections_are_cut_between_sentences_and_nothing_is_lost(sections: list[list[int]]):
    texts = [" ".join("Word" + " word" * (n - 1) + "." for n in lengths) for lengths in sections]
    page = Page(doc_id="Long#1", text="\n\n".join(f"Heading {n} \n{text}" for n, text in enumerate(texts)))
    cuts = cut_page(page)
    assert all(page.text[cut.start : cut.end] == cut.passage.text for cut in cuts)
    assert all(len(cut.passage.text.split()) <= WORDS for cut in cuts)
    assert [word for cut in cuts for word in cut.passage.text.split()] == [
        word for text in texts for word in text.split()
    ]
    assert all(cut.passage.text.endswith(".") for cut in cuts)


def test_the_answer_is_the_whole_sentences_of_the_grounding():
    made = citation_rows(PAGES, TURNS)
    assert [[sentence.text for sentence in row.answer] for row in made.rows] == [
        ["Tie yours to the rail on the deck."],
        ["After noon half of the fare is kept."],
        ["Show your card at the desk.", "Loans last four weeks."],
    ]
    second = made.rows[1]
    assert [(said.role, said.content) for said in second.history] == [
        ("user", "Where does my bicycle go?"),
        ("assistant", "On the deck."),
    ]
    assert second.question == "And if I cancel?"
    assert (second.origin.conversation, second.origin.document) == ("f", "Ferry#1_0")


def test_among_others_turns_on_one_passage_are_asked_over_the_same():
    again = TURNS[0].model_copy(update={"id": "g_1", "query": "user:Is it safe there?"})
    made = citation_rows(PAGES, [*TURNS, again], passages=3, seed=2)
    assert next(row.passages for row in made.rows if row.question != "And if I cancel?") == made.rows[-1].passages
    assert made.left_out == {"its document has too few passages": 1}
    assert all(len(row.passages) == 3 for row in made.rows)


def test_what_cannot_be_cited_is_counted():
    heading = turn("h_1", "Ferry#1_0", "Cancel a crossing", "user:What can I do?")
    both = turn("h_2", "Ferry#1_0", "Helmets stay with you. \n\nCancel a crossing \nYou may", "user:What else?")
    elsewhere = turn("h_3", "Unknown#1", "nowhere", "user:Where?")
    made = citation_rows(PAGES, read_turns([heading, both, elsewhere]))
    assert made.rows == ()
    assert sorted(made.left_out.values()) == [1, 1, 1]
    moved = TURNS[0].model_copy(update={"answer_start": TURNS[0].answer_start - 3})
    assert citation_rows(PAGES, [moved]).left_out == {"the answer stands in no citable sentence": 1}
    assert refusal_rows(PAGES, [moved]).rows == ()
    assert len(citation_rows(PAGES, read_turns([both]), passages=2).rows) == 1


def test_the_passage_that_answers_is_answerable_and_another_is_made_not_to_be():
    made = refusal_rows(PAGES, TURNS, unanswerable=True)
    pairs = list(zip(made.rows[::2], made.rows[1::2], strict=True))
    assert len(pairs) == 3
    for answered, other in pairs:
        assert (answered.label, other.label) == (Answerability.ANSWERABLE, Answerability.UNANSWERABLE)
        assert (answered.origin.synthetic, other.origin.synthetic) == (False, True)
        assert answered.passages != other.passages
    assert len(refusal_rows(PAGES, TURNS).rows) == 3


def test_a_question_asks_for_its_document_after_its_conversation():
    rows = asked_rows(PAGES[:1], TURNS)
    assert [(row.question, row.uri, len(row.history)) for row in rows.rows] == [
        ("Where does my bicycle go?", "Ferry#1_0", 0),
        ("And if I cancel?", "Ferry#1_0", 2),
    ]
    assert rows.left_out == {"its document is not among the given": 1}


def test_before_a_switch_another_page_was_talked_about():
    made = switched_rows(PAGES, TURNS)
    assert [(row.uri, [said.content for said in row.history]) for row in made.rows] == [
        ("Ferry#1_0", ["How do I borrow?"]),
        ("Ferry#1_0", ["How do I borrow?", "Where does my bicycle go?", "On the deck."]),
        ("Library#1_0", ["Where does my bicycle go?", "On the deck.", "And if I cancel?"]),
    ]
    assert switched_rows(PAGES[:1], TURNS).left_out == {"no dialogue is about another page": 2}


@given(st.integers(0, 9))
def test_documents_are_split_by_title_whatever_their_order(seed: int):
    pages = [Page(doc_id=f"{title}#{part}", text="x") for title in "abcdefghijklmnopqrst" for part in "12"]
    train, dev = split_documents(pages, share=0.66, seed=seed)
    assert abs(len(train) - 26) <= 1
    assert not {page.title for page in train} & {page.title for page in dev}
    again, _ = split_documents(pages[::-1], share=0.66, seed=seed)
    assert set(again) == set(train)


@pytest.mark.parametrize(
    "change", [{"query": "Where?"}, {"query": "user: "}, {"history": ["bot:x"]}, {"answer_start": None}]
)
def test_another_format_is_refused(change: dict[str, Any]):
    whole = turn("f_1", "Ferry#1_0", "Bicycles", "user:Where?")
    assert isinstance(read_turns([whole])[0], AskedTurn)
    with pytest.raises(DataInvalid, match=next(iter(change))):
        read_turns([whole | change])
