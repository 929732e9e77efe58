"""What the model wrote, held against the evidence before anything of it is shown.

A small model copies better than it points, and a score over sentences points better than it does
(infra/decisions/untuned-answers.md). So

- a sentence that copies one of the context, exactly or with slips, is that one: its words, its number, and what it
  announces, as before a code block;
- a sentence that is part of another than it cites, cites that other;
- the first sentence gives way to a better one (`choice`). Only the first: later ones go on from it and need not look
  like the question;
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


def correct(
    written: Iterable[CitedSentence], context: Context, overrules: Callable[[CitedSentence], int | None]
) -> Iterator[CitedSentence]:
    """The sentences to check for support and to show, each as soon as it is written.

    Every number must stand for a sentence of the context. `overrules` is asked about the first sentence, once its
    number is mended: which one is to stand in its place, if any?
    """
    given: set[str] = set()
    quoted: set[int] = set()
    for index, sentence in enumerate(written):
        sources = _copied(sentence, context)
        if index == 0:
            better = overrules(CitedSentence(sentence.text, sources or sentence.numbers))
            sources = (better,) if better else sources
        for shown in _with_announced(sources, context) if sources else [_placed(sentence, context)]:
            if shown.text not in given and not set(shown.numbers) <= quoted:
                given.add(shown.text)
                quoted |= set(shown.numbers) if sources else set()
                yield shown


def _copied(sentence: CitedSentence, context: Context) -> tuple[int, ...]:
    """The number of the sentence that this one copies whole: of equal ones that it cites, else the first shown."""
    words = _words(sentence.text)
    likeness = {n.number: _likeness(words, _words(n.shown)) for n in context.sentences}
    best = max(likeness.values(), default=0.0)
    equal = [number for number, value in likeness.items() if value == best]
    return tuple([*(n for n in sentence.numbers if n in equal), *equal][:1]) if best >= NEAR else ()


def _with_announced(numbers: Sequence[int], context: Context) -> tuple[CitedSentence, ...]:
    indices = [number - 1 for number in numbers]
    return quote(context, sorted({*indices, *(index + 1 for index in indices if announces(context, index))}))


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
