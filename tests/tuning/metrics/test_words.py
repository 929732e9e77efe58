"""Words and how they overlap."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuning.metrics.words import answer_words, content_words, overlap, words

bags = st.lists(st.sampled_from("a b c d".split()), max_size=8)


def test_words_are_runs_of_letters_and_digits_in_small_letters():
    assert words("Don't set max_retries=3, Größe!") == ["don", "t", "set", "max", "retries", "3", "grösse"]


def test_an_answer_is_compared_without_articles():
    assert answer_words("The port of a gateway") == ["port", "of", "gateway"]


def test_content_words_say_what_a_text_is_about():
    assert content_words("What was Obree's role in the band?") == {"obree", "role", "band"}


def test_overlap_is_rouge_1_as_worked_by_hand():
    # Lin (2004): clipped unigram counts. police x1, the x1, gunman x1 meet; 4 written, 5 in the reference.
    met = overlap("the gunman police kill".split(), "police killed the the gunman".split())
    assert met.precision == pytest.approx(3 / 4)
    assert met.recall == pytest.approx(3 / 5)
    assert met.f1 == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("written", "reference", "f1"), [([], [], 1.0), ([], ["a"], 0.0), (["a"], [], 0.0), (["b"], ["a"], 0.0)]
)
def test_texts_without_words_are_equal_to_each_other_alone(written: list[str], reference: list[str], f1: float):
    assert overlap(written, reference).f1 == f1


@given(bags, bags)
def test_overlap_is_mutual_and_whole_for_the_same_words(one: list[str], other: list[str]):
    assert overlap(one, other).f1 == pytest.approx(overlap(other, one).f1)
    assert overlap(one, other).precision == overlap(other, one).recall
    assert (overlap(one, other).f1 == pytest.approx(1.0)) is (sorted(one) == sorted(other))
