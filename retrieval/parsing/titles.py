"""What a document is called: front matter, first heading, the file's own title field, or its name."""

from __future__ import annotations

from pathlib import PurePosixPath

from retrieval.headings import dialect_of, find_headings, front_matter
from retrieval.parsing.extracted import Extracted

__all__ = ["title_of"]

_MAX_CHARACTERS = 200
_NAMELESS = frozenset({"index", "readme", "default"})
"""File names that say nothing; their folder's name is used."""


def title_of(extracted: Extracted, uri: str) -> str:
    """A title of one line, never empty, at most 200 characters."""
    dialect = dialect_of(uri)
    headings = find_headings(extracted.text, dialect)
    first = next((heading.title for heading in headings if heading.title), None)
    matter = _title_in_front_matter(extracted.text) if dialect == "markdown" else None
    title = " ".join((matter or first or extracted.title or _readable(uri)).split())
    return title if len(title) <= _MAX_CHARACTERS else title[: _MAX_CHARACTERS - 1] + "…"


def _title_in_front_matter(text: str) -> str | None:
    """A `title` that is a string; every scalar is one here, so that no odd date or number can fail."""
    import yaml

    try:
        fields = yaml.load(front_matter(text) or "", Loader=yaml.BaseLoader)
    except (yaml.YAMLError, RecursionError):  # not ours to mend, and the page has other names
        return None
    title = fields.get("title") if isinstance(fields, dict) else None
    return title.strip() if isinstance(title, str) else None


def _readable(uri: str) -> str:
    """`docs/getting-started/index.md` is "Getting started"."""
    path = PurePosixPath(uri)
    stem = path.parent.name if path.stem.lower() in _NAMELESS and path.parent.name else path.stem
    words = stem.replace("-", " ").replace("_", " ").strip() or path.name
    return words[:1].upper() + words[1:]
