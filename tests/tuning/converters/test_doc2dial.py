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
    rerank_rows,
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
    ("change", "message"),
    [
        ({"query": "Where?"}, "query does not begin with user: or agent:"),
        ({"history": ["user:a", "bot:x"]}, r"history\[1\] does not begin with user: or agent:"),
        ({"answer_start": None}, "answer_start is not a whole number"),
    ],
)
def test_another_format_is_refused(change: dict[str, Any], message: str):
    whole = turn("f_1", "Ferry#1_0", "Bicycles", "user:Where?")
    assert isinstance(read_turns([whole])[0], AskedTurn)
    with pytest.raises(DataInvalid, match=f"^This is not a Doc2Dial turn: {message}[.]$"):
        read_turns([whole | change])


def test_a_question_that_is_blank_or_that_nothing_answers_is_counted_whatever_is_made():
    turns = read_turns([turn("f_1", "Ferry#1_0", "Bicycles", "user: "), turn("f_2", "Ferry#1_0", "", "user:Where?")])
    for made in (
        citation_rows(PAGES, turns),
        refusal_rows(PAGES, turns, unanswerable=True),
        rerank_rows(PAGES, turns, passages=2),
        asked_rows(PAGES, turns),
    ):
        assert made.rows == ()
        assert made.left_out == {"blank": 1, "no span of its document answers it": 1}


def test_the_passages_that_answer_a_first_question_are_relevant_and_no_others():
    both = turn("f_5", "Ferry#1_0", "Helmets stay with you. \n\nCancel a crossing \nYou may", "user:What else?")
    made = rerank_rows(PAGES, [*TURNS, *read_turns([both])], passages=2)
    assert [(row.question, sorted((p.relevance, p.title) for p in row.passages)[1:]) for row in made.rows] == [
        ("Where does my bicycle go?", [(1.0, "Ferry > Take a bicycle")]),
        ("How do I borrow?", [(1.0, "Library > Borrow a book")]),
    ]
    assert all(row.origin.synthetic and row.origin.slice == "among_2" for row in made.rows)
    assert made.left_out == {
        "it follows others, which a row of rerank does not show": 1,
        "the answer runs over several passages": 1,
    }
    wider = rerank_rows(PAGES, read_turns([both]), passages=3)
    assert [sorted(p.relevance for p in row.passages) for row in wider.rows] == [[0.0, 1.0, 1.0]]
    assert rerank_rows(PAGES, TURNS, passages=4).left_out["its document has too few passages"] == 2
    heading = read_turns([turn("h_1", "Ferry#1_0", "Cancel a crossing", "user:What can I do?")])
    assert rerank_rows(PAGES, heading).left_out == {"the answer stands in no citable sentence": 1}


def spans(text: str, *parts: str) -> dict[str, Any]:
    """Spans as the file of documents holds them, with what of it we do not read."""
    return {
        f"{n}": {
            "id_sp": f"{n}",
            "tag": "u",
            "start_sp": text.index(part),
            "end_sp": text.index(part) + len(part),
            "text_sp": part,
            "title": "",
            "parent_titles": [],
            "id_sec": "t",
            "start_sec": 0,
            "text_sec": text,
            "end_sec": len(text),
        }
        for n, part in enumerate(parts, 1)
    }


def document(name: str, text: str, *parts: str) -> dict[str, Any]:
    return {"doc_id": name, "title": name[:-2], "domain": "d", "doc_text": text, "spans": spans(text, *parts)}


def dialogue(name: str, page: str, *said: tuple[str, str, list[str]], key: str = "sp_id") -> dict[str, Any]:
    turns = [
        {
            "turn_id": n,
            "role": role,
            "da": "act",
            "references": [{key: span, "label": "solution"} for span in references],
            "utterance": text,
        }
        for n, (role, text, references) in enumerate(said, 1)
    ]
    return {"dial_id": name, "doc_id": page, "domain": "d", "turns": turns}


DOCUMENTS = {
    "doc_data": {
        "boats": {"Ferry#1_0": document("Ferry#1_0", FERRY, "Tie yours to the rail ", "half of the fare")},
        "books": {"Library#1_0": document("Library#1_0", LIBRARY, "Loans last", "at the desk. ", "Show your card ")},
    }
}


def dialogues(key: str = "sp_id") -> dict[str, Any]:
    ferry = dialogue(
        "f",
        "Ferry#1_0",
        ("user", "Where does my bicycle go?", []),
        ("agent", "On the deck.", ["1"]),
        ("user", " And if I cancel?", ["2"]),
        ("agent", "It costs half of it.", ["2"]),
        ("user", "Thank you.", []),
        key=key,
    )
    library = dialogue(
        "l", "Library#1_0", ("user", "How do I borrow?", []), ("agent", "With a card.", ["1", "3"]), key=key
    )
    return {"dial_data": {"boats": {"Ferry#1_0": [ferry]}, "books": {"Library#1_0": [library]}}}


@pytest.mark.parametrize("key", ["sp_id", "id_sp"])
def test_the_published_dialogues_are_read_as_the_turns_made_of_them(key: str):
    pages = read_documents([DOCUMENTS])
    assert [(page.doc_id, page.title, page.text) for page in pages] == [(p.doc_id, p.title, p.text) for p in PAGES]
    turns = read_turns([dialogues(key)], pages)
    assert turns == TURNS
    assert citation_rows(pages, turns) == citation_rows(PAGES, TURNS)
    assert refusal_rows(pages, turns, unanswerable=True) == refusal_rows(PAGES, TURNS, unanswerable=True)
    assert rerank_rows(pages, turns, passages=2) == rerank_rows(PAGES, TURNS, passages=2)


def test_turns_that_rest_on_nothing_or_on_a_document_that_is_not_given_are_counted():
    said = ("user", "May I sing?", [])
    asked = dialogue("s", "Ferry#1_0", said, ("agent", "I do not know.", []), said, ("agent", "Still not.", ["99"]))
    about = {"Ferry#1_0": [asked], "Museum#1_0": [dialogue("m", "Museum#1_0", said, ("agent", "Yes.", ["1"]))]}
    pages = read_documents([DOCUMENTS])
    made = refusal_rows(pages, read_turns([{"dial_data": {"boats": about}}], pages))
    assert made.rows == ()
    assert made.left_out == {"its document is not among the given": 1, "no span of its document answers it": 2}


def test_a_question_that_no_agent_answers_next_is_none():
    said = [("user", "Hello.", []), ("user", "When do boats sail?", []), ("agent", "All year.", ["1"])]
    (asked,) = read_turns([{"dial_data": {"d": {"x": [dialogue("h", "x", *said)]}}}])
    assert (asked.id, asked.history, asked.query) == ("h_2", ("user:Hello.",), "user:When do boats sail?")


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"dial_data": {"d": [dialogue("x", "y")]}}, "Doc2Dial's file of dialogues: dial_data.d is not an object"),
        (
            {"dial_data": {"d": {"y": [{"dial_id": "x", "turns": [{"turn_id": 1}]}]}}},
            "Doc2Dial's file of dialogues: dial_data.d.y[0].turns[0].role is missing",
        ),
        (
            {"dial_data": {"d": {"y": [dialogue("x", "y", ("bot", "Hi.", []))]}}},
            "Doc2Dial's file of dialogues: dial_data.d.y[0].turns[0].role is not 'user' or 'agent'",
        ),
        (DOCUMENTS, "a Doc2Dial turn: id is missing"),
    ],
)
def test_dialogues_of_another_format_are_refused_by_their_place(record: dict[str, Any], message: str):
    with pytest.raises(DataInvalid) as told:
        read_turns([record])
    assert f"{told.value}" == f"This is not {message}."


def test_documents_of_another_format_are_refused_by_their_place():
    with pytest.raises(DataInvalid, match=r"file of documents: doc_data\.boats\.x\.spans is missing"):
        read_documents([{"doc_data": {"boats": {"x": {"doc_text": "y"}}}}])
    with pytest.raises(DataInvalid, match=r"a Doc2Dial document: doc_id is missing"):
        read_documents([dialogues()])
