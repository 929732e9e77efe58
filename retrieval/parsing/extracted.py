"""What a reader of one format hands back."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Extracted"]


@dataclass(frozen=True)
class Extracted:
    """Text of one file, headings as Markdown `#` lines where the format knows headings."""

    text: str
    title: str | None = None
    """A title that the file carries outside its text; used if no heading names the page."""
