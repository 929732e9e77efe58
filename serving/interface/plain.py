"""Inline markup taken off: what a reader of the rendered page would see, so that models read and write prose.

Code spans are left as they are, and so is whatever only resembles markup: `2**8`, `handlers[0](event)`, `*.py`.
"""

from __future__ import annotations

import re

__all__ = ["plain"]

_GRAVE = re.compile(
    r":[\w:+-]+:`(?P<role>[^`]+)`"  # :role:`target`, :role:`text <target>`
    r"|``(?P<literal>.+?)``(?!`)"  # ``literal``
    r"|`(?P<link>[^`]+)`__?(?!\w)"  # `text <target>`_, `reference`_
    r"|`(?P<code>[^`\n]+)`"  # `code`
)
_TARGETED = re.compile(r"(?P<text>[^<]+?)\s*<[^>]*>$")
_TARGET = r"\((?:[^()\s]|\([^()\s]*\))+(?:\s+\"[^\"]*\")?\)"
"""`(address "title")`; an address may hold pairs of parentheses."""
_RULES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"^\s*\.\. [\w:-]+::\s*"), ""),  # .. note:: text
    (re.compile(rf"!\[([^\]]*)\]{_TARGET}"), r"\1"),  # ![alternative](image)
    (re.compile(rf"(?<![\w\])])\[([^\]]+)\]{_TARGET}"), r"\1"),  # [text](target)
    (re.compile(r"(?<![\w\])])\[([^\]]+)\]\[[\w .-]*\]"), r"\1"),  # [text][reference]
    (re.compile(r"(?<![\w*])\*\*([^*\s](?:[^*]*[^*\s])?)\*\*(?![\w*])"), r"\1"),  # **strong**
    (re.compile(r"(?<![\w*/.])\*([^*\s](?:[^*]*[^*\s])?)\*(?![\w*/.])"), r"\1"),  # *emphasis*
    (re.compile(r"^\s*[-*+\u2022]\s+"), ""),  # list item
)
_HELD = re.compile("\ufdd0(\\d+)\ufdd1")
"""Stands for a span while the rules run; noncharacters, which no text may hold."""


def plain(text: str) -> str:
    """`text` of a sentence without links' targets, roles, emphasis, bullet and directive name."""
    spans: list[str] = []

    def hold(match: re.Match[str]) -> str:
        spans.append(_span(match))
        return f"\ufdd0{len(spans) - 1}\ufdd1"

    held = _GRAVE.sub(hold, text.replace("\ufdd0", "").replace("\ufdd1", ""))
    for pattern, replacement in _RULES:
        held = pattern.sub(replacement, held)
    return _HELD.sub(lambda match: spans[int(match[1])], held)


def _span(match: re.Match[str]) -> str:
    """What stands between grave accents: a link's text, or code with one accent a side."""
    targeted = _TARGETED.match(match["role"] or match["link"] or "")
    if targeted:
        return targeted["text"].lstrip("~!")
    if match["link"]:
        return match["link"]
    return f"`{(match['role'] or match['literal'] or match['code']).lstrip('~!' if match['role'] else '')}`"
