"""What its evidence does not support is not shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.assistant.support import SUPPORT_THRESHOLD, support
from serving.interface.segments import normalise
from tests.fakes import ListLibrary

TERMS = ListLibrary([]).terms
EVIDENCE = [
    "The gateway listens on port 7001.",
    "It restarts every 2.5 hours, at most 1,000 times.",
    "Never restart it by hand.",
]


@pytest.mark.parametrize(
    "sentence",
    [
        "The gateway listens on port 7001.",
        "The  gateway\nlistens on port 7001.",
        "The gateway listens on port 7001. It restarts every 2.5 hours, at most 1,000 times.",
        "Port 7001 is what the gateway listens on.",
        "Never restart it by hand.",
        "Do not restart it by hand, never.",
    ],
    ids=[
        "quoted",
        "quoted with other white space",
        "both quoted",
        "the same in another order",
        "a negation quoted",
        "the same negation in other words",
    ],
)
def test_a_sentence_stands_that_is(sentence: str) -> None:
    assert support(sentence, EVIDENCE, TERMS) >= SUPPORT_THRESHOLD


@pytest.mark.parametrize(
    "sentence",
    [
        "The gateway listens on port 7002.",
        "The gateway listens on port 700",
        "It restarts every 2 hours, at most 1,000 times.",
        "The database stores customer invoices.",
        "!?",
    ],
    ids=["another number", "the beginning of a number", "a part of a number", "other words", "no words"],
)
def test_a_sentence_is_dropped_that_has(sentence: str) -> None:
    assert support(sentence, EVIDENCE, TERMS) < SUPPORT_THRESHOLD


def test_support_is_between_zero_and_one_and_grows_with_shared_words() -> None:
    some = support("gateway listens invoices customer", EVIDENCE, TERMS)
    more = support("gateway listens port customer", EVIDENCE, TERMS)
    assert 0 < some < more < 1


def test_scripts_without_spaces_are_compared_by_pairs_of_characters() -> None:
    evidence = ["ゲートウェイは再開できます。"]
    assert support("再開できます", evidence, TERMS) >= SUPPORT_THRESHOLD
    assert support("料金は無料です", evidence, TERMS) < SUPPORT_THRESHOLD


@pytest.mark.parametrize(
    ("sentence", "evidence"),
    [
        ("The gateway does not listen on port 7001.", ["The gateway listens on port 7001."]),
        ("Delete the folder of the index.", ["Do not delete the folder of the index."]),
        ("delete the folder of the index", ["Please don't delete the folder of the index."]),
        ("You can restart it.", ["You can’t restart it.", "The index is whole."]),
    ],
    ids=["a negation added", "a negation lost", "the part behind a negation", "a typographic apostrophe"],
)
def test_a_sentence_that_says_the_opposite_is_dropped(sentence: str, evidence: list[str]) -> None:
    assert support(sentence, evidence, TERMS) == 0.0


def test_a_negation_elsewhere_in_the_evidence_does_not_hurt() -> None:
    evidence = ["Delete the folder of the index.", "Do not delete the folder of the texts."]
    assert support("You can delete the folder of the index.", evidence, TERMS) >= SUPPORT_THRESHOLD


@given(st.lists(st.text(min_size=1).filter(lambda text: normalise(text)), min_size=1, max_size=3))
def test_whatever_is_quoted_whole_is_fully_supported(evidence: list[str]) -> None:
    assert support(evidence[0], evidence, TERMS) == 1.0
    assert support(" ".join(evidence), evidence, TERMS) == 1.0
