"""The four nouns of retrieval: Document, Passage, Hit, Generation.

All are frozen values. Offsets are half-open and count Unicode code points of the document's
stored text (`Document.text`); scores say which direction is better.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Document", "Generation", "Hit", "Passage", "Trust"]

Trust = Literal["official", "community", "unreviewed"]
"""How far the operator vouches for a source; shown to the model and to the reader."""


@dataclass(frozen=True)
class Document:
    """One readable page of a source, decoded."""

    id: str
    """`<source>:<path>`; stable while the page stays where it is."""
    source: str
    """Name of the source in the settings, e.g. `docs`."""
    uri: str
    """`<source>/<path>`: what people are shown; always ends with the path."""
    title: str
    text: str
    """The stored text. For text formats exactly the decoded file, newlines included."""
    content_hash: str
    """sha256 (hex) of the bytes as the source delivered them."""
    trust: Trust = "official"


@dataclass(frozen=True)
class Passage:
    """A slice of one document that is embedded, searched and shown to the model."""

    id: str
    """UUID5 of document id, embedded text and ordinal among equal texts of that document."""
    document_id: str
    uri: str
    title: str
    heading_path: tuple[str, ...]
    """Headings above the passage, outermost first, without the title."""
    start: int
    end: int
    text: str
    """Equal to `document.text[start:end]`, always."""
    embedded_text: str
    """What the encoders see: title and heading path as context, then the text."""
    trust: Trust = "official"


@dataclass(frozen=True)
class Hit:
    """A passage found by a query; `score` is the fused rank score, higher is better."""

    passage: Passage
    score: float


@dataclass(frozen=True)
class Generation:
    """One sealed, immutable state of the index."""

    number: int
    documents: int
    passages: int
    schema: str
    """Digest of embedder, splitter and payload layout; readers refuse a mismatch."""
