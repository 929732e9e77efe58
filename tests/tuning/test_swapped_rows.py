"""Swapped rows are rows, with other facts in the right places and in no others."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.interface.context import ContextPassage
from serving.interface.refusal import Answerability
from serving.interface.turns import Turn
from tests.tuning.gateway_rows import PLACES, citation_row, page, refusal_row, rerank_row, rewrite_row
from tuning.facts import words_of
from tuning.rows import CitationRow, Origin, QueryRewriteRow, RefusalRow
from tuning.swapped_rows import foreign_passages, swap_citation, swap_query_rewrite, swap_refusal, swap_rerank

numbers = st.integers(0, 500)


@given(numbers, numbers)
def test_an_answer_quotes_the_swapped_passage_as_it_quoted_the_old(number: int, seed: int):
    row = citation_row(number)
    swapped = swap_citation(row, seed)
    assert swapped is not None
    (cited,) = swapped.row.answer[0].citations
    assert swapped.row.passages[0].text[cited.start : cited.end] == swapped.row.answer[0].text
    assert swapped.swaps.keys() == {PLACES[number % len(PLACES)], str(7000 + number)}
    assert not words_of(swapped.row.passages[0].text) & swapped.swaps.keys()
    assert swapped.row.question == row.question
    assert swapped == swap_citation(row, seed)


def test_what_the_question_holds_is_not_swapped_since_it_would_not_be_answered_any_more():
    row = citation_row(3).model_copy(update={"question": "Which port has Dunmore, if not 7003?"})
    assert swap_citation(row, 0) is None


def test_what_the_conversation_holds_is_not_swapped_either():
    turn = Turn(role="user", content="I am in Dunmore.")
    swapped = swap_citation(citation_row(3).model_copy(update={"history": (turn,)}), 0)
    assert swapped is not None
    assert swapped.swaps.keys() == {"7003"}


def test_facts_of_other_sentences_stay_where_they_stand_alone():
    swapped = swap_citation(citation_row(3), 0)
    assert swapped is not None
    assert "gateway number 3." in swapped.row.passages[0].text


def test_other_passages_that_name_the_fact_are_swapped_too():
    row = citation_row(3)
    other = ContextPassage(id="other", title="Gateways of Dunmore", text="The one in Dunmore is old.")
    swapped = swap_citation(CitationRow(**{**dict(row), "passages": (*row.passages, other)}), 0)
    assert swapped is not None
    name = swapped.swaps["Dunmore"]
    assert swapped.row.passages[1].text == f"The one in {name} is old."
    assert swapped.row.passages[1].title == f"Gateways of {name}"


def test_a_rewrite_takes_its_name_from_the_swapped_conversation():
    swapped = swap_query_rewrite(rewrite_row(3), 0)
    assert swapped is not None
    name = swapped.swaps["Dunmore"]
    assert name in swapped.row.history[0].content
    assert swapped.row.rewrite == f"which port has the gateway in {name} in version 3?"
    assert swapped.row.question == rewrite_row(3).question


@pytest.mark.parametrize(
    ("said", "question", "rewrite"),
    [
        ("Tell me about Dunmore.", "and in Dunmore?", "which port in Dunmore?"),
        ("Tell me more.", "and there?", "which port in Dunmore?"),
        ("Tell me about gateways.", "and there?", "which port has the gateway?"),
    ],
    ids=["the question holds it", "the conversation does not hold it", "no name"],
)
def test_a_rewrite_that_takes_no_name_from_the_conversation_is_not_swapped(said: str, question: str, rewrite: str):
    row = QueryRewriteRow(history=(Turn(role="user", content=said),), question=question, rewrite=rewrite)
    assert swap_query_rewrite(row, 0) is None


def test_a_refusal_row_gets_a_passage_of_another_document():
    rows = [refusal_row(n, answerable=True) for n in range(4)]
    swapped = swap_refusal(rows[1], foreign_passages(rows), 0)
    assert swapped is not None
    assert swapped.row.label is Answerability.UNANSWERABLE
    assert swapped.row.passages[0].id == "p1"
    assert swapped.row.passages[0].text in {page(n).text for n in (0, 2, 3)}


def test_the_passages_that_do_not_answer_stay():
    first = refusal_row(1, answerable=True)
    row = RefusalRow(**{**dict(first), "passages": (page(1), page(9))})
    swapped = swap_refusal(row, foreign_passages([row, refusal_row(2, answerable=False)]), 0)
    assert swapped is not None
    assert [p.text for p in swapped.row.passages] == [page(2).text, page(9).text]


def test_where_it_is_not_known_which_passage_answers_all_are_replaced():
    row = RefusalRow(question="q", passages=(page(1), page(2)), label=Answerability.ANSWERABLE)
    others = [refusal_row(n, answerable=False) for n in (5, 6)]
    swapped = swap_refusal(row, foreign_passages([row, *others]), 0)
    assert swapped is not None
    assert sorted(p.text for p in swapped.row.passages) == [page(5).text, page(6).text]


def test_the_same_document_and_the_same_text_are_not_foreign():
    row = refusal_row(1, answerable=True)
    same_text = row.model_copy(update={"origin": Origin(document="another")})
    same_document = refusal_row(2, answerable=False).model_copy(update={"origin": row.origin})
    assert swap_refusal(row, foreign_passages([row, same_text, same_document]), 0) is None


def test_a_row_that_is_not_answerable_has_nothing_to_lose():
    rows = [refusal_row(1, answerable=False), refusal_row(2, answerable=True)]
    assert swap_refusal(rows[0], foreign_passages(rows), 0) is None


def test_a_ranking_row_is_swapped_in_question_and_passages_alike():
    swapped = swap_rerank(rerank_row(3), 0)
    assert swapped is not None
    name = swapped.swaps["Dunmore"]
    assert swapped.row.question == f"what is the port in {name}?"
    assert name in swapped.row.passages[0].text
    assert [p.relevance for p in swapped.row.passages] == [1.0, 0.0, 0.0, 0.0]


def test_a_question_that_shares_no_name_with_its_passage_is_not_swapped():
    assert swap_rerank(rerank_row(3).model_copy(update={"question": "what is the port?"}), 0) is None


def test_a_text_that_stands_in_two_documents_is_foreign_to_neither_whatever_the_order():
    row = refusal_row(1, answerable=True)
    shared = refusal_row(2, answerable=False)
    also_here = shared.model_copy(update={"question": "What else?", "origin": row.origin})
    for rows in ([row, shared, also_here], [also_here, shared, row]):
        assert swap_refusal(row, foreign_passages(rows), 0) is None


def test_a_passage_beside_the_one_that_answers_may_be_of_any_document_and_is_not_taken_for_foreign():
    """It stands in a row about page 2, and could be the very page that this row is about."""
    row = refusal_row(1, answerable=True)
    beside = RefusalRow(**{**dict(refusal_row(2, answerable=True)), "passages": (page(2), page(3))})
    assert {passage.text for _, passage in foreign_passages([row, beside])} == {page(1).text, page(2).text}


@given(st.permutations([refusal_row(n, answerable=n % 2 == 0) for n in range(8)]), numbers)
def test_the_order_of_the_rows_chooses_no_other_foreign_passage(rows: list[RefusalRow], seed: int):
    row = refusal_row(2, answerable=True)
    in_order = [refusal_row(n, answerable=n % 2 == 0) for n in range(8)]
    assert swap_refusal(row, foreign_passages(rows), seed) == swap_refusal(row, foreign_passages(in_order), seed)


def test_without_another_passage_nothing_is_swapped():
    row = refusal_row(1, answerable=True)
    assert swap_refusal(row, [], 0) is None
    assert swap_refusal(row, foreign_passages([row]), 0) is None
