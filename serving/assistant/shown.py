"""From what a search brought to what the contract takes."""

from __future__ import annotations

from collections.abc import Sequence

from retrieval.documents import Hit
from serving.interface.context import ContextPassage

__all__ = ["shown"]


def shown(hits: Sequence[Hit]) -> list[ContextPassage]:
    """The passages as the contract takes them, best first."""
    return [
        ContextPassage(
            id=hit.passage.id,
            text=hit.passage.text,
            title=" > ".join([hit.passage.title, *hit.passage.heading_path]),
            trust=hit.passage.trust,
        )
        for hit in hits
    ]
