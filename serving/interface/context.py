"""The passages a model is shown, their sentences numbered across the whole context.

A number is the only thing a model can cite, and every number stands for an exact slice of a passage: that is
why every citation resolves. Passages come best first; past the token budget whole sentences are left out from
the end, so what is dropped first is the end of the least relevant passage. A passage of which not even the
first sentence fits is skipped. Titles and headings are cut to `TITLE_TOKENS`, so that none crowds out the rest.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict

from serving.interface.plain import plain
from serving.interface.segments import Segment, data, normalise, normalise_code, trusted
from serving.interface.sentences import Sentence, split_sentences
from serving.interface.turns import CountTokens, cost, cut_to

__all__ = ["Context", "ContextPassage", "NumberedSentence", "build_context", "passage_segments", "plain_text"]

_WORD = re.compile(r"\w")
_FENCES = re.compile(r"\A[ \t]*(?:`{3,}|~{3,})[^`\n]*(?:\n|\Z)|(?:\A|\n)[ \t]*(?:`{3,}|~{3,})[ \t]*\Z")
"""The first and the last line of a fenced block; what is quoted keeps them."""

CONTEXT_TOKENS = 1536
"""Budget of all passages of an answer's prompt."""
PASSAGE_TOKENS = 384
"""Budget of the one passage of a refusal prompt."""
TITLE_TOKENS = 48
"""Budget of a passage's title, and of each heading inside it."""


class ContextPassage(BaseModel):
    """A passage as rows of training data and the pipeline hand it to the contract."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    id: str
    text: str
    title: str = ""
    """Title and heading path, joined by ` > `; empty when unknown."""
    trust: Literal["official", "community", "unreviewed"] = "official"
    """Shown to the model unless it is `official`."""
    in_code: bool = False
    """Whether the passage begins inside a fenced code block of its document (`sentences.ends_in_code`)."""


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
    kind: Literal["prose", "code", "row"] = "prose"


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
        lines, complete = _fitting(passage, count, limit, first=len(numbered) + 1)
        citable = [line for line in lines if line.sentence.kind != "heading"]
        if citable:
            shown = [*_header(passage, count), *(segment for line in lines for segment in line.segments)]
            limit -= cost(shown, count)
            segments += shown
            numbered += [line.numbered(passage.id, len(numbered) + n) for n, line in enumerate(citable, start=1)]
        if citable and not complete:
            break
    return Context(tuple(numbered), tuple(segments))


def passage_segments(passage: ContextPassage, count: CountTokens, limit: int = PASSAGE_TOKENS) -> tuple[Segment, ...]:
    """One passage without numbers, a sentence a line, as far as `limit` tokens reach."""
    lines, _ = _fitting(passage, count, limit, first=None)
    return (*_header(passage, count), *(segment for line in lines for segment in line.segments))


def plain_text(passage: ContextPassage) -> str:
    """What the other behaviours show of a passage, on one line and without headings: for the reranker."""
    sentences = split_sentences(passage.text, in_code=passage.in_code)
    return " ".join(_text(s) for s in sentences if s.kind not in ("heading", "markup") and _text(s))


@dataclass(frozen=True)
class _ShownLine:
    sentence: Sentence
    shown: str
    segments: tuple[Segment, ...]

    def numbered(self, passage_id: str, number: int) -> NumberedSentence:
        kind = self.sentence.kind
        assert kind in ("prose", "code", "row")  # the others are not citable
        return NumberedSentence(number, passage_id, self.sentence.start, self.sentence.end, self.shown, kind)


def _fitting(
    passage: ContextPassage, count: CountTokens, limit: int, first: int | None
) -> tuple[list[_ShownLine], bool]:
    """The lines of a passage that fit after its header, numbered from `first` on if given; whether that is all."""
    limit -= cost(_header(passage, count), count)
    fitting: list[_ShownLine] = []
    number = first
    for sentence in split_sentences(passage.text, in_code=passage.in_code):
        shown = _shown(sentence, count)
        if not _WORD.search(shown) or sentence.kind == "markup":
            continue
        citable = sentence.kind != "heading" and number is not None
        mark = f"\n[{number}]" if citable else "\n"
        line = _ShownLine(sentence, shown, (trusted(mark), data(shown, code=sentence.kind == "code")))
        limit -= cost(line.segments, count)
        if limit < 0:
            return fitting, False
        fitting.append(line)
        number = number + 1 if citable and number is not None else number
    return fitting, True


def _header(passage: ContextPassage, count: CountTokens) -> list[Segment]:
    trust = "" if passage.trust == "official" else f" ({passage.trust})"
    title = cut_to(normalise(passage.title), TITLE_TOKENS, count)
    if not title:
        return [trusted(f"\n\nPassage{trust}:")]
    return [trusted("\n\nPassage from"), data(title), trusted(f"{trust}:")]


def _shown(sentence: Sentence, count: CountTokens) -> str:
    text = _text(sentence)
    return cut_to(text, TITLE_TOKENS, count) if sentence.kind == "heading" else text


def _text(sentence: Sentence) -> str:
    """What of a sentence is shown: code with its lines, a heading without its marks, prose without markup."""
    if sentence.kind == "code":
        return normalise_code(_FENCES.sub("", sentence.text))
    if sentence.kind == "heading":
        lines = [line for line in sentence.text.splitlines() if _WORD.search(line)]
        return normalise(plain(" ".join(lines).strip("# \t")))
    return normalise(plain(sentence.text))
