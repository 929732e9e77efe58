"""What the model wrote, held against the evidence before anything of it is shown.

A small model copies better than it points, and a score over sentences points better than it does
(infra/decisions/untuned-answers.md). So

- a sentence that copies one of the context, exactly or with slips, is that one: its words, its number, and what it
  announces, as before a code block;
- a sentence that is part of another than it cites, cites that other;
- the first sentence gives way to better ones, and what is as good comes along (`choice`). Only the first: later ones go
  on from it and need not look like the question;
- nothing is said twice.

Covered: wrong numbers, garbled copies, an answer from the wrong place. Not covered: other words about the right
sentence, which `support` judges.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from difflib import SequenceMatcher

from serving.assistant.quoting import announces, quote
from serving.interface.citation import CitedSentence
from serving.interface.context import Context

__all__ = ["correct"]

NEAR = 0.9
"""Similarity of two sequences of words (2 common / all, in order) from which one is a copy of the other with slips."""
FEWEST_WORDS = 5
"""Words in a row from which a text can be known as part of a sentence."""

_WORD = re.compile(r"\w+")


Opening = Callable[[CitedSentence, int | None], tuple[CitedSentence, ...]]
"""From what was written first, and the number of the sentence that it copies, to what the answer opens with instead;
none where it may stand."""


def correct(written: Iterable[CitedSentence], context: Context, opening: Opening) -> Iterator[CitedSentence]:
    """The sentences to check for support and to show, each as soon as it is written.

    Every number must stand for a sentence of the context. `opening` is asked about the first sentence only.
    """
    given: set[str] = set()
    quoted: set[int] = set()
    for index, sentence in enumerate(written):
        copied = _copied(sentence, context)
        quotes = _with_announced(copied, context) if index else opening(sentence, copied)
        for shown in quotes or (_placed(sentence, context),):
            if shown.text not in given and not set(shown.numbers) <= quoted:
                given.add(shown.text)
                quoted |= set(shown.numbers) if quotes else set()
                yield shown


def _copied(sentence: CitedSentence, context: Context) -> int | None:
    """The number of the sentence that this one copies whole: of equal ones that it cites, else the first shown."""
    words = _words(sentence.text)
    likeness = {n.number: _likeness(words, _words(n.shown)) for n in context.sentences}
    best = max(likeness.values(), default=0.0)
    equal = [number for number, value in likeness.items() if value == best]
    return next((n for n in (*sentence.numbers, *equal) if n in equal), None) if best >= NEAR else None


def _with_announced(copied: int | None, context: Context) -> tuple[CitedSentence, ...]:
    if copied is None:
        return ()
    return quote(context, [copied - 1, copied] if announces(context, copied - 1) else [copied - 1])


def _placed(sentence: CitedSentence, context: Context) -> CitedSentence:
    """The sentence, citing what it is a part of instead of what it is not."""
    words = _words(sentence.text)
    holding = [n.number for n in context.sentences if _is_part(words, _words(n.shown))]
    if len(words) < FEWEST_WORDS or not holding or set(holding) & set(sentence.numbers):
        return sentence
    return CitedSentence(sentence.text, (holding[0],))


def _likeness(some: Sequence[str], others: Sequence[str]) -> float:
    """0 to 1; 0 also for anything that is surely no copy."""
    matcher = SequenceMatcher(None, some, others, autojunk=False)
    return matcher.ratio() if some and matcher.real_quick_ratio() >= NEAR and matcher.quick_ratio() >= NEAR else 0.0


def _is_part(words: Sequence[str], others: Sequence[str]) -> bool:
    return f" {' '.join(words)} " in f" {' '.join(others)} "


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())
