"""What its evidence does not support is not shown."""

from __future__ import annotations

import pytest

from serving.assistant.support import SUPPORT_THRESHOLD, support
from tests.fakes import ListLibrary

TERMS = ListLibrary([]).terms
EVIDENCE = ["The gateway listens on port 7001.", "It restarts every 2.5 hours, at most 1,000 times."]


@pytest.mark.parametrize(
    "sentence",
    [
        "The gateway listens on port 7001.",
        "The  gateway\nlistens on port 7001.",
        "The gateway listens on port 7001. It restarts every 2.5 hours, at most 1,000 times.",
        "Port 7001 is what the gateway listens on.",
    ],
    ids=["quoted", "quoted with other white space", "both quoted", "the same in another order"],
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
