"""Retrieval metrics, judged by document."""

from __future__ import annotations

import pytest

from tuning.metrics.retrieval import evaluate_retrieval, names_document, rank_of
from tuning.rows import RetrievalRow

INDEXED = ("docs/a.md", "docs/sub/b.md", "docs/c.md")


def row(question: str, uri: str) -> RetrievalRow:
    return RetrievalRow(question=question, uri=uri)


@pytest.mark.parametrize(
    ("wanted", "uri", "named"),
    [
        ("a.md", "docs/a.md", True),
        ("/a.md", "docs/a.md", True),
        ("docs/a.md", "docs/a.md", True),
        ("a.md", "docs/data.md", False),
        ("sub/a.md", "docs/a.md", False),
    ],
)
def test_a_document_is_named_by_the_end_of_its_uri_at_a_path_boundary(wanted: str, uri: str, named: bool):
    assert names_document(wanted, uri) is named


def test_several_passages_of_one_document_take_one_rank():
    assert rank_of("c.md", ["docs/a.md", "docs/a.md", "docs/sub/b.md", "docs/a.md", "docs/c.md"]) == 3


def test_a_document_that_was_not_found_has_no_rank():
    assert rank_of("c.md", ["docs/a.md"]) is None


def test_hits_and_reciprocal_ranks_are_means_over_the_judged_rows():
    found = {"first": ["docs/a.md"], "second": ["docs/a.md", "docs/c.md"], "never": ["docs/a.md"]}
    rows = [row("first", "a.md"), row("second", "c.md"), row("never", "sub/b.md"), row("foreign", "gone.md")]
    report = evaluate_retrieval(rows, INDEXED, found.__getitem__, seed=0)
    assert (report.rows, report.judged, report.unjudged) == (4, 3, 1)
    assert {name: interval.value for name, interval in report.metrics.items()} == {
        "hit_at_1": pytest.approx(1 / 3),
        "hit_at_5": pytest.approx(2 / 3),
        "hit_at_10": pytest.approx(2 / 3),
        "mrr": pytest.approx(0.5),
    }
    assert report.missed == ("never",)


def test_without_a_judgeable_row_there_are_no_metrics_rather_than_zeros():
    report = evaluate_retrieval([row("q", "gone.md")], INDEXED, lambda question: [], seed=0)
    assert (report.judged, report.metrics) == (0, {})


def test_a_row_that_cannot_be_judged_is_not_searched():
    def search(question: str) -> list[str]:
        raise AssertionError(question)

    evaluate_retrieval([row("q", "gone.md")], INDEXED, search, seed=0)
