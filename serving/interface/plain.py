"""Inline markup taken off: what a reader of the rendered page would see, so that models read and write prose."""

from __future__ import annotations

import re

__all__ = ["plain"]

_RULES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"!\[([^\]]*)\]\([^)\s]*\)"), r"\1"),  # ![alternative](image)
    (re.compile(r"\[([^\]]+)\]\([^)\s]+\)"), r"\1"),  # [text](target)
    (re.compile(r":[\w:+-]+:`~?!?([^`<]+?)\s*<[^`>]*>`"), r"\1"),  # :role:`text <target>`
    (re.compile(r":[\w:+-]+:`[~!]?([^`]+)`"), r"`\1`"),  # :role:`target`
    (re.compile(r"`([^`<]+?)\s*<[^`>]+>`_{1,2}"), r"\1"),  # `text <target>`_
    (re.compile(r"``([^`]+)``"), r"`\1`"),  # ``literal``
    (re.compile(r"`([^`]+)`_{1,2}"), r"\1"),  # `reference`_
    (re.compile(r"\*\*([^*\s][^*]*)\*\*"), r"\1"),  # **strong**
    (re.compile(r"^\s*[-*+•]\s+"), ""),  # list item
)


def plain(text: str) -> str:
    """`text` of a sentence without links' targets, roles, emphasis and bullet."""
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text
