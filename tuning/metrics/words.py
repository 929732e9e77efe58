"""Words, as the metrics count them: plain and lower-case, without stemming.

ROUGE-1 is over these words: unigram overlap, each word as often as it stands in both (Lin, "ROUGE: A Package for
Automatic Evaluation of Summaries", 2004), as its well-known scorers count without their stemmer. Not covered: scripts
that write no spaces, where a run of characters counts as one word.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Overlap", "answer_words", "content_words", "overlap", "words"]

_WORD = re.compile(r"[^\W_]+")
_POSSESSIVE = re.compile(r"['\u2019]s\b")
_ARTICLES = frozenset({"a", "an", "the"})
_FUNCTION_WORDS = frozenset(
    """
    a about after again all also am an and any anybody anyone anything are as at be because been before being between
    both but by can could d did do does doing done down during each either else ever every few for from further get
    gets got had has have having he her here hers herself him himself his how however i if in instead into is it its
    itself just like ll m many may me might mine more most much must my myself neither no nor not now of off on once
    one ones only or other others our ours out over own please quite rather re s same shall she should since so some
    somebody someone something still such t than that the their theirs them themselves then there these they thing
    things this those though through to too under until up us ve very was we were what when where whether which while
    who whom whose why will with within without would yes yet you your yours yourself
    """.split()
)


@dataclass(frozen=True)
class Overlap:
    """How the words of a text meet those of a reference."""

    precision: float
    recall: float

    @property
    def f1(self) -> float:
        """Harmonic mean of both; 0 when nothing meets."""
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0


def words(text: str) -> list[str]:
    """Runs of letters and digits, lower-case, in order."""
    return _WORD.findall(text.casefold())


def answer_words(text: str) -> list[str]:
    """Words without articles, after SQuAD's scorer (Rajpurkar et al., 2016); here, punctuation parts words."""
    return [word for word in words(text) if word not in _ARTICLES]


def content_words(text: str) -> frozenset[str]:
    """The words that say what a text is about: no function words, no possessive s."""
    return frozenset(words(_POSSESSIVE.sub("", text))) - _FUNCTION_WORDS


def overlap(written: Sequence[str], reference: Sequence[str]) -> Overlap:
    """Share of written words that the reference has, and of its words that were written, each counted once.

    Two texts without a word are equal.
    """
    if not written and not reference:
        return Overlap(1.0, 1.0)
    met = sum((Counter(written) & Counter(reference)).values())
    return Overlap(met / len(written) if written else 0.0, met / len(reference) if reference else 0.0)
