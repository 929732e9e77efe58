"""Passages as sentences: the unit that is numbered, shown, cited and checked.

Documentation is prose between headings, lists, code and markup, so a "sentence" is the smallest part that can be
quoted alone: a sentence of a paragraph or list item, a table row, a short code block. Offsets are half-open code
points of the passage's text; the sentences of a text are ordered, disjoint, and leave out only white space.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

__all__ = ["Sentence", "split_sentences"]

Kind = Literal["prose", "code", "heading", "markup"]

MAX_CHARACTERS = 600
"""Longer sentences are cut at white space, longer code at line ends."""

_FENCE = re.compile(r"\s*(`{3,}|~{3,})")
_HEADING = re.compile(r"\s{0,3}#{1,6}\s")
_UNDERLINE = re.compile(r"\s*([=\-~^\"'*+#`:._])\1{2,}\s*$")
_ITEM = re.compile(r"\s*([-*+•]|\d{1,3}[.)]|#\.)\s+")
_ROW = re.compile(r"\s*(\||[+][-=+]+[+])")
_MARKUP = re.compile(
    r"\s*(\.\. (_|toctree|image|figure|contents|meta|raw|include|index|highlight|currentmodule|literalinclude)"
    r"|:[A-Za-z-]+:(\s*[\w./,-]*)?$|<!--|\[[^\]]+\]:\s|\([\w.-]+\)=$|---\s*$|!\[[^\]]*\]\([^)]*\)\s*$|\.\.\s*$)"
)
_DIRECTIVE = re.compile(r"\s*\.\. [\w:-]+::")
_BARE_DIRECTIVE = re.compile(r"\s*\.\. ([\w:-]+::\s*$|(version|deprecated)\w*::)")
_CODE_DIRECTIVE = re.compile(r"\s*\.\. (code|code-block|sourcecode|prompt|parsed-literal|testcode|doctest)::")
_END = re.compile(r"(?<=[.!?])[\"')\]”’*_`]*\s+(?=[\"'(\[“‘*_`]*[^\W_a-z])|(?<=[。！？])\s*", re.UNICODE)
_ABBREVIATION = re.compile(
    r"(?:\b(?:e\.g|i\.e|etc|cf|vs|approx|no|fig|eq|mr|mrs|ms|dr|prof|st|jr|sr|inc|ltd|co)|\b[A-Z])\.$",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Sentence:
    """One quotable part of a passage, `text == passage.text[start:end]`."""

    start: int
    end: int
    text: str
    kind: Kind


@dataclass(frozen=True)
class _Line:
    start: int
    end: int
    text: str

    @property
    def indent(self) -> int:
        return len(self.text) - len(self.text.lstrip())

    @property
    def blank(self) -> bool:
        return not self.text.strip()


@dataclass(frozen=True)
class _Block:
    start: int
    end: int
    kind: Kind


def split_sentences(text: str) -> list[Sentence]:
    """The sentences of one passage, in order. Headings and markup are marked as such, not left out."""
    sentences: list[Sentence] = []
    for block in _blocks(_lines(text)):
        for start, end in _cut(text, block):
            sentences.append(Sentence(start, end, text[start:end], block.kind))
    return sentences


def _lines(text: str) -> list[_Line]:
    lines, start = [], 0
    for raw in text.splitlines(keepends=True):
        lines.append(_Line(start, start + len(raw), raw))
        start += len(raw)
    return lines


def _blocks(lines: list[_Line]) -> Iterator[_Block]:
    index = 0
    while index < len(lines):
        if lines[index].blank:
            index += 1
            continue
        last, kind = _block_at(lines, index)
        yield _Block(lines[index].start, lines[last].end, kind)
        if _opens_literal(lines[last].text, kind):
            literal = _literal_end(lines, last)
            if literal is not None:
                first = next(i for i in range(last + 1, literal + 1) if not lines[i].blank)
                yield _Block(lines[first].start, lines[literal].end, "code")
                last = literal
        index = last + 1


def _opens_literal(line: str, kind: Kind) -> bool:
    if _CODE_DIRECTIVE.match(line):
        return True
    return kind == "prose" and line.rstrip().endswith("::") and not _DIRECTIVE.match(line)


def _block_at(lines: list[_Line], index: int) -> tuple[int, Kind]:
    """Last line and kind of the block that begins at line `index`, which is not blank."""
    line = lines[index].text
    fence = _FENCE.match(line)
    if fence:
        return _fence_end(lines, index, fence.group(1)), "code"
    if _HEADING.match(line):
        return index, "heading"
    if _UNDERLINE.match(line):
        return _overlined_end(lines, index)
    if _MARKUP.match(line) or _BARE_DIRECTIVE.match(line) or _CODE_DIRECTIVE.match(line):
        return index, "markup"
    if index + 1 < len(lines) and not _ITEM.match(line) and _UNDERLINE.match(lines[index + 1].text):
        return index + 1, "heading"
    return _paragraph_end(lines, index), "prose"


def _fence_end(lines: list[_Line], index: int, fence: str) -> int:
    for last in range(index + 1, len(lines)):
        if lines[last].text.strip().startswith(fence) and not lines[last].text.strip().strip(fence[0]):
            return last
    return len(lines) - 1


def _overlined_end(lines: list[_Line], index: int) -> tuple[int, Kind]:
    if index + 2 < len(lines) and lines[index + 2].text.strip() == lines[index].text.strip():
        return index + 2, "heading"
    return index, "markup"


def _literal_end(lines: list[_Line], opener: int) -> int | None:
    """Last line of the indented literal block that a line ending in `::` opens, if there is one."""
    last = None
    for index in range(opener + 1, len(lines)):
        if lines[index].blank:
            continue
        if lines[index].indent <= lines[opener].indent:
            break
        last = index
    return last


def _paragraph_end(lines: list[_Line], index: int) -> int:
    last = index
    if _ROW.match(lines[index].text) or _DIRECTIVE.match(lines[index].text):
        return last
    while last + 1 < len(lines) and _continues(lines, last + 1):
        last += 1
    return last


def _continues(lines: list[_Line], index: int) -> bool:
    line = lines[index]
    starts_block = any(
        pattern.match(line.text) for pattern in (_FENCE, _HEADING, _UNDERLINE, _ITEM, _ROW, _MARKUP, _DIRECTIVE)
    )
    heading = index + 1 < len(lines) and bool(_UNDERLINE.match(lines[index + 1].text)) and line.indent == 0
    return not line.blank and not starts_block and not heading


def _cut(text: str, block: _Block) -> Iterator[tuple[int, int]]:
    """Trimmed (start, end) of each sentence of a block."""
    borders = (
        [block.start, *_sentence_ends(text, block), block.end] if block.kind == "prose" else [block.start, block.end]
    )
    for start, end in pairwise(borders):
        for piece_start, piece_end in _bounded(text, start, end, by_line=block.kind == "code"):
            trimmed = _trim(text, piece_start, piece_end)
            if trimmed:
                yield trimmed


def _sentence_ends(text: str, block: _Block) -> list[int]:
    ends = []
    for match in _END.finditer(text, block.start, block.end):
        before = text[max(block.start, match.start() - 12) : match.start()]
        if not _ABBREVIATION.search(before) and not _is_item_number(text, block.start, match.start()):
            ends.append(match.end())
    return ends


def _is_item_number(text: str, start: int, end: int) -> bool:
    return bool(re.fullmatch(r"\s*\d{1,3}[.)]", text[start:end]))


def _bounded(text: str, start: int, end: int, *, by_line: bool) -> Iterator[tuple[int, int]]:
    while end - start > MAX_CHARACTERS:
        window = text[start : start + MAX_CHARACTERS]
        cut = max(window.rfind("\n"), 0) if by_line else 0
        cut = cut or max(window.rfind(" "), window.rfind("\n")) or MAX_CHARACTERS
        cut = cut if cut > 0 else MAX_CHARACTERS
        yield start, start + cut
        start += cut
    yield start, end


def _trim(text: str, start: int, end: int) -> tuple[int, int] | None:
    piece = text[start:end]
    if not piece.strip():
        return None
    return start + len(piece) - len(piece.lstrip()), end - (len(piece) - len(piece.rstrip()))
