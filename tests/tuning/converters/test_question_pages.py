"""Questions with pages become rows over what search found."""

from __future__ import annotations

from dataclasses import replace

import pytest

from serving.interface.context import ContextPassage
from tuning.converters.question_pages import (
    Candidate,
    Pair,
    read_question_pages,
    refusal_rows,
    rerank_rows,
    with_uris,
)
from tuning.errors import DataInvalid
from tuning.rows import RefusalRow


def found(*uris: str) -> list[Candidate]:
    return [Candidate(uri, ContextPassage(id=str(n), text=f"Part {n} of {uri}.")) for n, uri in enumerate(uris)]


def relevances(uris: list[str], passages: int = 3) -> list[list[tuple[str, float]]]:
    made = rerank_rows([Pair("How?", "guide/tune.md")], lambda _: found(*uris), passages=passages)
    return [[(passage.id, passage.relevance) for passage in row.passages] for row in made.rows]


def test_passages_of_the_page_are_relevant_and_no_others():
    assert relevances(["x.md", "docs/guide/tune.md", "guide/tune.md", "y.md"]) == [[("0", 0), ("1", 1), ("2", 1)]]


def test_of_the_page_what_stands_under_the_heading_that_helps_is_worth_most():
    shown = [
        Candidate(uri, ContextPassage(id=str(n), title=title, text=f"Part {n}."))
        for n, (uri, title) in enumerate(
            [("tune.md", "Tune > Start"), ("tune.md", "Tune > Stop trials > By hand"), ("x.md", "Stop trials")]
        )
    ]
    pair = Pair("How?", "tune.md", anchor="stop-trials")
    (row,) = rerank_rows([pair], lambda _: shown).rows
    assert [passage.relevance for passage in row.passages] == [0.5, 1.0, 0.0]
    (row,) = rerank_rows([pair], lambda _: shown[:2]).rows
    assert [passage.relevance for passage in row.passages] == [0.5, 1.0]
    assert rerank_rows([pair], lambda _: shown[:1]).rows == ()
    (row,) = rerank_rows([pair], lambda _: [shown[2], shown[0], shown[1]], passages=2).rows
    assert [passage.relevance for passage in row.passages] == [0.0, 1.0]


@pytest.mark.parametrize("anchor", ["", " ", "-", "#"])
def test_a_heading_without_a_name_is_none(anchor: str):
    assert [pair.anchor for pair in read_question_pages([{"question": "q", "uri": "a.md", "anchor": anchor}])] == [None]


def test_the_best_passage_of_a_page_that_came_late_takes_the_last_place():
    assert relevances(["x.md", "y.md", "z.md", "guide/tune.md"]) == [[("0", 0), ("1", 0), ("3", 1)]]


def test_a_path_is_no_part_of_a_name():
    assert relevances(["misguide/tune.md", "x.md"]) == []


def test_a_page_is_named_as_in_retrieval_rows():
    for path in ("tune.md", "/tune.md", "guide/tune.md", "docs/guide/tune.md"):
        made = rerank_rows([Pair("How?", path)], lambda _: found("docs/guide/tune.md", "docs/x.md"))
        assert [passage.relevance for row in made.rows for passage in row.passages] == [1, 0]


def test_what_cannot_be_ranked_is_counted():
    pairs = [Pair("a", None), Pair("b", "none.md"), Pair("c", "x.md"), Pair("d", "y.md"), Pair(" ", "x.md")]
    made = rerank_rows(pairs, lambda question: found("y.md", "x.md") if question == "d" else found("x.md"))
    assert [(row.question, row.origin.document, row.origin.synthetic) for row in made.rows] == [("d", "y.md", True)]
    assert made.left_out == {
        "blank": 1,
        "its candidates are of its page, one as relevant as the other": 1,
        "no candidate is of its page": 1,
        "no page is known for it": 1,
    }


def test_of_a_page_that_moved_the_first_place_counts():
    places = (["old.md", None, "new.md"], [None, "new.md"])
    moved = [{"question": "q", "gold_path_per_snapshot": paths} for paths in places]
    assert read_question_pages(moved) == (Pair("q", "old.md"), Pair("q", None))


def test_another_format_is_refused():
    for wrong in ({"gold_path": "p.md"}, {"question": 5, "gold_path": "p.md"}):
        with pytest.raises(DataInvalid, match=r"question with its page: question is"):
            read_question_pages([wrong])


@pytest.mark.parametrize(
    ("record", "path"),
    [
        ({"uri": "a.md", "gold_path": "b.md", "source": "c.md"}, "a.md"),
        ({"gold_path": "b.md", "source": "c.md"}, "b.md"),
        ({"source": "c.md"}, "c.md"),
        ({"uri": "", "gold_path": None, "source": "c.md"}, "c.md"),
    ],
)
def test_the_page_is_named_by_any_of_its_keys_the_uri_first(record: dict[str, str | None], path: str):
    assert read_question_pages([{"question": "q", **record}]) == (Pair("q", path),)


def test_questions_of_which_none_names_a_page_are_refused_with_the_keys():
    nowhere = [{"question": "q"}, {"question": "r", "uri": "", "source": None}]
    with pytest.raises(DataInvalid) as told:
        read_question_pages(nowhere)
    assert all(f"`{key}`" in f"{told.value}" for key in ("uri", "gold_path", "source", "gold_path_per_snapshot"))
    assert [pair.path for pair in read_question_pages([*nowhere, {"question": "s", "uri": "p.md"}])][2:] == ["p.md"]
    assert read_question_pages([]) == ()


def test_an_address_names_its_page_and_its_heading():
    address = "https://docs.example/en/serve/index.html"
    for anchor, heading in ((None, "set up"), ("other", "other")):
        record = {"question": "q", "source": f"{address}#set%20up", "anchor": anchor}
        (pair,) = with_uris(read_question_pages([record]), ["guide/tune.md", "source/serve/index.rst"])
        assert pair == Pair("q", "source/serve/index.rst", heading)
    assert with_uris([Pair("q", address), Pair("q", None), Pair("q", "tune.md")], ["guide/tune.md"]) == (
        Pair("q", address),
        Pair("q", None),
        Pair("q", "tune.md"),
    )


def section(uri: str, heading: str) -> Candidate:
    return Candidate(uri, ContextPassage(id=f"{uri} {heading}", title=f"Guide > {heading}", text=f"About {heading}."))


PAGES = ("guide/tune.md", "guide/serve.md", "guide/train.md")
HEADINGS = ("Getting started", "Set `up` a sweep", "Überblick", "Set_up > More")
FOUND = [section(page, heading) for heading in HEADINGS for page in PAGES]
ASKED = [Pair(f"How is number {n} done?", PAGES[n % 3]) for n in range(60)]


def judged(pairs: list[Pair], found: list[Candidate] = FOUND, seed: int = 0) -> list[RefusalRow]:
    return list(refusal_rows(pairs, lambda _: found, seed=seed).rows)


def shown(row: RefusalRow) -> str:
    (passage,) = row.passages
    return passage.id


def test_a_page_that_is_named_in_two_ways_is_no_other_page():
    names = ("tune.md", "/tune.md", "guide/tune.md")
    asked = [replace(pair, path=names[n % 3]) for n, pair in enumerate(ASKED)]
    assert judged(asked, [section("guide/tune.md", "Getting started")]) == []


@pytest.mark.parametrize(
    ("anchor", "passage"),
    [
        (None, "guide/tune.md Getting started"),
        ("set-up-a-sweep", "guide/tune.md Set `up` a sweep"),
        ("überblick", "guide/tune.md Überblick"),
        ("set-up", "guide/tune.md Set_up > More"),
        ("set_up", "guide/tune.md Set_up > More"),
    ],
)
def test_the_passage_under_the_heading_answers_and_without_one_the_best_of_the_page(anchor: str | None, passage: str):
    about = [Pair(f"How is number {n} tuned?", "guide/tune.md", anchor) for n in range(20)]
    served = [Pair(f"How is number {n} served?", "guide/serve.md") for n in range(20)]
    answered = {shown(row) for row in judged(about + served, FOUND[:10]) if row.label == "answerable"}
    assert {name for name in answered if name.startswith("guide/tune.md")} <= {passage}
    mistaken = {shown(row) for row in judged(about + served) if row.label == "unanswerable"}
    assert passage in mistaken | answered


def test_a_heading_that_was_not_found_is_counted_and_never_guessed():
    pairs = [Pair("How?", "guide/tune.md", "no-such-heading"), Pair("Where?", None), Pair("", "guide/tune.md")]
    made = refusal_rows(pairs, lambda _: FOUND)
    assert made.rows == ()
    assert made.left_out == {"blank": 1, "no candidate stands under its heading": 1, "no page is known for it": 1}


def test_each_question_is_in_one_row_and_each_passage_has_both_labels():
    rows = judged(ASKED)
    assert len({row.question for row in rows}) == len(rows) > 30
    labels = {shown(row): {other.label for other in rows if shown(other) == shown(row)} for row in rows}
    assert all(found == {"answerable", "unanswerable"} for found in labels.values())


def test_a_passage_answers_questions_about_its_page_and_refuses_those_about_others():
    pages = {pair.question: pair.path for pair in ASKED}
    for row in judged(ASKED):
        assert row.origin.synthetic
        assert row.origin.slice == "page"
        assert shown(row).startswith(f"{row.origin.document} ")
        assert (row.label == "answerable") == (pages[row.question] == row.origin.document)
        assert row.answering == (shown(row) if row.label == "answerable" else None)


def test_a_passage_that_nobody_mistakes_teaches_no_label_alone():
    made = refusal_rows(ASKED[::3], lambda _: FOUND)  # all about one page
    assert made.rows == ()
    assert set(made.left_out) == {
        "its passage was found for no question about another page",
        "no passage that helps elsewhere was found for it",
    }


def test_the_order_of_the_pairs_changes_nothing_and_another_seed_does():
    def content(rows: list[RefusalRow]) -> set[tuple[str, str, str]]:
        return {(row.question, shown(row), row.label) for row in rows}

    assert content(judged(ASKED[::-1])) == content(judged(ASKED))
    assert content(judged(ASKED, seed=1)) != content(judged(ASKED))


def test_the_same_question_about_two_pages_is_not_answered_and_refused_on_one_passage():
    twice = [Pair("How is it done?", page) for page in PAGES]
    for seed in range(8):
        rows = judged([*ASKED, *twice], seed=seed)
        assert len({row.label for row in rows if row.question == "How is it done?"}) <= 1
