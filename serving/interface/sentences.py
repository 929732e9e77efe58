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

__all__ = ["Sentence", "ends_in_code", "split_sentences"]

Kind = Literal["prose", "code", "row", "heading", "markup"]

MAX_CHARACTERS = 600
"""Longer sentences are cut at white space, longer code at line ends."""

_FENCE = re.compile(r"\s*(?P<marks>`{3,}|~{3,})(?P<info>[^`]*)$")
_HEADING = re.compile(r"\s{0,3}#{1,6}\s")
_UNDERLINE = re.compile(r"\s*(?!~~~\s*$)(?P<marks>([=\-~^\"'*+#:._])\2{2,})\s*$")
_ITEM = re.compile(r"\s*([-*+•]|\d{1,3}[.)]|#\.)\s+")
_ROW = re.compile(r"\s*(\||[+][-=+]+[+])")
_MARKUP = re.compile(
    r"\s*(\.\. (_|toctree|image|figure|contents|meta|raw|include|index|highlight|currentmodule|literalinclude)"
    r"|:[A-Za-z-]+:(\s*[\w./,-]*)?$|<!--|\[[^\]]+\]:\s|\([\w.-]+\)=$|---\s*$|!\[[^\]]*\]\([^)]*\)\s*$|\.\.\s*$)"
)
_DIRECTIVE = re.compile(r"\s*\.\. [\w:-]+::")
_BARE_DIRECTIVE = re.compile(r"\s*\.\. ([\w:-]+::\s*$|(version|deprecated)\w*::)")
_CODE_DIRECTIVE = re.compile(r"\s*\.\. (code|code-block|sourcecode|prompt|parsed-literal|testcode|doctest)::")
_NAMING_DIRECTIVE = re.compile(
    r"\s*\.\. (?:\w+:)?(auto)?(option|cmdoption|program|describe|object|function|method|class|attribute|data"
    r"|exception|module|envvar|confval|setting|term|rubric|topic)::"
)
"""Directives that name what the text below is about, as a heading does."""
_BLOCK_STARTS = (_FENCE, _HEADING, _UNDERLINE, _ITEM, _ROW, _MARKUP, _DIRECTIVE)
_CLOSERS = "\"')\\]”’»*_`」』）"
_END = re.compile(rf"(?<=[.!?؟।۔])[{_CLOSERS}]*\s+|(?<=[。！？])[{_CLOSERS}]*\s*")
_ABBREVIATION = re.compile(
    r"\b(?i:e\.g|i\.e|etc|cf|vs|approx|fig|eq|mr|mrs|ms|dr|prof|st|jr|sr|inc|ltd|co)\.$|\b[A-Z]\.$"
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


def split_sentences(text: str, *, in_code: bool = False) -> list[Sentence]:
    """The sentences of one passage, in order. Headings and markup are marked as such, not left out.

    `in_code`: the passage begins inside a fenced code block, see `ends_in_code`.
    """
    lines = _lines(text)
    opening = _closing_fence(lines) if in_code else -1
    blocks = [_Block(0, lines[opening].end, "code")] if opening >= 0 else []
    sentences: list[Sentence] = []
    for block in [*blocks, *_blocks(lines[opening + 1 :])]:
        for start, end in _cut(text, block):
            sentences.append(Sentence(start, end, text[start:end], block.kind))
    return sentences


def ends_in_code(text: str) -> bool:
    """Whether a fenced code block is open at the end of `text`, so that what follows it is code."""
    fence, lines = "", _lines(text)
    for index, line in enumerate(lines):
        match = _FENCE.match(line.text.rstrip())
        if match and not fence:
            fence = "" if index and _is_title(lines, index - 1) else match["marks"]
        elif match and match["marks"].startswith(fence) and not match["info"].strip():
            fence = ""
    return bool(fence)


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
    fence = _FENCE.match(line.rstrip())
    if fence and not _is_overline(lines, index):
        return _fence_end(lines, index, fence["marks"]), "code"
    if _HEADING.match(line) or _NAMING_DIRECTIVE.match(line):
        return index, "heading"
    if _UNDERLINE.match(line):
        return (index + 2, "heading") if _is_overline(lines, index) else (index, "markup")
    if _MARKUP.match(line) or _BARE_DIRECTIVE.match(line) or _CODE_DIRECTIVE.match(line):
        return index, "markup"
    if _is_title(lines, index):
        return index + 1, "heading"
    if _ROW.match(line):
        return index, "row"
    return _paragraph_end(lines, index), "prose"


def _fence_end(lines: list[_Line], index: int, fence: str) -> int:
    for last in range(index + 1, len(lines)):
        if lines[last].text.strip().startswith(fence) and not lines[last].text.strip().strip(fence[0]):
            return last
    return len(lines) - 1


def _closing_fence(lines: list[_Line]) -> int:
    """The line that closes the fence in which `lines` begin, else the last line."""
    for index, line in enumerate(lines):
        match = _FENCE.match(line.text.rstrip())
        if match and not match["info"].strip():
            return index
    return len(lines) - 1


def _is_title(lines: list[_Line], index: int) -> bool:
    """Whether the next line underlines this one: any mark as long as the title, or `===` and `---` of any length."""
    if index + 1 >= len(lines) or lines[index].blank or _ITEM.match(lines[index].text):
        return False
    underline = _UNDERLINE.match(lines[index + 1].text)
    if not underline:
        return False
    return underline["marks"][0] in "=-" or len(underline["marks"]) >= len(lines[index].text.strip())


def _is_overline(lines: list[_Line], index: int) -> bool:
    """Whether this line and the one after the next enclose a title."""
    if index + 2 >= len(lines) or lines[index + 1].blank:
        return False
    above, below = lines[index].text.strip(), lines[index + 2].text.strip()
    return above == below and len(above) >= len(lines[index + 1].text.strip()) and bool(_UNDERLINE.match(above))


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
    directive = bool(_DIRECTIVE.match(lines[index].text))
    while last + 1 < len(lines) and _continues(lines, last + 1):
        if directive and lines[last + 1].indent <= lines[index].indent:
            break
        last += 1
    return last


def _continues(lines: list[_Line], index: int) -> bool:
    line = lines[index]
    starts_block = any(pattern.match(line.text.rstrip()) for pattern in _BLOCK_STARTS)
    return not line.blank and not starts_block and not (_is_title(lines, index) and line.indent == 0)


def _cut(text: str, block: _Block) -> Iterator[tuple[int, int]]:
    """Trimmed (start, end) of each sentence of a block."""
    ends = _sentence_ends(text, block) if block.kind == "prose" else []
    for start, end in pairwise([block.start, *ends, block.end]):
        for piece_start, piece_end in _bounded(text, start, end, block.kind):
            trimmed = _trim(text, piece_start, piece_end, block.kind)
            if trimmed:
                yield trimmed


def _sentence_ends(text: str, block: _Block) -> list[int]:
    ends = []
    for match in _END.finditer(text, block.start, block.end):
        before = text[max(block.start, match.start() - 12) : match.start()]
        inside = _abbreviates(before, text, match.end()) or _is_item_number(text, block.start, match.start())
        if _begins(text, match.end()) and not inside:
            ends.append(match.end())
    return ends


def _begins(text: str, index: int) -> bool:
    """Whether a sentence can begin at `index`: not with a small letter, whatever opens before it."""
    following = text[index : index + 4].lstrip("\"'([{“‘«*_`「『（¿¡")
    return bool(following) and not following[0].islower()


def _abbreviates(before: str, text: str, index: int) -> bool:
    if re.search(r"\b[Nn]o\.$", before):  # No. 5, but: The answer is no. Restart it.
        return text[index : index + 1].isdigit()
    return bool(_ABBREVIATION.search(before))


def _is_item_number(text: str, start: int, end: int) -> bool:
    return bool(re.fullmatch(r"\s*\d{1,3}[.)]", text[start:end]))


def _bounded(text: str, start: int, end: int, kind: Kind) -> Iterator[tuple[int, int]]:
    while kind not in ("heading", "markup") and end - start > MAX_CHARACTERS:
        window = text[start : start + MAX_CHARACTERS]
        at_line, at_space = window.rfind("\n"), max(window.rfind(" "), window.rfind("\n"))
        cut = next((c for c in (at_line if kind == "code" else 0, at_space) if c > 0), MAX_CHARACTERS)
        yield start, start + cut
        start += cut
    yield start, end


def _trim(text: str, start: int, end: int, kind: Kind) -> tuple[int, int] | None:
    """Without white space around; code keeps the indentation of its first line, to which the others relate."""
    piece = text[start:end]
    if not piece.strip():
        return None
    first = start + len(piece) - len(piece.lstrip())
    indent = len(text[start:first]) - len(text[start:first].rstrip(" \t")) if kind == "code" else 0
    return first - indent, end - (len(piece) - len(piece.rstrip()))
