"""What should an answer open with? How good a sentence is as evidence, and how much the adapter would like it, added.

The evidence knows the words and the meaning of a sentence; the adapter has learnt what answers a question, but a small
one begins with the right sentence less often than the evidence does. They err in different places, so the sum errs less
than either (infra/decisions/correcting-citations.md).

An adapter's *preference* for a sentence is the log-probability that it begins its answer as that sentence begins. Only
the beginning counts: what follows is copied, whichever it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from serving.assistant.quoting import quote, quote_best
from serving.interface.citation import CitedSentence
from serving.interface.context import Context

__all__ = ["MARGIN", "Choice", "Option", "Preference"]

MARGIN = 0.15
"""The head start of what the adapter wrote, where the adapter was not calibrated; evidence reaches 1.5. As the bound of
an older rule it lost nothing to always quoting the best (infra/decisions/correcting-citations.md)."""
CONSIDERED = 8
"""Sentences that an answer could begin with: the best as evidence."""

Preference = Callable[[Sequence[CitedSentence]], Sequence[float]]
"""From sentences to the natural log-probability that an answer begins as each of them does."""


@dataclass(frozen=True)
class Option:
    """A sentence that an answer could begin with."""

    number: int
    evidence: float
    preference: float
    """Its log-probability less that of the best liked of those considered; above 0 only for what was written."""

    def worth(self, weight: float) -> float:
        """What both say, with this weight of the preference beside the evidence."""
        return self.evidence + weight * self.preference


@dataclass(frozen=True)
class Choice:
    """Between what an adapter wrote first and the sentences of the context."""

    context: Context
    evidence: Sequence[float]
    """Of each sentence of the context, higher is better; -0.5 to 1.5."""
    preference: Preference
    weight: float = 0.0
    margin: float = MARGIN

    def options(self) -> list[Option]:
        """What an answer could begin with, best evidence first; equal ones in reading order."""
        return self._options([], self.preference)

    def opening(self, written: CitedSentence, copied: int | None) -> tuple[CitedSentence, ...]:
        """The sentences of the context that an answer opens with, in reading order; none where its own words may stand.

        `copied` is the number of the sentence that was written, if it is one of the context.
        """
        asked = CitedSentence(written.text, (copied,) if copied else written.numbers)
        own, *others = self._options([asked], self.preference if self.weight else _indifferent)
        worth = [-math.inf] * len(self.evidence)
        for option in others:
            worth[option.number - 1] = option.worth(self.weight)
        stands = own.worth(self.weight) + self.margin
        if copied:
            worth[copied - 1] = max(worth[copied - 1], stands)
        elif stands >= max(worth):
            return ()
        return quote_best(self.context, worth) or quote(self.context, [worth.index(max(worth))])

    def _options(self, written: Sequence[CitedSentence], preference: Preference) -> list[Option]:
        """Those of the context after those written, all asked about at once."""
        best = sorted(range(len(self.evidence)), key=lambda index: (-self.evidence[index], index))[:CONSIDERED]
        sentences = [*written, *(CitedSentence(self.context.sentences[i].shown, (i + 1,)) for i in best)]
        liked = preference(sentences)
        most = max(liked[len(written) :], default=0.0)
        return [
            Option(sentence.numbers[0], max(self.evidence[number - 1] for number in sentence.numbers), value - most)
            for sentence, value in zip(sentences, liked, strict=True)
        ]


def _indifferent(sentences: Sequence[CitedSentence]) -> Sequence[float]:
    return [0.0] * len(sentences)
