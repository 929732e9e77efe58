"""Prompts as trusted and data segments, so that nobody's text can give orders in our voice.

*Trusted* text is ours: instructions, delimiters, the chat template; its special tokens count. *Data* is
everybody else's: documents, questions, earlier answers; it is tokenised with special tokens off, is kept on
one line (the line breaks of code are written as `LINE_BREAK`), and cannot contain a citation marker: `escape`
puts a space inside `[3]`, `unescape` takes it out.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

__all__ = [
    "LINE_BREAK",
    "Message",
    "Segment",
    "Tokenizer",
    "data",
    "escape",
    "merge",
    "normalise",
    "normalise_code",
    "trusted",
    "unescape",
    "user_message",
]

LINE_BREAK = "\u21b5"
"""Stands for a line break inside code, in prompts and in what models write."""

_MARKER_LIKE = re.compile(r"\[( *\d+)\]", re.ASCII)
_ESCAPED = re.compile(r"\[ ( *\d+)\]", re.ASCII)
_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f]")
# Characters that hide or reorder text: soft hyphens, zero-width spaces, bidirectional controls, tag characters and
# variation selectors (known channels of invisible orders). Joiners and U+FE0E/F, which scripts and emoji need, stay.
_HIDDEN = re.compile(
    "[\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0d\ufeff\uffa0\ufff0-\ufffb\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_SURROGATES = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Segment:
    """A run of text with one origin."""

    text: str
    trusted: bool


@dataclass(frozen=True)
class Message:
    """One message of a chat, in segments."""

    role: Literal["system", "user", "assistant"]
    segments: tuple[Segment, ...]


class Tokenizer(Protocol):
    """Text to token ids of the base model and back."""

    def encode_trusted(self, text: str) -> list[int]:
        """Token ids of our own text: special tokens are recognised, none is added."""
        ...

    def encode_data(self, text: str) -> list[int]:
        """Token ids of anybody's text: no id of a special token, whatever the text imitates."""
        ...

    def decode(self, ids: Sequence[int]) -> str:
        """The text of `ids`; special tokens are left out."""
        ...


def user_message(segments: Sequence[Segment]) -> Message:
    """The one message of a prompt that holds data; blank lines before its first block go."""
    first, *rest = merge(segments)
    return Message("user", (Segment(first.text.lstrip("\n"), first.trusted), *rest))


def trusted(text: str) -> Segment:
    """Our own words."""
    return Segment(text, trusted=True)


def data(text: str, *, code: bool = False) -> Segment:
    """Somebody's words: on one line, escaped, with the space before it that word pieces expect."""
    return Segment(" " + escape(normalise_code(text) if code else normalise(text)), trusted=False)


def normalise(text: str) -> str:
    """`text` on one line: runs of white space become one space, control and hiding characters go."""
    return " ".join(_visible(text).split())


def normalise_code(text: str) -> str:
    """`text` with its lines and their relative indentation, but no control or hiding characters."""
    lines = textwrap.dedent(_visible(text).expandtabs(4)).splitlines()
    return "\n".join(line.rstrip() for line in lines).strip()


def escape(normalised: str) -> str:
    """Normalised text on one line, in which nothing reads as a citation marker."""
    return _MARKER_LIKE.sub(r"[ \1]", normalised).replace("\n", LINE_BREAK)


def unescape(text: str) -> str:
    """Undo `escape`: for every text, `unescape(escape(normalise(text))) == normalise(text)`."""
    return _ESCAPED.sub(r"[\1]", text).replace(LINE_BREAK, "\n")


def merge(segments: Sequence[Segment]) -> tuple[Segment, ...]:
    """The same text with neighbours of one origin joined and empty segments gone.

    Token ids then depend on where the origin changes, never on how a builder cut its text.
    """
    merged: list[Segment] = []
    for segment in segments:
        if not segment.text:
            continue
        if merged and merged[-1].trusted == segment.trusted:
            merged[-1] = Segment(merged[-1].text + segment.text, segment.trusted)
        else:
            merged.append(segment)
    return tuple(merged)


def _visible(text: str) -> str:
    shown = _HIDDEN.sub("", _SURROGATES.sub("\ufffd", text)).replace(LINE_BREAK, "\u23ce")  # looks alike, means nothing
    return _CONTROLS.sub(" ", shown)
