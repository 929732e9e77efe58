"""An evaluation keeps its rows, counts what could not be judged, and prints what the design names."""

from __future__ import annotations

import pytest
from pydantic import BaseModel

from serving.interface.errors import QuestionTooLong
from tests.tuning.made_rows import refusal
from tuning.errors import NotJudged, TuningError
from tuning.evaluation import Evaluation, Judged, Metric, Subject, run_rows, summarise
from tuning.rows import Origin, RefusalRow
from tuning.statistics import Statistic

METRICS = (Metric("right"), Metric("long"), Metric("area", Statistic.AUC))


class Row(BaseModel):
    question: str
    origin: Origin = Origin()


def judge(row: Row) -> Judged:
    if row.question == "broken":
        raise NotJudged("it is broken")
    if row.question == "endless":
        raise QuestionTooLong("it is endless", remedy="Shorten it.")
    values = {"right": float(row.question == "a"), "area": float(len(row.question))}
    return Judged(values, positive=row.question == "a", counts=("asked",), shown=row.question)


def evaluate(*questions: str, source: str = "") -> Evaluation:
    rows = [Row(question=question, origin=Origin(source=source)) for question in questions]
    return summarise(Subject("refusal", "v1"), METRICS, run_rows(rows, judge), seed=0, resamples=20)


def test_what_could_not_be_judged_is_counted_by_its_reason_and_enters_no_figure():
    found = evaluate("a", "broken", "b", "endless", "broken")
    assert (found.rows, found.judged, found.unjudged) == (5, 2, 3)
    assert found.metrics["right"].value == 0.5
    assert found.reasons() == {"it is broken": 2, "it is endless": 1}
    assert found.counts == {"asked": 2}


def test_rows_over_the_same_passages_are_judged_together_and_told_in_their_order():
    rows = [refusal(f"Why {n}?", page) for n, page in enumerate(["Page one.", "Page two."] * 3)]
    asked: list[str] = []

    def listens(row: RefusalRow) -> Judged:
        asked.append(row.passages[0].text)
        return Judged({"right": 1.0}, shown=row.question)

    found = run_rows(rows, listens)
    assert asked == ["Page one."] * 3 + ["Page two."] * 3
    assert [outcome.judged.shown for outcome in found if outcome.judged] == [row.question for row in rows]


def test_equal_rows_have_keys_of_their_own_in_their_order():
    rows = [Row(question="a"), Row(question="b"), Row(question="a")]
    keys = [outcome.key for outcome in run_rows(rows, judge)]
    assert [key.rpartition(".")[2] for key in keys] == ["1", "1", "2"]
    assert len(set(keys)) == 3


def test_any_other_error_ends_the_evaluation():
    def fails(row: Row) -> Judged:
        raise TuningError("the engine is gone", remedy="Start it.")

    with pytest.raises(TuningError, match="engine"):
        run_rows([Row(question="a")], fails)


def test_a_metric_without_a_row_is_absent_rather_than_0():
    found = evaluate("a", "a")
    assert "long" not in found.metrics
    assert "area" not in found.metrics  # one class only
    assert evaluate("broken").metrics == {}
    assert evaluate().metrics == {}


def test_the_document_is_the_one_that_the_design_names():
    document = evaluate("a", "bb").as_json()
    assert list(document)[:6] == ["behaviour", "adapter", "rows", "judged", "unjudged", "metrics"]
    assert document["behaviour"] == "refusal"
    assert document["adapter"] == "v1"
    assert document["metrics"]["right"].keys() == {"value", "low", "high"}


def test_the_table_names_every_metric_and_says_what_was_not_judged():
    text = evaluate("a", "broken", source="squad").as_text()
    assert "right" in text
    assert "source=squad" in text
    assert "not judged, 1 rows: it is broken" in text


def test_the_table_shows_the_largest_slices_and_names_the_others():
    rows = [Row(question="a", origin=Origin(source=f"s{n}")) for n in range(6) for _ in range(n + 1)]
    found = summarise(Subject("refusal"), METRICS, run_rows(rows, judge), seed=0, resamples=20)
    head = found.as_text().splitlines()[1]
    assert head.split() == ["all", "rows", "source=s2", "source=s3", "source=s4", "source=s5"]
    assert "in the JSON only: source=s0, source=s1." in found.as_text()
    assert len(found.as_json()["slices"]) == 6


def test_the_parts_of_the_rows_have_figures_of_their_own():
    rows = [Row(question=q, origin=Origin(source=s, slice="x")) for q, s in (("a", "one"), ("b", "two"), ("b", "two"))]
    found = summarise(Subject("refusal"), METRICS, run_rows(rows, judge), seed=0, resamples=20)
    assert {name: part.rows for name, part in found.slices.items()} == {"slice=x": 3, "source=one": 1, "source=two": 2}
    assert found.slices["source=two"].metrics["right"].value == 0.0


def test_equal_rows_are_told_apart_and_other_rows_have_other_keys():
    keys = [outcome.key for outcome in evaluate("a", "b", "a").outcomes]
    assert len(set(keys)) == 3
    assert keys[0].split(".")[0] == keys[2].split(".")[0]


def test_progress_counts_every_row():
    seen: list[tuple[int, int]] = []
    run_rows([Row(question="a"), Row(question="broken")], judge, progress=lambda done, all_: seen.append((done, all_)))
    assert seen == [(1, 2), (2, 2)]
