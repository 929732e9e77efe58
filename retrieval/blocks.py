"""Cuts text where a reader would: between blocks, then lines of code, then sentences.

`pieces` is what LlamaIndex's SentenceSplitter is given to cut with. It calls it on a text that is too long,
again on each piece that still is, and packs the pieces; so each call cuts at the coarsest
joint there is, and code that fits into a passage is never parted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise

from retrieval.headings import Line, lines_of

__all__ = ["pieces"]

_FENCE = re.compile(r"[ \t]*(?P<mark>`{3,}|~{3,})(?P<info>[^`]*)$")
_LIST_OR_TABLE = re.compile(r"[ \t]+\S|[-*+|#>:][ \t]|\d+[.)][ \t]|[+=|]")
"""Lines that stand by themselves: indented, or an item of a list, or a row of a table."""
_SENTENCE_END = re.compile(r"[a-z)][.!?](?:\s|\Z)")
_LONGEST_WORD = 500
"""Characters without a space beyond which a text is no prose and is cut anywhere."""


def pieces(text: str, sentences: Callable[[str], list[str]]) -> list[str]:
    """Consecutive slices of `text` that together are `text`; a single one if it has no joint.

    `sentences` cuts prose (LlamaIndex's own sentence tokenizer).
    """
    cutters = (_groups, _blocks, _lines if _is_line_wise(text) else sentences, _lines, _hard_cuts)
    for cut in cutters:
        parts = cut(text)
        if len(parts) > 1:
            return parts
    return [text]


def _groups(text: str) -> list[str]:
    """Blocks, with what is indented below a block or announced by its colon left attached."""
    blocks = _block_starts(lines_of(text))
    return _cut(text, (line.start for line, above in blocks if line.content[0] not in " \t" and above != ":"))


def _blocks(text: str) -> list[str]:
    return _cut(text, (line.start for line, _ in _block_starts(lines_of(text))))


def _lines(text: str) -> list[str]:
    return _cut(text, (line.start for line in lines_of(text)))


def _hard_cuts(text: str) -> list[str]:
    """Long strings without spaces (encoded images, minified code), chopped."""
    if not re.search(rf"\S{{{_LONGEST_WORD}}}", text):
        return [text]
    return _cut(text, range(0, len(text), _LONGEST_WORD))


def _cut(text: str, starts: Iterable[int]) -> list[str]:
    bounds = sorted({0, *starts, len(text)})
    return [text[start:end] for start, end in pairwise(bounds)]


def _block_starts(lines: list[Line]) -> Iterator[tuple[Line, str]]:
    """Lines that follow a blank line, with the last character above it; a code fence is one block."""
    fence = above = ""
    blank = False
    for line in lines:
        content = line.content.strip()
        if content and blank and above and not fence:
            yield line, above
        fence = _fence_after(fence, line.content)
        blank, above = not content, content[-1:] or above


def _fence_after(fence: str, line: str) -> str:
    """The fence that is open after `line`: its marks, or nothing."""
    found = _FENCE.match(line)
    if not found:
        return fence
    if not fence:
        return found["mark"]
    closes = found["mark"].startswith(fence) and not found["info"].strip()
    return "" if closes else fence


def _is_line_wise(text: str) -> bool:
    """Whether most lines stand by themselves, as in code, tables and lists of words; prose has sentences."""
    lines = [line.content for line in lines_of(text) if line.content.strip()]
    if lines and _FENCE.match(lines[0]):
        return True
    alone = sum(_LIST_OR_TABLE.match(line) is not None for line in lines)
    sentences = len(_SENTENCE_END.findall(text))
    return 2 * alone >= len(lines) > 3 * sentences
