"""Carries out a plan on a store; doing it twice is doing it once.

    apply_plan(plan, store, PointMaker(passages, vectors_of, bm25))

Added and changed passages are upserted whole, payload and vectors: setting payloads alone would fail
half-way on an id that an interrupted run had not yet written.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from retrieval.bm25 import lexical_text
from retrieval.errors import REBUILD, IndexDamaged
from retrieval.store.protocol import PassagePoint

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from retrieval.bm25 import Bm25
    from retrieval.documents import Passage
    from retrieval.plan import Plan
    from retrieval.store.protocol import PassageStore

__all__ = ["PointMaker", "apply_plan", "check_ids", "copy_points"]

_BATCH = 256


@dataclass(frozen=True)
class PointMaker:
    """Builds the points to store from passages and their vectors."""

    passages: Mapping[str, Passage]
    vectors: Callable[[Sequence[str]], NDArray[np.float32]]
    """Dense vectors [n, d] of embedded texts."""
    bm25: Bm25

    def points(self, passage_ids: Sequence[str]) -> list[PassagePoint]:
        """One point per id, in order."""
        passages = [self.passages[passage_id] for passage_id in passage_ids]
        vectors = self.vectors([passage.embedded_text for passage in passages])
        return [
            PassagePoint(passage, tuple(vector.tolist()), self.bm25.passage(lexical_text(passage)))
            for passage, vector in zip(passages, vectors, strict=True)
        ]


def apply_plan(
    plan: Plan, store: PassageStore, maker: PointMaker, progress: Callable[[int, int], None] | None = None
) -> None:
    """Make the store hold what the plan says. `progress(done, total)` counts written points."""
    store.delete(plan.removed)
    to_write = plan.added + plan.changed
    for first in range(0, len(to_write), _BATCH):
        batch = to_write[first : first + _BATCH]
        store.upsert(maker.points(batch))
        if progress is not None:
            progress(first + len(batch), len(to_write))


def copy_points(source: PassageStore, target: PassageStore, passage_ids: Collection[str]) -> None:
    """Write the points with these ids from one store into another, unchanged."""
    batch: list[PassagePoint] = []
    for point in source.scroll():
        if point.passage.id in passage_ids:
            batch.append(point)
        if len(batch) == _BATCH:
            target.upsert(batch)
            batch = []
    target.upsert(batch)


def check_ids(store: PassageStore, expected: Iterable[str]) -> None:
    """Raise IndexDamaged unless the store holds exactly these passages."""
    found, wanted = store.ids(), set(expected)
    if found != wanted:
        raise IndexDamaged(
            f"The store holds {len(found - wanted)} passages too many and lacks {len(wanted - found)}.",
            remedy=f"The old generation keeps serving. {REBUILD}",
        )
