"""Rankings are judged like everybody judges them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score

from tuning.errors import NotJudged
from tuning.metrics.rerank import METRICS, evaluate_rerank, judge_ranking
from tuning.rows import RankedPassage, RerankRow

graded = st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), min_size=2, max_size=14).filter(lambda g: len(set(g)) > 1)


def row_of(*relevances: float) -> RerankRow:
    passages = tuple(RankedPassage(id=f"p{n:02}", text="t", relevance=r) for n, r in enumerate(relevances))
    return RerankRow(question="q", passages=passages)


def test_the_metrics_are_those_of_the_design():
    assert [metric.name for metric in METRICS] == ["ndcg_at_10", "mrr"]


@given(graded, st.randoms(use_true_random=False))
def test_ndcg_is_that_of_scikit_learn(relevances: list[float], chance):
    scores = [float(n) for n in chance.sample(range(len(relevances)), len(relevances))]
    judged = judge_ranking(row_of(*relevances), scores)
    assert judged.values["ndcg_at_10"] == pytest.approx(ndcg_score([relevances], [scores], k=10))


def test_the_reciprocal_rank_is_of_the_first_of_the_most_relevant_passages():
    assert judge_ranking(row_of(0.0, 0.25, 1.0, 1.0), [4.0, 3.0, 2.0, 1.0]).values["mrr"] == pytest.approx(1 / 3)
    assert judge_ranking(row_of(0.5, 0.5, 0.25), [1.0, 2.0, 3.0]).values["mrr"] == 0.5


def test_equal_scores_are_ordered_by_passage_id():
    assert judge_ranking(row_of(0.0, 1.0), [1.0, 1.0]).values["mrr"] == 0.5
    assert judge_ranking(row_of(1.0, 0.0), [1.0, 1.0]).values["mrr"] == 1.0


@pytest.mark.parametrize("relevances", [(0.0, 0.0), (1.0, 1.0), (1.0,)])
def test_a_row_without_an_order_to_find_cannot_be_judged(relevances: tuple[float, ...]):
    with pytest.raises(NotJudged, match="equally relevant"):
        judge_ranking(row_of(*relevances), [0.0] * len(relevances))


@pytest.mark.parametrize("score", [float("nan"), float("inf")])
def test_a_score_that_is_no_number_is_not_a_low_score(score: float):
    found = evaluate_rerank([row_of(1.0, 0.0)], lambda row: [score, 0.0], seed=0)
    assert (found.judged, found.metrics) == (0, {})


def test_a_score_too_few_is_a_fault_of_the_system():
    with pytest.raises(ValueError, match="longer"):
        judge_ranking(row_of(1.0, 0.0), [1.0])
