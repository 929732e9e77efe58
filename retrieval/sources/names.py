r"""Names of files as text that can always be printed and stored as UTF-8.

escaped("caf\udce9.md") == "caf\\xe9.md"        # a byte that is no UTF-8 appears as \xNN
unescaped(escaped(path)) == path                # and a backslash is doubled, so that no two names meet
"""

from __future__ import annotations

import os
import re

__all__ = ["escaped", "printable", "unescaped"]

_ESCAPE = re.compile(rb"\\(?:\\|x([0-9a-f]{2}))")


def escaped(path: str) -> str:
    """A path, as the operating system hands it out, in characters that every UTF-8 file takes; reversible."""
    return printable(path.replace("\\", "\\\\"))


def unescaped(text: str) -> str:
    """The path that was `escaped`."""
    content = _ESCAPE.sub(lambda found: bytes.fromhex(found[1].decode()) if found[1] else b"\\", text.encode())
    return os.fsdecode(content)


def printable(name: str) -> str:
    """A name that people chose: bytes that are not UTF-8 appear as `\\xNN`, all else stays."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
