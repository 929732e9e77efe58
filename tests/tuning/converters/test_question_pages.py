"""Questions with pages become rows over what search found."""

from __future__ import annotations

import pytest

from serving.interface.context import ContextPassage
from tuning.converters.question_pages import Candidate, Pair, read_question_pages, refusal_rows, rerank_rows
from tuning.errors import DataInvalid


def found(*uris: str) -> list[Candidate]:
    return [Candidate(uri, ContextPassage(id=str(n), text=f"Part {n} of {uri}.")) for n, uri in enumerate(uris)]


def relevances(uris: list[str], passages: int = 3) -> list[list[tuple[str, float]]]:
    made = rerank_rows([Pair("How?", "guide/tune.md")], lambda _: found(*uris), passages=passages)
    return [[(passage.id, passage.relevance) for passage in row.passages] for row in made.rows]


def test_passages_of_the_page_are_relevant_and_no_others():
    assert relevances(["x.md", "docs/guide/tune.md", "guide/tune.md", "y.md"]) == [[("0", 0), ("1", 1), ("2", 1)]]


def test_the_best_passage_of_a_page_that_came_late_takes_the_last_place():
    assert relevances(["x.md", "y.md", "z.md", "guide/tune.md"]) == [[("0", 0), ("1", 0), ("3", 1)]]


def test_a_path_is_no_part_of_a_name():
    assert relevances(["misguide/tune.md", "x.md"]) == []


def test_what_cannot_be_ranked_is_counted():
    pairs = [Pair("a", None), Pair("b", "none.md"), Pair("c", "x.md"), Pair("d", "y.md")]
    made = rerank_rows(pairs, lambda question: found("y.md", "x.md") if question == "d" else found("x.md"))
    assert [(row.question, row.origin.document, row.origin.synthetic) for row in made.rows] == [("d", "y.md", True)]
    assert made.left_out == {
        "every candidate is of its page": 1,
        "no candidate is of its page": 1,
        "no page is known for it": 1,
    }


def test_a_page_that_moved_is_taken_from_the_snapshot_that_is_named():
    moved = {"question": "q", "gold_path_per_snapshot": ["old.md", None, "new.md"]}
    assert [read_question_pages([moved], snapshot=n)[0].path for n in range(3)] == ["old.md", None, "new.md"]
    assert read_question_pages([{"question": "q", "gold_path": "p.md"}]) == (Pair("q", "p.md"),)
    for absent in (3, -1):
        with pytest.raises(DataInvalid, match=f"no snapshot {absent}"):
            read_question_pages([moved], snapshot=absent)


def test_another_format_is_refused():
    for wrong in ({"gold_path": "p.md"}, {"question": " ", "gold_path": "p.md"}):
        with pytest.raises(DataInvalid, match=r"0\.question"):
            read_question_pages([wrong])


def section(uri: str, heading: str) -> Candidate:
    return Candidate(uri, ContextPassage(id=f"{uri} {heading}", title=f"Guide > {heading}", text=f"About {heading}."))


TUNE = [section("guide/tune.md", "Getting started"), section("guide/tune.md", "Set `up` a sweep")]
SERVE = [section("guide/serve.md", "Deploy")]
ASKED = [
    Pair("How do I sweep?", "guide/tune.md", "set-up-a-sweep"),
    Pair("How do I tune?", "guide/tune.md", "no-such-heading"),
    Pair("How do I deploy?", "guide/serve.md"),
    Pair("How do I fly?", "guide/fly.md"),
]


def judged(pairs: list[Pair], found: list[Candidate]) -> list[tuple[str, str, str]]:
    rows = refusal_rows(pairs, lambda _: found).rows
    assert all(row.origin.synthetic and row.origin.slice == "page" for row in rows)
    assert all((row.answering == row.passages[0].id) == (row.label == "answerable") for row in rows)
    return [(row.question, row.passages[0].id, row.label) for row in rows]


def test_the_passage_under_the_heading_answers_and_else_the_best_of_the_page():
    answered = [(asked, shown) for asked, shown, label in judged(ASKED, TUNE + SERVE) if label == "answerable"]
    assert answered == [
        ("How do I sweep?", "guide/tune.md Set `up` a sweep"),
        ("How do I tune?", "guide/tune.md Getting started"),
        ("How do I deploy?", "guide/serve.md Deploy"),
    ]


def test_each_passage_is_shown_with_a_question_about_another_page_too():
    rows = judged(ASKED, TUNE + SERVE)
    pages = {pair.question: pair.path for pair in ASKED}
    for (_, shown, _), (other, again, label) in zip(rows[::2], rows[1::2], strict=True):
        assert (shown, label) == (again, "unanswerable")
        assert not shown.startswith(f"{pages[other]} ")


def test_a_passage_that_nobody_mistakes_teaches_no_label_alone():
    made = refusal_rows([*ASKED[:1], Pair("Where?", None)], lambda _: TUNE)
    assert made.rows == ()
    assert made.left_out == {
        "its passage was found for no question about another page": 1,
        "no page is known for it": 1,
    }


def test_the_other_question_depends_on_seed_and_question_alone():
    several = [*ASKED[:1], *(Pair(f"How do I deploy {n}?", "guide/serve.md") for n in range(9))]
    drawn = [refusal_rows(several, lambda _: TUNE + SERVE, seed=seed).rows[1].question for seed in range(12)]
    assert len(set(drawn)) > 3
    assert drawn[0] == refusal_rows(several, lambda _: TUNE + SERVE).rows[1].question
