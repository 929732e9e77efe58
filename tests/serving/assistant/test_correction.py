"""What the model wrote, held against the evidence: copies are quoted, numbers mended, wrong places overruled."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.assistant.choice import Choice
from serving.assistant.correction import correct
from serving.interface.citation import CitedSentence
from serving.interface.context import ContextPassage, build_context

TEXT = (
    "The gateway listens on port 7001 unless it was told otherwise. "
    "Full backups of all volumes run every Sunday at night. "
    "Start one by hand with this command:\n\n```\nbackup run --now\n```\n\nBackups are kept for thirty days."
)
CONTEXT = build_context(
    [ContextPassage(id="a", text=TEXT), ContextPassage(id="b", text="Backups are kept for thirty days.")], len
)
PORT, SUNDAY, COMMAND, CODE, KEPT, KEPT_AGAIN = (sentence.shown for sentence in CONTEXT.sentences)
EVEN = [1.0] * 6


def _corrected(
    written: Sequence[tuple[str, tuple[int, ...]]],
    scores: Sequence[float] = EVEN,
    margin: float = 0.3,
    weight: float = 0.0,
) -> list[tuple[str, tuple[int, ...]]]:
    sentences = [CitedSentence(text, numbers) for text, numbers in written]
    choice = Choice(CONTEXT, scores, lambda asked: [-float(len(s.text)) for s in asked], weight, margin)
    return [(s.text, s.numbers) for s in correct(sentences, CONTEXT, choice.opening)]


@pytest.mark.parametrize(
    ("written", "cites", "shown"),
    [
        (PORT, (1,), [(PORT, (1,))]),
        (PORT, (2,), [(PORT, (1,))]),
        ("The gateway listens on port 7001 unless told otherwise.", (2,), [(PORT, (1,))]),
        ("full backups of all volumes run every sunday at night", (2, 3), [(SUNDAY, (2,))]),
        (KEPT, (1,), [(KEPT, (5,))]),
        (KEPT, (6,), [(KEPT, (6,))]),
        (COMMAND, (3,), [(COMMAND, (3,)), (CODE, (4,))]),
        ("The gateway listens on port 7001.", (3,), [("The gateway listens on port 7001.", (1,))]),
        ("The gateway listens on port 7001.", (1, 3), [("The gateway listens on port 7001.", (1, 3))]),
        ("On Sunday.", (3,), [("On Sunday.", (3,))]),
        ("It is port 7001 by default.", (1,), [("It is port 7001 by default.", (1,))]),
    ],
    ids=[
        "a copy stays",
        "a copy with the wrong number is mended",
        "a copy with slips is quoted",
        "a copy that cites more than its source cites its source",
        "of equal sources the first",
        "of equal sources the one that is cited",
        "what a copy announces comes along",
        "a part of another sentence cites that",
        "a part of a cited sentence stays",
        "a few words could be part of anything",
        "its own words are left alone",
    ],
)
def test_a_sentence(written: str, cites: tuple[int, ...], shown: list[tuple[str, tuple[int, ...]]]) -> None:
    assert _corrected([(written, cites)]) == shown


def test_a_copy_from_the_wrong_place_is_overruled_too() -> None:
    assert _corrected([(SUNDAY, (1,))], [1.4, 0.8, 0.0, 0.0, 0.0, 0.0]) == [(PORT, (1,))]


def test_what_is_worth_as_much_as_the_first_sentence_comes_along() -> None:
    assert _corrected([(SUNDAY, (2,))], [0.2, 0.8, 0.0, 0.0, 1.0, 0.0]) == [(SUNDAY, (2,)), (KEPT, (5,))]


def test_only_the_first_sentence_is_overruled_and_what_was_quoted_is_not_said_again() -> None:
    written = [
        ("It runs on Sunday.", (2,)),
        ("The port is 7001.", (1,)),
        ("They stay thirty days.", (5,)),
        (PORT, (1,)),
    ]
    assert _corrected(written, [1.2, 0.8, 0.0, 0.0, 0.0, 0.0]) == [(PORT, (1,)), ("They stay thirty days.", (5,))]


def test_nothing_is_weighed_as_long_as_nothing_was_written() -> None:
    def never(written: CitedSentence, copied: int | None) -> tuple[CitedSentence, ...]:
        raise AssertionError(f"nothing was written, and yet {written}")

    assert list(correct([], CONTEXT, never)) == []


ANY_WRITTEN = st.lists(
    st.tuples(
        st.sampled_from([PORT, SUNDAY, COMMAND, CODE, KEPT, "Other words.", "Backups run every Sunday at", "?"]),
        st.lists(st.integers(1, 6), min_size=1, max_size=3, unique=True).map(tuple),
    ),
    max_size=6,
)
ANY_SCORES = st.lists(st.floats(-0.5, 1.5), min_size=6, max_size=6)


@given(ANY_WRITTEN, ANY_SCORES, st.floats(0, 1.5), st.floats(0, 0.1))
def test_every_number_resolves_and_nothing_is_said_twice(
    written: list[tuple[str, tuple[int, ...]]], scores: list[float], margin: float, weight: float
) -> None:
    shown = _corrected(written, scores, margin, weight)
    assert all(1 <= number <= 6 for _, numbers in shown for number in numbers)
    assert len({text for text, _ in shown}) == len(shown)


@given(ANY_WRITTEN, ANY_SCORES, st.floats(0, 0.1))
def test_without_a_head_start_correcting_twice_changes_nothing(
    written: list[tuple[str, tuple[int, ...]]], scores: list[float], weight: float
) -> None:
    once = _corrected(written, scores, margin=0.0, weight=weight)
    assert _corrected(once, scores, margin=0.0, weight=weight) == once
