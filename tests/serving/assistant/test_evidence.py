"""Which sentence is the evidence, and how well the passages cover a question."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.assistant.evidence import coverage, pick, score_sentences
from tests.fakes import ListLibrary

TERMS = ListLibrary([]).terms
SENTENCES = ["The gateway listens on port 7001.", "The gateway keeps logs for thirty days.", "Press enter."]


def test_rare_words_count_more_than_common_ones() -> None:
    scores = score_sentences("gateway logs", SENTENCES, [0.0, 0.0, 0.0], TERMS)
    assert scores[1] == 1.0
    assert 0 < scores[0] < 0.5
    assert scores[2] == 0.0


def test_meaning_decides_where_words_do_not() -> None:
    scores = score_sentences("unrelated words", SENTENCES, [0.1, 0.2, 0.9], TERMS)
    assert max(range(3), key=scores.__getitem__) == 2


def test_coverage_is_the_share_of_the_questions_words_by_rarity() -> None:
    assert coverage("gateway logs", SENTENCES, TERMS)[1] == 1.0
    assert coverage("painted ceiling", SENTENCES, TERMS) == [0.0, 0.0, 0.0]
    assert coverage("", SENTENCES, TERMS) == [0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("scores", "continuing", "chosen"),
    [
        ([], set(), []),
        ([0.2, 1.0, 0.1], set(), [1]),
        ([0.95, 0.2, 1.0], set(), [0, 2]),
        ([1.0, 0.99, 0.98, 0.97], set(), [0, 1, 2]),
        ([1.0, 0.0, 0.0], {0}, [0, 1]),
        ([0.0, 0.0, 1.0], {2}, [2]),
    ],
    ids=["nothing", "the best", "what is nearly as good", "at most three", "what it announces", "nothing to announce"],
)
def test_what_is_quoted_of(scores: list[float], continuing: set[int], chosen: list[int]) -> None:
    assert pick(scores, continuing.__contains__) == chosen


@given(st.lists(st.floats(0, 2), min_size=1, max_size=20))
def test_the_best_sentence_is_always_quoted_and_in_reading_order(scores: list[float]) -> None:
    chosen = pick(scores, lambda i: False)
    assert scores.index(max(scores)) in chosen
    assert chosen == sorted(set(chosen))
