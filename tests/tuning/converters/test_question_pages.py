"""Questions with pages become rows over what search found."""

from __future__ import annotations

import pytest

from serving.interface.context import ContextPassage
from tuning.converters.question_pages import Candidate, Pair, read_question_pages, rerank_rows
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
