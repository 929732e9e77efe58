"""What an answer opens with: the evidence and the adapter's preference, weighed against what was written."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from serving.assistant.choice import CONSIDERED, Choice, Option
from serving.interface.citation import CitedSentence
from serving.interface.context import Context, ContextPassage, build_context

PORT, SUNDAY, KEPT = "The gateway listens on port 7001.", "Backups run every Sunday.", "Backups are kept for a month."
WRITTEN = CitedSentence("It runs on Sunday.", (2,))
LIKES = {PORT: -4.0, SUNDAY: -2.0, KEPT: -1.0, WRITTEN.text: -0.5}


def _context(*sentences: str) -> Context:
    return build_context([ContextPassage(id="a", text=" ".join(sentences))], len)


def _liked(sentences: Sequence[CitedSentence]) -> Sequence[float]:
    return [LIKES[sentence.text] for sentence in sentences]


def _disliked(sentences: Sequence[CitedSentence]) -> Sequence[float]:
    return [-99.0, *_liked(sentences[1:])]


def _choice(scores: Sequence[float], weight: float = 0.0, margin: float = 0.15) -> Choice:
    return Choice(_context(PORT, SUNDAY, KEPT), scores, _liked, weight, margin)


def _opens(choice: Choice, written: CitedSentence = WRITTEN, copied: int | None = None) -> list[str]:
    return [sentence.text for sentence in choice.opening(written, copied)]


@pytest.mark.parametrize(
    ("scores", "opens"),
    [([1.0, 0.9, 0.0], []), ([1.2, 0.9, 0.0], [PORT]), ([0.2, 0.9, 0.0], []), ([1.1, 0.9, 1.1], [PORT, KEPT])],
    ids=["within the margin", "beyond the margin", "of the best itself", "of equal ones both"],
)
def test_without_a_weight_own_words_stand_within_the_margin(scores: list[float], opens: list[str]) -> None:
    assert _opens(_choice(scores)) == opens


@pytest.mark.parametrize(
    ("scores", "opens"),
    [([1.0, 0.9, 0.8], [PORT, SUNDAY]), ([0.9, 0.9, 0.8], [SUNDAY]), ([1.2, 0.7, 0.0], [PORT])],
    ids=["with what is nearly as good", "with a head start", "not at all far behind"],
)
def test_a_copy_is_quoted_by_what_it_is_worth(scores: list[float], opens: list[str]) -> None:
    assert _opens(_choice(scores), CitedSentence(SUNDAY, (1,)), copied=2) == opens


@pytest.mark.parametrize(
    ("weight", "opens"),
    [(0.0, [PORT]), (0.1, [PORT, KEPT]), (0.2, [KEPT])],
    ids=["evidence alone", "both", "a preference that outweighs the evidence"],
)
def test_the_adapters_preference_counts_by_its_weight(weight: float, opens: list[str]) -> None:
    """The first sentence is better evidence by 0.3, and the last likelier by 3."""
    assert _opens(_choice([1.0, 0.4, 0.7], weight, margin=0.0), CitedSentence(SUNDAY, (2,)), copied=2) == opens


def test_own_words_stand_where_they_are_worth_more_than_any_sentence() -> None:
    assert _opens(_choice([1.3, 0.8, 0.0], 0.1, margin=0.0)) == [PORT]
    assert _opens(_choice([1.3, 0.8, 0.0], 0.2, margin=0.0)) == []


def test_what_is_worth_little_is_better_than_what_is_worth_less() -> None:
    """A cosine may be below 0."""
    assert _opens(_choice([-0.1, -0.04, -0.2], margin=0.0), copied=1) == [SUNDAY]


def test_slips_do_not_make_a_copied_sentence_worse() -> None:
    slipped = CitedSentence(WRITTEN.text, (1,))
    assert _opens(Choice(_context(PORT, SUNDAY, KEPT), [0.9, 0.5, 0.0], _disliked, 0.1, 0.0), slipped, 1) == [PORT]


def test_without_a_sentence_there_is_no_option() -> None:
    assert Choice(_context(), [], _liked).options() == []


def test_what_cites_several_sentences_is_as_good_as_the_best_of_them() -> None:
    assert _opens(_choice([1.0, 0.1, 0.0]), CitedSentence(WRITTEN.text, (2, 1))) == []


def test_the_options_are_the_best_as_evidence_with_what_the_adapter_would_like() -> None:
    assert _choice([0.5, 0.5, 0.9]).options() == [Option(3, 0.9, 0.0), Option(1, 0.5, -3.0), Option(2, 0.5, -1.0)]


def test_of_many_sentences_few_are_considered_and_the_adapter_is_asked_once() -> None:
    asked: list[int] = []

    def liked(sentences: Sequence[CitedSentence]) -> Sequence[float]:
        asked.append(len(sentences))
        return [0.0] * len(sentences)

    many = _context(*(f"Line {number} of the manual says so." for number in range(30)))
    scores = [1.0] * len(many.sentences)
    assert _opens(Choice(many, scores, liked, weight=0.1), CitedSentence("So it says.", (30,))) == []
    assert asked == [CONSIDERED + 1]
