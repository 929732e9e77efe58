"""What a search brought, as the contract takes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from retrieval.documents import Hit
from serving.assistant.library import Library, Query, Shelf
from serving.interface.context import ContextPassage
from serving.interface.sentences import ends_in_code

__all__ = ["Found", "find"]


@dataclass(frozen=True)
class Found:
    """The hits of one search, and the same passages as they are shown to models, both best first."""

    shelf: Shelf
    passages: tuple[ContextPassage, ...]

    def take(self, order: Sequence[int]) -> Found:
        """The hits at these places (0-based), in this order."""
        shelf = self.shelf
        hits, cosines = tuple(shelf.hits[i] for i in order), tuple(shelf.cosines[i] for i in order)
        return Found(Shelf(shelf.generation, hits, cosines), tuple(self.passages[i] for i in order))


def find(library: Library, query: Query, top_k: int) -> Found:
    """Search, and read in its document whether a passage begins inside code."""
    shelf = library.search(query, top_k)
    return Found(shelf, tuple(_shown(hit, library, shelf.generation) for hit in shelf.hits))


def _shown(hit: Hit, library: Library, generation: int) -> ContextPassage:
    passage = hit.passage
    return ContextPassage(
        id=passage.id,
        text=passage.text,
        title=" > ".join([passage.title, *passage.heading_path]),
        trust=passage.trust,
        in_code=ends_in_code(library.stored_text(generation, passage.document_id)[: passage.start]),
    )
