"""Bytes to text: UTF-8 first, then byte order marks, then a guess that must convince.

The byte order mark is dropped and counted nowhere; everything else, line endings included, is kept
exactly, so that offsets into the stored text are offsets into the decoded file.
"""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from charset_normalizer import CharsetMatch

__all__ = ["NotText", "decode"]

_MARKS = (  # the UTF-32 marks first: the little-endian one begins like UTF-16's
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_GUESSED_FROM = 64 * 1024
"""Bytes that the encoding is guessed from; the whole content is decoded by the guess, strictly."""
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f]")
_MAX_CONTROLS = 0.05
"""Share of control characters above which decodable bytes are taken for binary."""
_EXOTIC = ["utf_16", "utf_16_be", "utf_16_le", "utf_32", "utf_32_be", "utf_32_le", "utf_7"]
"""Never guessed: without a mark almost any bytes decode as one of these."""
_MEAN_WINDOWS = frozenset({"iso8859-1", "ascii", "cp1252"})
_WINDOWS = {byte: bytes([byte]).decode("cp1252") for byte in range(0x80, 0xA0) if byte not in b"\x81\x8d\x8f\x90\x9d"}
"""Where Windows-1252 differs from Latin-1 (WHATWG Encoding)."""


class NotText(ValueError):
    """The bytes are no text, or their encoding cannot be told; the message completes "this file ..."."""


def decode(content: bytes, *, declared: str | None = None) -> str:
    """The text of `content`, without byte order mark.

    `declared` is an encoding that the content names itself (HTML does); it is tried when UTF-8 fails.
    Raises NotText.
    """
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return _checked(_strictly(content[len(mark) :], encoding))
    if b"\0" in content:
        raise NotText("holds NUL bytes: it is binary, or UTF-16 without a byte order mark")
    try:
        return _checked(content.decode("utf-8"))
    except UnicodeDecodeError:
        return _checked(_as_declared(content, declared) if declared else _strictly(content, _guess(content)))


def _as_declared(content: bytes, encoding: str) -> str:
    """As browsers read it: who declares Latin-1 or ASCII means Windows-1252, for which no byte is undefined."""
    try:
        western = codecs.lookup(encoding).name in _MEAN_WINDOWS
    except LookupError:
        western = False
    return content.decode("latin-1").translate(_WINDOWS) if western else _strictly(content, encoding)


def _strictly(content: bytes, encoding: str) -> str:
    try:
        return content.decode(encoding)
    except (UnicodeDecodeError, LookupError) as cause:
        raise NotText(f"says or looks to be {encoding}, but does not decode as such") from cause


def _checked(text: str) -> str:
    if "\0" in text:
        raise NotText("holds NUL characters: it is binary")
    controls = len(_CONTROLS.findall(text))
    if controls > _MAX_CONTROLS * len(text):
        raise NotText("is mostly control characters: it is binary")
    return text


def _guess(content: bytes) -> str:
    """The encoding that fits best; Western European wins a tie, since its relatives differ in few letters."""
    from charset_normalizer import from_bytes

    matches = list(from_bytes(content[:_GUESSED_FROM], cp_exclusion=_EXOTIC))
    if not matches:
        raise NotText("has an encoding that cannot be told, or is binary")
    best = matches[0]
    western = any(_is_western(match) and match.chaos <= best.chaos for match in matches)
    return "cp1252" if western else best.encoding


def _is_western(match: CharsetMatch) -> bool:
    return not {"cp1252", "latin_1"}.isdisjoint(match.could_be_from_charset)
