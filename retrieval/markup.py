"""Takes markup away from what encoders see: targets, roles, options, table rules.

The stored text and the passages keep it all. An embedder spends its few tokens better on words (a table
rule of sixty `=` costs sixty), and BM25 should not match the file names in link targets.
Cleaning never adds a word; it is a matter of search quality, not of correctness.
"""

from __future__ import annotations

import re
from typing import Literal

__all__ = ["Dialect", "plain_heading", "without_markup"]

Dialect = Literal["markdown", "rst", "plain"]
"""How a stored text marks its headings: like Markdown, like reStructuredText, or not at all."""

_Rules = tuple[tuple[re.Pattern[str], str], ...]


def without_markup(text: str, dialect: Dialect) -> str:
    """`text` without its markup, lines kept, blank lines and trailing spaces dropped; may be empty."""
    for pattern, replacement in _RULES[dialect]:
        text = pattern.sub(replacement, text)
    lines = (line.rstrip() for line in text.splitlines())
    return "\n".join(line for line in lines if line)


def plain_heading(title: str, dialect: Dialect) -> str:
    """One heading on one line, without links, roles, emphasis and code marks."""
    marked = without_markup(title, dialect)
    return " ".join(re.sub(r"[`*]", "", marked).split())


def _rules(*rules: tuple[str, str]) -> _Rules:
    return tuple((re.compile(pattern, re.MULTILINE), replacement) for pattern, replacement in rules)


_RULED_LINE = (r"^[ \t]*[-=~^+|:#*_\"'` \t]{3,}$", "")
"""Underlines, table rules, transitions, bare code fences."""
_STRONG = (r"(\*\*|__)(?=\S)([^*_\n]+?)(?<=\S)\1", r"\2")

_RULES: dict[Dialect, _Rules] = {
    "plain": _rules(_RULED_LINE),
    "rst": _rules(
        (r"^[ \t]*\.\. _[^\n]*$", ""),  # link targets
        (r"^([ \t]*\.\. [\w:+-]+::[^\n]*\n)(?:[ \t]+:[\w-]+:[^\n]*(?:\n|\Z))+", r"\1"),  # options of a directive
        (r"^[ \t]*\.\. (?:image|figure|include|literalinclude|toctree|raw|code-block|code|highlight)::[^\n]*$", ""),
        (r"^([ \t]*)\.\. [\w:+-]+::[ \t]*", r"\1"),  # other directives keep their arguments
        (r":[\w:+.-]+:`~?([^`<]*?)(?:\s*<[^>`]*>)?`", r"\1"),  # roles
        (r"`([^`<\n]+?)\s*<[^>`]*>`_{1,2}", r"\1"),  # links
        (r"`([^`\n]+)`_{1,2}", r"\1"),
        (r"``([^`\n]+)``", r"\1"),
        _STRONG,
        _RULED_LINE,
    ),
    "markdown": _rules(
        (r"<!--[\s\S]*?-->", ""),
        (r"^[ \t]*\([\w./:-]+\)=[ \t]*$", ""),  # MyST targets
        (r"^[ \t]*\[[^\]\n]+\]:[ \t]*\S+[^\n]*$", ""),  # link definitions
        (r"^([ \t]*(?:`{3,}|~{3,}|:{3,})\{[^\n]*\n)(?:[ \t]*:[\w-]+:[^\n]*(?:\n|\Z))+", r"\1"),
        (r"^[ \t]*(?:`{3,}|~{3,}|:{3,})[^\n`]*$", ""),  # fences
        (r"!\[([^\]\n]*)\]\([^)\n]*\)", r"\1"),
        (r"\[([^\]\n]*)\]\([^)\n]*\)", r"\1"),
        (r"\{[\w:+.-]+\}`~?([^`<]*?)(?:\s*<[^>`]*>)?`", r"\1"),  # MyST roles
        (r"</?[a-zA-Z][^<>\n]*>", ""),
        _STRONG,
        (r"`([^`\n]+)`", r"\1"),
        _RULED_LINE,
    ),
}
