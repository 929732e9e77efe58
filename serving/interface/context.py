"""The passages a model is shown, their sentences numbered across the whole context.

A number is the only thing a model can cite, and every number stands for an exact slice of a passage: that is
why every citation resolves. Passages come best first; past the token budget whole sentences are left out from
the end, so what is dropped first is the end of the least relevant passage.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict

from serving.interface.plain import plain
from serving.interface.segments import Segment, data, normalise, normalise_code, trusted
from serving.interface.sentences import Sentence, split_sentences
from serving.interface.turns import CountTokens

__all__ = ["Context", "ContextPassage", "NumberedSentence", "build_context", "passage_segments"]

CONTEXT_TOKENS = 1536
"""Budget of all passages of an answer's prompt."""
PASSAGE_TOKENS = 384
"""Budget of the one passage of a refusal prompt."""


class ContextPassage(BaseModel):
    """A passage as rows of training data and the pipeline hand it to the contract."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    id: str
    text: str
    title: str = ""
    """Title and heading path, joined by ` > `; empty when unknown."""
    trust: Literal["official", "community", "unreviewed"] = "official"
    """Shown to the model unless it is `official`."""


@dataclass(frozen=True)
class NumberedSentence:
    """A sentence that can be cited as `[number]`."""

    number: int
    passage_id: str
    start: int
    """Offset in the passage's text; half-open with `end`, code points."""
    end: int
    shown: str
    """What the model reads: without inline markup, white space normalised."""


@dataclass(frozen=True)
class Context:
    """What of the passages fits the budget: the citable sentences, and the same as prompt segments."""

    sentences: tuple[NumberedSentence, ...]
    segments: tuple[Segment, ...]

    def sentence(self, number: int) -> NumberedSentence:
        """The sentence that `[number]` stands for; `KeyError` when there is none."""
        if not 1 <= number <= len(self.sentences):
            raise KeyError(number)
        return self.sentences[number - 1]

    def numbers(self, passage_id: str, start: int, end: int) -> tuple[int, ...]:
        """Numbers of the sentences that share a code point with `[start, end)` of a passage."""
        return tuple(s.number for s in self.sentences if s.passage_id == passage_id and s.start < end and start < s.end)


def build_context(passages: Sequence[ContextPassage], count: CountTokens, limit: int = CONTEXT_TOKENS) -> Context:
    """Number the sentences of `passages` (best first) as far as `limit` tokens reach."""
    numbered: list[NumberedSentence] = []
    segments: list[Segment] = []
    for passage in passages:
        limit, part = _number(passage, len(numbered) + 1, limit, count, numbered)
        segments += part
        if limit <= 0:
            break
    return Context(tuple(numbered), tuple(segments))


def passage_segments(passage: ContextPassage, count: CountTokens, limit: int = PASSAGE_TOKENS) -> tuple[Segment, ...]:
    """One passage without numbers, a sentence a line, as far as `limit` tokens reach."""
    segments = _header(passage)
    for sentence in split_sentences(passage.text):
        if sentence.kind == "markup":
            continue
        limit -= count(_shown(sentence)) + 1
        if limit < 0:
            break
        segments += [trusted("\n"), _data(sentence)]
    return tuple(segments)


def _number(
    passage: ContextPassage, first: int, limit: int, count: CountTokens, numbered: list[NumberedSentence]
) -> tuple[int, list[Segment]]:
    """Append what fits to `numbered`; return the tokens left (0 when something did not fit) and the segments."""
    segments = _header(passage)
    limit -= count(passage.title) + 4
    for sentence in split_sentences(passage.text):
        if sentence.kind == "markup":
            continue
        shown = _shown(sentence)
        limit -= count(shown) + 4
        if limit < 0:
            break
        if sentence.kind == "heading":
            segments += [trusted("\n"), _data(sentence)]
            continue
        number = len(numbered) + 1
        numbered.append(NumberedSentence(number, passage.id, sentence.start, sentence.end, shown))
        segments += [trusted(f"\n[{number}]"), _data(sentence)]
    return max(limit, 0), segments if len(numbered) >= first else []


def _header(passage: ContextPassage) -> list[Segment]:
    trust = "" if passage.trust == "official" else f" ({passage.trust})"
    if not passage.title:
        return [trusted(f"\n\nPassage{trust}:")]
    return [trusted("\n\nPassage from"), data(passage.title), trusted(f"{trust}:")]


def _shown(sentence: Sentence) -> str:
    if sentence.kind == "code":
        return normalise_code(sentence.text)
    if sentence.kind == "heading":
        return normalise(sentence.text.splitlines()[-2 if sentence.text.count("\n") else 0].strip("# \t"))
    return normalise(plain(sentence.text))


def _data(sentence: Sentence) -> Segment:
    return data(_shown(sentence), code=sentence.kind == "code")
