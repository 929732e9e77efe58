"""A passage as the payload of a stored point, and back: the one place that knows the keys.

    passage_from(passage.id, payload_of(passage)) == passage

The payload holds all that a hit needs, so that a search reads no other file.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from retrieval.documents import Passage
from retrieval.errors import REBUILD, IndexDamaged

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["PAYLOAD_VERSION", "fingerprint", "passage_from", "payload_of"]

PAYLOAD_VERSION = "2"
"""Raise it when the keys or their meaning change; part of the index's schema."""


def payload_of(passage: Passage) -> dict[str, Any]:
    """JSON-compatible; everything but the id."""
    return {
        "document_id": passage.document_id,
        "uri": passage.uri,
        "title": passage.title,
        "heading_path": list(passage.heading_path),
        "start": passage.start,
        "end": passage.end,
        "text": passage.text,
        "embedded_text": passage.embedded_text,
        "trust": passage.trust,
    }


def passage_from(passage_id: str, payload: Mapping[str, Any]) -> Passage:
    """The passage that was stored; raises IndexDamaged if a key is missing or too many."""
    try:
        passage = Passage(id=passage_id, **{**payload, "heading_path": tuple(payload["heading_path"])})
    except (KeyError, TypeError) as cause:
        raise IndexDamaged(
            f"Passage {passage_id} carries a payload that this version cannot read: {sorted(payload)}.",
            remedy=REBUILD,
        ) from cause
    return passage


def fingerprint(passage: Passage) -> str:
    """sha256 (hex) of the payload: differs exactly when position or metadata differ."""
    canonical = json.dumps(payload_of(passage), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
