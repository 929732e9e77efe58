"""Nearly equal texts are found, all of them and no others."""

from __future__ import annotations

import random
from collections import defaultdict
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuning.shingles import CROWD, fold, near_pairs, shingles, similarity

LETTERS = "abcdefghijklmnopqrstuvwxyz "


def scribble(chance: random.Random, length: int) -> str:
    return "".join(chance.choice(LETTERS) for _ in range(length))


def retouched(chance: random.Random, text: str, places: int) -> str:
    letters = list(text)
    for place in chance.sample(range(len(letters)), places):
        letters[place] = "#"
    return "".join(letters)


@given(st.text(), st.text())
def test_similarity_is_a_similarity(left: str, right: str):
    a, b = shingles(left), shingles(right)
    assert similarity(a, b) == similarity(b, a)
    assert 0 <= similarity(a, b) <= 1
    assert similarity(a, a) == 1


@pytest.mark.parametrize(
    ("left", "right"),
    [("Plan  B.\n", "plan b."), ("ﬁle", "file"), ("STRASSE", "straße")],
    ids=["space", "form", "case"],
)
def test_what_says_nothing_makes_no_difference(left: str, right: str):
    assert fold(left) == fold(right)


@pytest.mark.parametrize(("left", "right"), [("C", "C++"), ("is it?", "is it not?"), ("a", "b"), ("", "a")])
def test_what_says_something_makes_a_difference(left: str, right: str):
    assert fold(left) != fold(right)
    assert similarity(shingles(left), shingles(right)) < 1


def test_every_pair_that_is_near_is_found_and_no_other():
    chance = random.Random(1)
    originals = [scribble(chance, 120) for _ in range(150)]
    texts = originals + [retouched(chance, text, n % 6) for n, text in enumerate(originals)]
    sets = [shingles(text) for text in texts]
    expected = {(a, b) for a, b in combinations(range(len(texts)), 2) if similarity(sets[a], sets[b]) >= 0.8}
    found = list(near_pairs(texts, least=0.8))
    assert len(expected) > 50
    assert len(found) == len(set(found))
    assert set(found) == expected


def test_a_crowd_of_like_texts_is_linked_to_a_whole_by_few_pairs():
    texts = [
        f"What became of the order number {number} that I placed in your store last week?" for number in range(3000)
    ]
    pairs = list(near_pairs(texts, least=0.8))
    reached = [0]
    neighbours = defaultdict(list)
    for left, right in pairs:
        neighbours[left].append(right)
        neighbours[right].append(left)
    for index in reached:
        reached += [other for other in neighbours.pop(index, []) if other in neighbours]
    assert set(reached) == set(range(len(texts)))
    assert len(pairs) < len(texts) * CROWD * 16
