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
    """`text` without its markup, blank lines and trailing spaces; lines stay lines. May be empty."""
    text = "\n".join(text.splitlines())
    for pattern, replacement in _RULES[dialect]:
        text = pattern.sub(replacement, text)
    lines = (line.rstrip() for line in text.splitlines())
    return "\n".join(line for line in lines if line)


def plain_heading(title: str, dialect: Dialect) -> str:
    """One heading on one line, without links, roles, emphasis and code marks."""
    marked = without_markup(title[:_LONGEST_HEADING], dialect)
    return " ".join(re.sub(r"[`*]", "", marked).split())


def _rules(*rules: tuple[str, str]) -> _Rules:
    return tuple((re.compile(pattern, re.MULTILINE), replacement) for pattern, replacement in rules)


_RULED_LINE = (r"^[ \t]*[-=~^+|:#*_\"'` \t]{3,}$", "")
"""Underlines, table rules, transitions, bare code fences."""
_STRONG = (r"\*\*(?=\S)([^*\n]+?)(?<=\S)\*\*", r"\1")
_TAG = "a|abbr|b|br|center|code|details|div|em|font|hr|h[1-6]|i|img|kbd|li|ol|p|pre|span|strong|summary|t[dhr]|table|ul"
"""HTML that Markdown pages are laid out with. Other words in angle brackets are placeholders to be kept."""
_LONGEST_HEADING = 1000
"""Characters; what a broken page passes for a heading is not searched for links beyond."""

_SILENT = "image|figure|include|literalinclude|toctree|raw|code-block|code|highlight|currentmodule"
"""Directives whose argument is a path or a language; the others keep theirs."""

_RULES: dict[Dialect, _Rules] = {
    "plain": _rules(_RULED_LINE),
    "rst": _rules(
        (r"^[ \t]*\.\. _[^\n]*$|^:[\w-]+:[ \t]*$", ""),  # link targets, fields without a value
        (r"^([ \t]*\.\. [\w:+-]+::[^\n]*\n)(?:[ \t]+:[\w-]+:[^\n]*(?:\n|\Z))+", r"\1"),  # options of a directive
        (rf"^[ \t]*\.\. (?:{_SILENT})::[^\n]*$", ""),
        (r"^([ \t]*)\.\. [\w:+-]+::[ \t]*", r"\1"),
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
        (rf"</?(?:{_TAG})(?:[ /][^<>\n]*)?>", ""),
        _STRONG,
        (r"`([^`\n]+)`", r"\1"),
        _RULED_LINE,
    ),
}
