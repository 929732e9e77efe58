"""The gate says yes to what is better beyond doubt, and names every reason against the rest."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from tuning.comparison import Comparison
from tuning.errors import NotComparable, NotJudged
from tuning.evaluation import Evaluation, Judged, Metric, Subject, run_rows, summarise
from tuning.gate import Verdict, decide
from tuning.rows import Origin
from tuning.statistics import Statistic
from tuning.thresholds import GateThresholds, gate_digest

METRICS = (Metric("ndcg_at_10"), Metric("mrr"))
THRESHOLDS = GateThresholds.model_validate(
    {
        "behaviour": "rerank",
        "headline": {"metric": "ndcg_at_10", "least_gain": {"hybrid_order": 0.05, "production": 0.0}},
        "must_not_lose": [{"metric": "mrr", "tolerance": 0.02}],
        "content_leak": {"floor": 0.8, "least_judged": 3},
        "rows": {"least_judged": 10, "largest_unjudged_share": 0.1},
    }
)


class Row(BaseModel):
    number: int
    origin: Origin = Origin()


ROWS = [Row(number=n, origin=Origin(slice="small" if n < 4 else "large")) for n in range(40)]
Score = float | None
"""None: could not be judged."""


def evaluation(
    scores: Callable[[int], Score], mrr: Callable[[int], Score] = lambda n: 0.5, rows: Sequence[Row] = ROWS, name="v1"
) -> Evaluation:
    def judge(row: Row) -> Judged:
        headline = scores(row.number)
        if headline is None:
            raise NotJudged("the row is broken")
        other = mrr(row.number)
        return Judged({"ndcg_at_10": headline} | ({} if other is None else {"mrr": other}))

    return summarise(Subject("rerank", name), METRICS, run_rows(rows, judge), seed=0, resamples=200)


def leak(share: float = 1.0, rows: int = 20, name: str = "v1") -> Evaluation:
    outcomes = run_rows(
        [Row(number=n) for n in range(rows)], lambda row: Judged({"follows_context": float(row.number < share * rows)})
    )
    return summarise(Subject("rerank", name), [Metric("follows_context")], outcomes, seed=0, resamples=200)


def noisy(n: int) -> float:
    """Between 0.1 and 0.5, not in the order of n."""
    return 0.1 + (n * 7 % 11) / 25


BASELINE = evaluation(noisy, name="hybrid_order")
BETTER = evaluation(lambda n: noisy(n) + 0.1)


def verdict(
    candidate: Evaluation = BETTER,
    baselines: Mapping[str, Evaluation] | None = None,
    content_leak: Evaluation | None = leak(),  # noqa: B008
    **changes: object,
) -> Verdict:
    thresholds = GateThresholds.model_validate({**THRESHOLDS.model_dump(), **changes})
    baselines = {"hybrid_order": BASELINE} if baselines is None else baselines
    return decide(candidate, baselines, thresholds, content_leak=content_leak, seed=0, resamples=200)


def test_a_candidate_that_is_better_beyond_doubt_passes():
    found = verdict()
    assert found.passed, found.reasons
    assert found.reasons == ()
    assert found.gate_digest == gate_digest(THRESHOLDS)
    assert found.comparisons[0].gain.value == pytest.approx(0.1)
    assert found.comparisons[0].pairs == 40


def test_that_nothing_else_is_in_production_is_said_and_no_reason():
    assert [note for note in verdict().notes if "serves no other adapter" in note]
    with_it = verdict(baselines={"hybrid_order": BASELINE, "production": BASELINE})
    assert with_it.passed
    assert with_it.notes == ()


def test_production_must_be_beaten_too():
    found = verdict(baselines={"hybrid_order": BASELINE, "production": evaluation(lambda n: noisy(n) + 0.11)})
    assert len(found.reasons) == 1
    assert "ndcg_at_10 against production: -0.010" in found.reasons[0]


def test_every_other_baseline_must_have_been_measured():
    found = verdict(baselines={})
    assert [reason for reason in found.reasons if "hybrid_order was not measured" in reason]


def test_a_gain_within_the_margin_is_no_win():
    (reason,) = verdict(candidate=evaluation(lambda n: noisy(n) + 0.04)).reasons
    assert "+0.040" in reason
    assert "above +0.050" in reason


def test_noise_is_no_win_however_large_the_mean():
    swinging = evaluation(lambda n: noisy(n) + (0.5 if n % 2 else -0.3))
    found = verdict(candidate=swinging)
    assert found.comparisons[0].gain.value == pytest.approx(0.1)
    assert found.comparisons[0].gain.low < 0.05
    assert len(found.reasons) == 1


def test_no_other_metric_may_be_lost_beyond_the_tolerance():
    lost = verdict(candidate=evaluation(lambda n: noisy(n) + 0.1, mrr=lambda n: 0.45))
    assert [reason for reason in lost.reasons if "mrr against hybrid_order: -0.050" in reason]
    assert verdict(candidate=evaluation(lambda n: noisy(n) + 0.1, mrr=lambda n: 0.49)).passed


def test_rows_that_could_not_be_judged_are_in_no_figure():
    found = verdict(candidate=evaluation(lambda n: None if n in (3, 5) else noisy(n) + 0.1))
    assert found.passed, found.reasons
    assert found.comparisons[0].pairs == 38
    assert found.comparisons[0].gain.value == pytest.approx(0.1)


def test_too_large_a_share_without_judgement_is_a_refusal():
    (reason,) = verdict(candidate=evaluation(lambda n: None if n < 6 else noisy(n) + 0.1)).reasons
    assert "15.0% of 40 rows could not be judged; at most 10.0%" in reason


def test_too_few_judged_rows_are_a_refusal():
    found = verdict(rows={"least_judged": 41, "largest_unjudged_share": 1.0})
    assert "40 rows could be judged; at least 41 are needed." in found.reasons
    assert [reason for reason in found.reasons if "hybrid_order on 40 rows" in reason]


def test_a_baseline_that_could_judge_little_proves_no_gain():
    found = verdict(baselines={"hybrid_order": evaluation(lambda n: noisy(n) if n < 5 else None)})
    assert [reason for reason in found.reasons if "both the candidate and hybrid_order on 5 rows" in reason]


def test_a_metric_that_was_judged_on_no_row_keeps_no_floor():
    without = evaluation(lambda n: noisy(n) + 0.1, mrr=lambda n: None)
    found = verdict(candidate=without, must_not_lose=[], floors={"mrr": 0.0})
    assert found.reasons == ("mrr could not be judged on any row; at least 0.000 is needed.",)
    assert verdict(candidate=without, must_not_lose=[], ceilings={"mrr": 1.0}).reasons


@pytest.mark.parametrize(
    ("changes", "named"),
    [({"floors": {"mrr": 0.6}}, "at least 0.600"), ({"ceilings": {"mrr": 0.4}}, "at most 0.400")],
)
def test_floors_and_ceilings_hold_whatever_the_baselines(changes: dict[str, object], named: str):
    (reason,) = verdict(**changes).reasons
    assert reason.startswith("mrr is 0.500")
    assert named in reason


def test_a_part_of_the_rows_must_not_pay_for_the_whole():
    def pays(n: int) -> float:
        return noisy(n) + (0.2 if n >= 4 else -0.1)

    assert verdict(candidate=evaluation(pays)).passed
    rules = {"least_rows": 4, "largest_loss": 0.05}
    (reason,) = verdict(candidate=evaluation(pays), slices=rules).reasons
    assert "ndcg_at_10 on slice=small against hybrid_order: -0.100" in reason
    small = verdict(candidate=evaluation(pays), slices={**rules, "least_rows": 5})
    assert small.passed
    assert "Too small to be held to rules of their own: slice=small." in small.notes


CLASSES = (Metric("ndcg_at_10", Statistic.BALANCED), Metric("mrr", Statistic.AUC))


def of_classes(right: Callable[[int], bool], positive: Callable[[int], bool]) -> Evaluation:
    def judge(row: Row) -> Judged:
        value = float(right(row.number))
        return Judged({"ndcg_at_10": value, "mrr": value}, positive=positive(row.number))

    return summarise(Subject("rerank", "v1"), CLASSES, run_rows(ROWS, judge), seed=0, resamples=200)


@pytest.mark.parametrize("rare", [0, 1])
def test_a_part_of_one_class_or_nearly_so_must_not_pay_either(rare: int):
    """A second class of one row would count half of a balanced accuracy: here it would hide that the rest is lost."""

    def positive(n: int) -> bool:
        return n % 2 == 0 if n >= 4 else n < rare

    candidate = of_classes(lambda n: n >= 4 or n < rare, positive)
    baseline = of_classes(lambda n: n >= 20 or rare <= n < 4, positive)
    rules = {"least_rows": 4, "largest_loss": 0.05}
    found = verdict(candidate, {"hybrid_order": baseline, "production": baseline}, slices=rules, must_not_lose=[])
    (reason,) = found.reasons
    assert reason.startswith(f"ndcg_at_10 on slice=small against production: {[-1.0, -0.5][rare]:+.3f}")
    assert "over 4 rows, each counted alike" in reason
    without = "ndcg_at_10 on slice=small was not compared with hybrid_order: too few rows, or of one class, for both."
    assert without in found.notes


def test_a_baseline_that_always_says_the_same_is_not_beaten_where_that_is_right():
    """On rows of one class no judge can do better than one that knows no other."""

    def positive(n: int) -> bool:
        return n % 2 == 0 or n < 4

    candidate, always = of_classes(lambda n: n > 0, positive), of_classes(positive, positive)
    rules = {"least_rows": 4, "largest_loss": 0.05}
    assert verdict(candidate, {"hybrid_order": always}, slices=rules, must_not_lose=[]).passed


def test_a_metric_without_classes_is_compared_on_a_part_of_which_the_baseline_was_judged_on_little():
    candidate = evaluation(lambda n: noisy(n) + 0.1 if n >= 4 else 0.0)
    baseline = evaluation(lambda n: noisy(n) if n == 0 or n >= 4 else None, name="hybrid_order")
    rules = {"least_rows": 4, "largest_loss": 0.05}
    found = verdict(candidate, {"hybrid_order": baseline}, slices=rules, must_not_lose=[])
    assert any("ndcg_at_10 on slice=small against hybrid_order" in reason for reason in found.reasons)


def test_a_part_on_which_the_headline_does_not_exist_is_named():
    same = of_classes(lambda n: n % 3 > 0, lambda n: n >= 4 and n % 2 == 0)
    headline = {"metric": "mrr", "least_gain": {"hybrid_order": 0.0, "production": 0.0}}
    rules = {"least_rows": 4, "largest_loss": 0.05}
    found = verdict(same, {"hybrid_order": same}, slices=rules, headline=headline, must_not_lose=[])
    assert any(note.startswith("mrr on slice=small was not compared with hybrid_order: ") for note in found.notes)


def test_a_part_can_have_a_floor():
    found = verdict(slices={"least_rows": 4, "floors": {"ndcg_at_10": 0.9}})
    assert sorted(reason.split(" is ")[0] for reason in found.reasons) == [
        "ndcg_at_10 on slice=large",
        "ndcg_at_10 on slice=small",
    ]


def test_the_swapped_facts_must_be_followed():
    (reason,) = verdict(content_leak=leak(0.85)).reasons
    assert reason.startswith("follows_context is 0.850")
    assert verdict(content_leak=None).reasons == ("Whether the candidate follows swapped facts was not measured.",)
    (few,) = verdict(content_leak=leak(rows=2)).reasons
    assert "2 rows with swapped facts could be judged; at least 3" in few


def test_every_reason_is_named_and_not_the_first_alone():
    bad = evaluation(lambda n: None if n < 6 else noisy(n) - 0.2, mrr=lambda n: 0.1)
    found = verdict(candidate=bad, content_leak=leak(0.1), floors={"mrr": 0.6}, ceilings={"ndcg_at_10": 0.0})
    assert len(found.reasons) == 6
    text = found.as_text()
    assert "refused by the gate" in text
    assert [reason for reason in found.reasons if f"NO  {reason}" not in text] == []


def test_the_document_holds_the_whole_verdict():
    document = json.loads(json.dumps(verdict(content_leak=None).as_json()))
    assert document["passed"] is False
    assert document["reasons"] == ["Whether the candidate follows swapped facts was not measured."]
    assert document["comparisons"][0]["gain"].keys() == {"value", "low", "high"}
    assert len(document["checks"]) == len(verdict().checks)


OTHER_ROWS = evaluation(noisy, rows=ROWS[:-1])
INCOMPARABLE = {
    "fewer rows": (lambda: verdict(baselines={"hybrid_order": OTHER_ROWS}), "other rows"),
    "another behaviour": (
        lambda: verdict(candidate=replace(BETTER, subject=Subject("refusal", "v1"))),
        "measures refusal, not rerank",
    ),
    "an unknown baseline": (lambda: verdict(baselines={"hybrid_order": BASELINE, "copy": BASELINE}), "copy"),
    "somebody else's swapped facts": (lambda: verdict(content_leak=leak(name="v0")), "another system"),
}


@pytest.mark.parametrize(("judge", "named"), INCOMPARABLE.values(), ids=INCOMPARABLE)
def test_what_cannot_be_compared_gets_no_verdict(judge: Callable[[], Verdict], named: str):
    with pytest.raises(NotComparable, match=named):
        judge()


scores = st.lists(st.one_of(st.none(), st.sampled_from([0.0, 0.3, 0.5, 0.9])), min_size=12, max_size=12)


@given(scores, scores, st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_no_verdict(ours: list[Score], theirs: list[Score], chance: random.Random):
    shuffled = chance.sample(ROWS[:12], 12)
    first = verdict(
        evaluation(ours.__getitem__, rows=ROWS[:12]),
        {"hybrid_order": evaluation(theirs.__getitem__, rows=ROWS[:12])},
        slices={"least_rows": 3, "largest_loss": 0.1},
    )
    second = verdict(
        evaluation(ours.__getitem__, rows=shuffled),
        {"hybrid_order": evaluation(theirs.__getitem__, rows=shuffled[::-1])},
        slices={"least_rows": 3, "largest_loss": 0.1},
    )
    assert first == second


@given(scores, st.floats(0, 0.2))
def test_a_candidate_equal_to_a_baseline_never_passes(same: list[Score], margin: float):
    found = verdict(
        evaluation(same.__getitem__, rows=ROWS[:12]),
        {"hybrid_order": evaluation(same.__getitem__, rows=ROWS[:12])},
        headline={"metric": "ndcg_at_10", "least_gain": {"hybrid_order": margin, "production": 0.0}},
        must_not_lose=[],
        rows={"least_judged": 1, "largest_unjudged_share": 1.0},
    )
    assert not found.passed


@given(scores)
def test_a_row_without_judgement_counts_neither_for_nor_against(theirs: list[Score]):
    def with_gaps(n: int) -> Score:
        return None if n == 3 else 0.9

    def compared(ours: Callable[[int], Score], rows: Sequence[Row]) -> Sequence[Comparison]:
        few = {"least_judged": 1, "largest_unjudged_share": 1.0}
        baseline = {"hybrid_order": evaluation(theirs.__getitem__, rows=rows)}
        return verdict(evaluation(ours, rows=rows), baseline, rows=few).comparisons

    rest = [row for row in ROWS[:12] if row.number != 3]
    found = compared(with_gaps, ROWS[:12])
    assert found == compared(lambda n: 0.9, rest)
    judged = any(theirs[row.number] is not None for row in rest)
    assert bool(found) is judged
