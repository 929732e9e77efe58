"""Where an answer begins: the evidence and the adapter's preference, weighed against what was written."""

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


def _choice(scores: Sequence[float], weight: float = 0.0, margin: float = 0.15) -> Choice:
    return Choice(_context(PORT, SUNDAY, KEPT), scores, _liked, weight, margin)


@pytest.mark.parametrize(
    ("scores", "overruled_by"),
    [([1.0, 0.9, 0.0], None), ([1.2, 0.9, 0.0], 1), ([0.2, 0.9, 0.0], None), ([1.1, 0.9, 1.1], 1)],
    ids=["within the margin", "beyond the margin", "the best itself", "of equal ones the first"],
)
def test_without_a_weight_the_evidence_decides_beyond_the_margin(scores: list[float], overruled_by: int | None) -> None:
    assert _choice(scores).overrules(WRITTEN) == overruled_by


@pytest.mark.parametrize(
    ("weight", "overruled_by"),
    [(0.0, 1), (0.1, 1), (0.2, None)],
    ids=["evidence alone", "too weak a preference", "a preference that outweighs the evidence"],
)
def test_the_adapters_preference_counts_by_its_weight(weight: float, overruled_by: int | None) -> None:
    """The first sentence is better evidence by 0.5, and what was written likelier by 3.5."""
    assert _choice([1.3, 0.8, 0.0], weight, margin=0.0).overrules(WRITTEN) == overruled_by


def test_what_cites_several_sentences_is_as_good_as_the_best_of_them() -> None:
    assert _choice([1.0, 0.1, 0.0]).overrules(CitedSentence(WRITTEN.text, (2, 1))) is None


def test_the_options_are_the_best_as_evidence_with_what_the_adapter_would_like() -> None:
    assert _choice([0.5, 0.5, 0.9]).options() == [Option(3, 0.9, -1.0), Option(1, 0.5, -4.0), Option(2, 0.5, -2.0)]


def test_of_many_sentences_few_are_considered_and_the_adapter_is_asked_once() -> None:
    asked: list[int] = []

    def liked(sentences: Sequence[CitedSentence]) -> Sequence[float]:
        asked.append(len(sentences))
        return [0.0] * len(sentences)

    many = _context(*(f"Line {number} of the manual says so." for number in range(30)))
    scores = [1.0] * len(many.sentences)
    assert Choice(many, scores, liked, weight=0.1).overrules(CitedSentence("So it says.", (30,))) is None
    assert asked == [CONSIDERED + 1]
