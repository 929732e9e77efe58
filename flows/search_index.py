"""One search, as a person or a script reads it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from flows.wiring import open_search

if TYPE_CHECKING:
    from flows.settings import Settings
    from retrieval.documents import Hit
    from retrieval.search import Found, Mode

__all__ = ["as_json", "as_text", "search_index"]

_SHOWN = 300
"""Characters of a passage that a person is shown."""


def search_index(settings: Settings, query: str, mode: Mode, say: Callable[[str], None]) -> Found:
    """The best passages of the served generation. Raises QueryEmpty and what opening the index raises."""
    from retrieval.search import find

    with open_search(settings, say) as desk:
        return find(desk.reader, desk.encoder, query, top_k=settings.top_k, mode=mode)


def as_json(found: Found) -> dict[str, Any]:
    """The generation and its hits, best first."""
    return {"generation": found.generation, "hits": [_hit(hit) for hit in found.hits]}


def as_text(found: Found) -> str:
    """The hits in two or three lines each; nothing found is said in words."""
    if not found.hits:
        return f"Generation {found.generation} holds no passage with a word of this query."
    return "\n\n".join(_shown(rank, hit) for rank, hit in enumerate(found.hits, 1))


def _hit(hit: Hit) -> dict[str, Any]:
    passage = hit.passage
    return {
        "passage_id": passage.id,
        "document_id": passage.document_id,
        "uri": passage.uri,
        "title": passage.title,
        "heading_path": list(passage.heading_path),
        "start": passage.start,
        "end": passage.end,
        "text": passage.text,
        "score": hit.score,
    }


def _shown(rank: int, hit: Hit) -> str:
    passage = hit.passage
    text = " ".join(passage.text.split())
    short = text if len(text) <= _SHOWN else text[:_SHOWN].rsplit(" ", 1)[0] + " ..."
    where = " > ".join([passage.title, *passage.heading_path])
    return f"{rank}. {passage.uri}, characters {passage.start} to {passage.end}: {where}\n   {short}"
