"""Headings of a stored text, with exact offsets: the skeleton that titles and passages hang on.

    find_headings(document.text, dialect_of(document.uri))

Markdown is read by markdown-it (CommonMark), so that a `#` in a code fence is no heading. For
reStructuredText the adornment rules of docutils are followed; docutils itself would
need Sphinx and all its extensions to get past the first directive.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import PurePosixPath

from retrieval.markup import Dialect, plain_heading

__all__ = ["Heading", "Line", "body_start", "dialect_of", "find_headings", "front_matter", "lines_of"]

_RST = frozenset({".rst", ".txt"})
"""Plain text files are read as rst: an underlined line is a heading there too, nothing else is."""
_PLAIN = frozenset({".pdf"})


@dataclass(frozen=True)
class Heading:
    """One heading; `start` and `end` (half-open, code points) span its lines, adornment included."""

    level: int
    """1 is outermost."""
    title: str
    start: int
    end: int


@dataclass(frozen=True)
class Line:
    """One line of a text: its offsets with its line ending, its content without."""

    start: int
    end: int
    content: str


def dialect_of(uri: str) -> Dialect:
    """How headings are written in the stored text of the document at `uri`, by its ending."""
    suffix = PurePosixPath(uri).suffix.lower()
    if suffix in _PLAIN:
        return "plain"
    return "rst" if suffix in _RST else "markdown"


def find_headings(text: str, dialect: Dialect) -> list[Heading]:
    """All headings outside code, lists and quotes, in order."""
    if dialect == "plain":
        return []
    return list(_markdown_headings(text) if dialect == "markdown" else _rst_headings(lines_of(text)))


def lines_of(text: str) -> list[Line]:
    """Lines as Markdown and rst count them: ended by \\n, \\r\\n or \\r, and by nothing else."""
    return [Line(found.start(), found.end(), found[1]) for found in _LINE.finditer(text) if found[0]]


_LINE = re.compile(r"([^\r\n]*)(?:\r\n|\n|\r|\Z)")
_FRONT_MATTER = re.compile(r"---[ \t]*(?:\r\n|\n|\r)(.*?)(?<=[\r\n])(?:---|\.\.\.)[ \t]*(?:\r\n|\n|\r|\Z)", re.DOTALL)


def front_matter(text: str) -> str | None:
    """The YAML between the two `---` lines at the very top of a Markdown text, or None."""
    found = _FRONT_MATTER.match(text)
    return found[1] if found else None


def body_start(text: str, dialect: Dialect) -> int:
    """Offset at which the body begins, after front matter if the dialect knows it."""
    found = _FRONT_MATTER.match(text) if dialect == "markdown" else None
    return found.end() if found else 0


def _markdown_headings(text: str) -> Iterator[Heading]:
    from markdown_it import MarkdownIt

    offset = body_start(text, "markdown")
    lines = lines_of(text[offset:])
    tokens = MarkdownIt("commonmark").disable("inline").parse(text[offset:])
    for opening, content in pairwise(tokens):
        if opening.type == "heading_open" and opening.level == 0 and opening.map:
            first, last = opening.map[0], opening.map[1] - 1
            title = plain_heading(content.content, "markdown")
            yield Heading(int(opening.tag[1]), title, offset + lines[first].start, offset + lines[last].end)


_ADORNMENT = re.compile(r"([!-/:-@\[-`{-~])\1{2,}[ \t]*")


def _rst_headings(lines: list[Line]) -> Iterator[Heading]:
    """A text line with an adornment below and perhaps above; the level is the order of styles seen."""
    styles: list[tuple[str, bool]] = []
    for number in range(1, len(lines)):
        first = _rst_heading_start(lines, number)
        if first is None:
            continue
        style = (lines[number].content[0], first < number - 1)
        if style not in styles:
            styles.append(style)
        title = plain_heading(lines[number - 1].content, "rst")
        yield Heading(styles.index(style) + 1, title, lines[first].start, lines[number].end)


def _rst_heading_start(lines: list[Line], under: int) -> int | None:
    """Index of a heading's first line if line `under` is its underline, else None."""
    underline, title = lines[under].content.rstrip(), lines[under - 1].content.rstrip()
    if not _is_adornment(underline) or not title or _is_adornment(title):
        return None
    above = lines[under - 2].content.rstrip() if under >= 2 else ""
    if above == underline and len(title) <= len(underline):
        return under - 2
    if title[0].isspace() or len(title) > len(underline) + _SHORT_UNDERLINE:
        return None
    return under - 1 if not above or above.startswith("..") else None


_SHORT_UNDERLINE = 2
"""Wide characters and slips make underlines a little short; docutils only warns then."""


def _is_adornment(line: str) -> bool:
    return _ADORNMENT.fullmatch(line) is not None
