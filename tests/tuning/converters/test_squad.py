"""SQuAD becomes rows of which every answer is where its makers said."""

from __future__ import annotations

from typing import Any

import pytest

from serving.interface.context import build_context
from serving.interface.refusal import Answerability
from tuning.converters.squad import Article, citation_rows, read_squad, refusal_rows, rerank_rows
from tuning.errors import DataInvalid
from tuning.rows import CitationRow, Origin

PARAGRAPHS = {
    "Stone_bridges": [
        "The old bridge has five arches. It was built in 1310 by monks. A flood took two of the arches in 1784.",
        "Lime mortar sets slowly. Masons wait two weeks before they take the frame away. Frost spoils it.",
        "The toll house is small. Its keeper wrote down each cart. The book is in the museum.",
    ],
    "Lighthouses": [
        "The tower is 40 metres tall. Its lamp turns once in ten seconds. Nobody has lived there since 1991.",
        "Fog signals were horns at first. Later they ran on air. The last one fell silent in 1988.",
        "A keeper climbs 199 steps. He winds the clockwork every four hours.",
    ],
}


def question(name: str, asked: str, paragraph: str, *answers: str) -> dict[str, Any]:
    return {
        "id": name,
        "question": asked,
        "answers": [{"text": answer, "answer_start": paragraph.index(answer)} for answer in answers],
        "is_impossible": not answers,
        "plausible_answers": [],
    }


ASKED: dict[str, list[tuple[str, ...]]] = {
    "The old bridge": [("When was the bridge built?", "1310", "in 1310"), ("Who paid the monks?",)],
    "The tower": [("How tall is the tower?", "40 metres"), ("Who lives there?",)],
    "A keeper": [("How often is it wound?", "every four hours", "four hours", "winds")],
}


def published() -> dict[str, Any]:
    """A file as SQuAD's makers publish it."""
    return {
        "version": "v2.0",
        "data": [
            {
                "title": title,
                "paragraphs": [
                    {
                        "context": text,
                        "qas": [
                            question(f"{title[0]}{index}{n}", asked, text, *answers)
                            for start, found in ASKED.items()
                            if text.startswith(start)
                            for n, (asked, *answers) in enumerate(found)
                        ],
                    }
                    for index, text in enumerate(texts)
                ],
            }
            for title, texts in PARAGRAPHS.items()
        ],
    }


@pytest.fixture
def articles() -> tuple[Article, ...]:
    return read_squad(published())


def cited(row: CitationRow) -> list[str]:
    """What the citations of a row stand for, cut out of the passages by their offsets."""
    texts = {passage.id: passage.text for passage in row.passages}
    return [texts[c.passage_id][c.start : c.end] for sentence in row.answer for c in sentence.citations]


def test_a_question_is_answerable_when_it_has_an_answer(articles: tuple[Article, ...]):
    made = refusal_rows(articles)
    assert [(row.question, row.label) for row in made.rows][:2] == [
        ("When was the bridge built?", Answerability.ANSWERABLE),
        ("Who paid the monks?", Answerability.UNANSWERABLE),
    ]
    first = made.rows[0]
    assert (first.answering, first.passages[0].title) == ("Stone_bridges#0", "Stone bridges")
    assert first.origin == Origin(source="squad", licence="CC BY-SA 4.0", document="Stone_bridges", slice="single")
    assert made.left_out == {}


def test_among_others_the_paragraph_has_any_place(articles: tuple[Article, ...]):
    places = set()
    for seed in range(20):
        for row in refusal_rows(articles, passages=3, seed=seed).rows:
            assert {passage.id.partition("#")[0] for passage in row.passages} == {row.origin.document}
            if row.answering:
                places.add([passage.id for passage in row.passages].index(row.answering))
    assert places == {0, 1, 2}


def test_articles_that_are_too_short_are_counted(articles: tuple[Article, ...]):
    made = refusal_rows(articles, passages=4)
    assert (made.rows, made.left_out) == ((), {"its article has too few paragraphs": 5})


def test_foreign_questions_are_asked_of_another_article(articles: tuple[Article, ...]):
    made = refusal_rows(articles, foreign_share=1.0)
    foreign = [row for row in made.rows if row.origin.slice == "foreign"]
    assert len(foreign) == 5
    for row in foreign:
        assert row.label is Answerability.UNANSWERABLE
        assert row.origin.synthetic
        assert not row.passages[0].id.startswith(row.origin.document)
    apart = refusal_rows(articles, foreign_share=1.0, part=str)
    assert apart.left_out == {"no other article has enough paragraphs": 5}


def test_an_answer_is_the_whole_sentence_that_holds_it(articles: tuple[Article, ...]):
    made = citation_rows(articles)
    assert [(row.answer[0].text, cited(row)) for row in made.rows] == [
        ("It was built in 1310 by monks.", ["It was built in 1310 by monks."]),
        ("The tower is 40 metres tall.", ["The tower is 40 metres tall."]),
        ("He winds the clockwork every four hours.", ["He winds the clockwork every four hours."]),
    ]
    assert made.left_out == {"unanswerable": 2}


def test_every_question_of_a_group_is_asked_over_the_same_passages(articles: tuple[Article, ...]):
    made = citation_rows(articles, passages=3, seed=1)
    assert len(made.rows) == 3
    contexts = {row.passages for row in made.rows}
    assert len(contexts) <= 2
    assert any(len({p.title for p in context}) == 2 for context in contexts)
    for row, alone in zip(
        sorted(made.rows, key=lambda row: row.question),
        sorted(citation_rows(articles).rows, key=lambda row: row.question),
        strict=True,
    ):
        assert cited(row) == cited(alone)
        shown = build_context(row.passages, len, limit=10_000)
        (span,) = row.answer[0].citations
        assert len(shown.numbers(span.passage_id, span.start, span.end)) == 1


def test_the_last_group_of_a_part_is_filled_up_and_asks_its_own_questions(articles: tuple[Article, ...]):
    made = citation_rows(articles, passages=4, seed=0)
    assert all(len(row.passages) == 4 for row in made.rows)
    assert len({row.question for row in made.rows}) == len(made.rows) == 3


def test_articles_of_two_parts_never_meet(articles: tuple[Article, ...]):
    for seed in range(5):
        for row in citation_rows(articles, passages=2, seed=seed, part=str).rows:
            assert {passage.id.partition("#")[0] for passage in row.passages} == {row.origin.document}
    few = citation_rows(articles, passages=4, part=str)
    assert few.left_out == {"its part has too few paragraphs": 5}


def test_most_annotators_decide():
    text = "It opened in May. It closed in June."
    asked = question("q", "When?", text, "June", "May", "in May")
    (article,) = read_squad({"data": [{"title": "T", "paragraphs": [{"context": text, "qas": [asked]}]}]})
    assert cited(citation_rows([article]).rows[0]) == ["It opened in May."]


def test_a_span_that_does_not_hold_its_words_has_no_say():
    text = "It opened in May. It closed in June."
    asked = question("q", "When?", text, "May", "June", "June")
    for answer in asked["answers"][1:]:
        answer["answer_start"] -= 20
    articles = read_squad({"data": [{"title": "T", "paragraphs": [{"context": text, "qas": [asked]}]}]})
    assert cited(citation_rows(articles).rows[0]) == ["It opened in May."]
    asked["answers"] = asked["answers"][1:]
    articles = read_squad({"data": [{"title": "T", "paragraphs": [{"context": text, "qas": [asked]}]}]})
    assert citation_rows(articles).rows == ()


@pytest.mark.parametrize(
    ("answers", "sentence"),
    [(["1310"], None), (["1310", "The well was dug in 1310"], "The well was dug in 1310."), (["deep"], "It is deep.")],
)
def test_without_offsets_the_words_must_tell_the_sentence(answers: list[str], sentence: str | None):
    text = "The bridge was built in 1310. The well was dug in 1310. It is deep."
    asked = question("q", "What?", text, *answers)
    articles = read_squad({"data": [{"title": "T", "paragraphs": [{"context": text, "qas": [asked]}]}]})
    made = citation_rows(articles, offsets=False)
    assert [cited(row) for row in made.rows] == ([[sentence]] if sentence else [])
    assert sum(made.left_out.values()) == (0 if sentence else 1)


def test_the_paragraph_of_a_question_is_relevant_and_no_other(articles: tuple[Article, ...]):
    made = rerank_rows(articles, passages=3)
    assert len(made.rows) == 3
    for row in made.rows:
        assert sorted(passage.relevance for passage in row.passages) == [0, 0, 1]
    relevant = [p.id for row in made.rows for p in row.passages if p.relevance]
    assert relevant == ["Stone_bridges#0", "Lighthouses#0", "Lighthouses#2"]


@pytest.mark.parametrize("make", [refusal_rows, citation_rows, rerank_rows])
def test_a_row_does_not_depend_on_other_questions(make: Any, articles: tuple[Article, ...]):
    whole = {row.question: row for row in make(articles, passages=2 if make is not citation_rows else 1, seed=3).rows}
    fewer = published()
    fewer["data"][0]["paragraphs"][0]["qas"].pop(0)
    for row in make(read_squad(fewer), passages=2 if make is not citation_rows else 1, seed=3).rows:
        assert whole[row.question] == row


def test_an_article_that_occurs_twice_is_counted_on(articles: tuple[Article, ...]):
    ids = [row.passages[0].id for row in refusal_rows([*articles, *articles]).rows]
    assert ids.count("Stone_bridges#0") == ids.count("Stone_bridges#3") == 2


@pytest.mark.parametrize(
    ("parsed", "named"),
    [
        ([], "it is not an object"),
        ({"data": [{"title": "T"}]}, "data[0].paragraphs is missing"),
        ({}, "data is missing"),
        (
            {"data": [{"title": "T", "paragraphs": [{"context": "It.", "qas": [{"id": "q", "question": 5}]}]}]},
            "data[0].paragraphs[0].qas[0].question is not a text",
        ),
    ],
)
def test_another_format_is_refused_by_its_place(parsed: object, named: str):
    with pytest.raises(DataInvalid) as told:
        read_squad(parsed)
    assert f"{told.value}" == f"This is not a SQuAD file: {named}."


@pytest.mark.parametrize("make", [refusal_rows, citation_rows, rerank_rows])
def test_a_blank_question_is_counted_and_the_others_become_rows(make: Any, articles: tuple[Article, ...]):
    passages = 1 if make is citation_rows else 2
    blank = published()
    blank["data"][0]["paragraphs"][0]["qas"][0]["question"] = " \n"
    before, after = (make(read, passages=passages) for read in (articles, read_squad(blank)))
    assert after.rows == before.rows[1:]
    assert after.left_out == {**before.left_out, "blank": 1}


def test_a_blank_question_is_asked_of_no_foreign_paragraph_either():
    blank = published()
    blank["data"][0]["paragraphs"][0]["qas"][0]["question"] = ""
    assert all(row.question for row in refusal_rows(read_squad(blank), foreign_share=1.0).rows)
