"""Writes the store of the next generation: a copy with the plan applied, or all of it anew.

    churn = write_store(index_root, changes, maker, lambda: encoder.dimensions)

Deleted points keep their room in a shard until it is written anew. `churn` counts them; when they outnumber
half of the living, the living are copied to a new shard. (The engine's own `optimize` would let
the dead count in BM25's document frequencies, measured with 0.9.0.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrieval.apply import apply_plan, check_ids, copy_points
from retrieval.files import require_room, used_bytes
from retrieval.generations import create_work, open_work, renew_work, shard_folder
from retrieval.plan import Plan

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from retrieval.apply import PointMaker
    from retrieval.changes import Changes
    from retrieval.store.protocol import PassageStore

__all__ = ["require_room_for", "write_store"]

_CHURN_FLOOR = 1000
"""Below this many dead points no shard is worth writing anew."""
_BLOCK = 4 << 10
"""Bytes by which a file may take more room than it has content."""
_SLACK = 64 << 20
"""Bytes for the engine's log and preallocation, whatever the size of the index."""


def write_store(
    index_root: Path,
    changes: Changes,
    maker: PointMaker,
    dimensions: Callable[[], int],
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Leave a closed, checked store in `work/`; returns its churn. Raises IndexDamaged, DiskFull.

    `dimensions` is asked only if a store is made anew: it may load the embedder.
    """
    store, plan, churn = _prepare(index_root, changes, dimensions)
    try:
        apply_plan(plan, store, maker, progress)
        check_ids(store, changes.survey.catalogue.passages)
        store.flush()
    finally:
        store.close()
    return churn


def require_room_for(index_root: Path, texts_root: Path, changes: Changes, dimensions: int) -> None:
    """Raise DiskFull unless the next generation surely fits: copies, log and segments, and the texts where they go."""
    base = changes.base.manifest
    copies = 0 if base is None else 2 * used_bytes(shard_folder(index_root, base.number))
    texts = sum(len(text.encode()) + _BLOCK for text in changes.survey.texts.values())
    embedded = [len(text.encode()) for text in changes.texts_to_embed]
    points = 6 * sum(embedded) + (8 * dimensions + 1024) * len(embedded)
    require_room({index_root: _SLACK + copies + points, texts_root: texts})


def _prepare(index_root: Path, changes: Changes, dimensions: Callable[[], int]) -> tuple[PassageStore, Plan, int]:
    """The store to write to, what is left to apply to it, and the churn it will have."""
    plan, base = changes.passages, changes.base.manifest
    if base is None or changes.rebuild:
        everything = Plan(added=tuple(changes.survey.catalogue.passages), changed=(), removed=(), unchanged=0)
        return create_work(index_root, dimensions=dimensions()), everything, 0
    churn = base.churn + len(plan.removed) + len(plan.changed)
    if churn <= max(_CHURN_FLOOR, len(changes.survey.catalogue.passages) // 2):
        return open_work(index_root, base.number), plan, churn
    with renew_work(index_root, base.number, dimensions=dimensions()) as (old, new):
        copy_points(old, new, set(changes.survey.catalogue.passages) - {*plan.added, *plan.changed})
    return new, Plan(added=plan.added + plan.changed, changed=(), removed=(), unchanged=plan.unchanged), 0
