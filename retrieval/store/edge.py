"""The embedded store: one shard of Qdrant Edge (Qdrant's engine in this process).

    store = create_edge_store(folder, dimensions=384)     # or open_edge_store(folder)

What was measured about the engine (0.9.0) and shapes this file:
- A shard folder has one owner; a second open fails. There is no read-only open: a reader opens a copy.
- Search is exact (m=0): 1 ms dense and sparse over 7,700 passages.
- Dense vectors compare by dot product: cosine would renormalise them, and what is read back would differ.
- IDF counts deleted passages until the shard is opened again, and after `optimize()` for good. So nothing
  here optimises; readers open sealed copies, and `retrieval.write` rewrites a shard that has seen much churn.
- Its own rank fusion breaks ties at random: `retrieval.search` fuses.
- Its files are written through memory maps: on a full disk the process dies of SIGBUS. `retrieval.files`
  asks for room first.
- It raises plain `Exception`; the messages are mapped to our errors at this border.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from retrieval.bm25 import SparseVector
from retrieval.errors import REBUILD, DiskFull, IndexBusy, IndexDamaged, IndexMismatch, IndexUnusable, RetrievalError
from retrieval.store.payload import passage_from, payload_of
from retrieval.store.protocol import PassagePoint, Ranked

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

__all__ = ["EdgeStore", "create_edge_store", "open_edge_store"]

_DENSE = "dense"
_SPARSE = "bm25"
_UPSERT_BATCH = 256
_SCROLL_BATCH = 512
_SPARE = 16
"""Extra candidates asked for first, so that ties across the limit are cut by id and not by the engine."""
_DIGITS = 5
"""Scores are 32-bit sums whose last digit depends on the order of summation; ties ignore it."""


def create_edge_store(folder: Path, *, dimensions: int) -> EdgeStore:
    """A new empty shard in `folder`, which must not hold one."""
    import qdrant_edge

    folder.mkdir(parents=True, exist_ok=True)
    config = qdrant_edge.EdgeConfig(
        vectors={
            _DENSE: qdrant_edge.EdgeVectorParams(size=dimensions, distance=qdrant_edge.Distance.Dot),
        },
        sparse_vectors={_SPARSE: qdrant_edge.EdgeSparseVectorParams(modifier=qdrant_edge.Modifier.Idf)},
        hnsw_config=qdrant_edge.HnswIndexConfig(m=0, ef_construct=4, full_scan_threshold=10_000),
    )
    with _translated(folder):
        return EdgeStore(folder, qdrant_edge.EdgeShard.create(str(folder), config))


def open_edge_store(folder: Path) -> EdgeStore:
    """The shard in `folder`; raises IndexDamaged if there is none or it cannot be read."""
    import qdrant_edge

    with _translated(folder):
        return EdgeStore(folder, qdrant_edge.EdgeShard.load(str(folder)))


class EdgeStore:
    """A PassageStore over one open shard. Every call holds the interpreter lock: calls never interleave."""

    def __init__(self, folder: Path, shard: Any) -> None:
        self._folder = folder
        self._shard = shard

    def upsert(self, points: Sequence[PassagePoint]) -> None:
        import qdrant_edge

        for first in range(0, len(points), _UPSERT_BATCH):
            batch = [_to_engine(point) for point in points[first : first + _UPSERT_BATCH]]
            with _translated(self._folder):
                self._shard.update(qdrant_edge.UpdateOperation.upsert_points(batch))

    def delete(self, passage_ids: Sequence[str]) -> None:
        import qdrant_edge

        with _translated(self._folder):
            self._shard.update(qdrant_edge.UpdateOperation.delete_points(list(passage_ids)))

    def search_dense(self, vectors: Sequence[Sequence[float]], limit: int) -> list[list[Ranked]]:
        return self._search([list(vector) for vector in vectors], _DENSE, limit)

    def search_sparse(self, vectors: Sequence[SparseVector], limit: int) -> list[list[Ranked]]:
        import qdrant_edge

        queries = [qdrant_edge.SparseVector(list(vector.indices), list(vector.values)) for vector in vectors]
        return self._search(queries, _SPARSE, limit)

    def fetch(self, passage_ids: Sequence[str]) -> list[PassagePoint]:
        with _translated(self._folder):
            records = self._shard.retrieve(list(passage_ids), with_payload=True, with_vector=True)
        found = {str(record.id): _from_engine(record) for record in records}
        if absent := [passage_id for passage_id in passage_ids if passage_id not in found]:
            raise IndexDamaged(
                f"{len(absent)} passages are not in the store {self._folder}, the first is {absent[0]}.",
                remedy=REBUILD,
            )
        return [found[passage_id] for passage_id in passage_ids]

    def scroll(self) -> Iterator[PassagePoint]:
        for records in self._pages(with_content=True):
            yield from map(_from_engine, records)

    def ids(self) -> set[str]:
        return {str(record.id) for records in self._pages(with_content=False) for record in records}

    def count(self) -> int:
        import qdrant_edge

        with _translated(self._folder):
            return int(self._shard.count(qdrant_edge.CountRequest(exact=True)))

    def flush(self) -> None:
        with _translated(self._folder):
            self._shard.flush()

    def close(self) -> None:
        with _translated(self._folder):
            self._shard.close()

    def _search(self, vectors: list[Any], using: str, limit: int) -> list[list[Ranked]]:
        asked = limit + _SPARE
        rankings = self._best(vectors, using, asked)
        while any(_may_go_on(ranking, limit, asked) for ranking in rankings):
            asked *= 2
            rankings = self._best(vectors, using, asked)
        return [ranking[:limit] for ranking in rankings]

    def _best(self, vectors: list[Any], using: str, count: int) -> list[list[Ranked]]:
        """The engine's best `count`; which of several equals are among them is the engine's choice."""
        import qdrant_edge

        requests = [
            qdrant_edge.QueryRequest(limit=count, query=qdrant_edge.Query.Nearest(vector, using=using))
            for vector in vectors
        ]
        with _translated(self._folder):
            return [_ranking(points) for points in self._shard.query_batch(qdrant_edge.QueryBatchRequest(requests))]

    def _pages(self, *, with_content: bool) -> Iterator[list[Any]]:
        import qdrant_edge

        offset = None
        while True:
            request = qdrant_edge.ScrollRequest(
                offset=offset, limit=_SCROLL_BATCH, with_payload=with_content, with_vector=with_content
            )
            with _translated(self._folder):
                records, offset = self._shard.scroll(request)
            yield records
            if offset is None:
                return


def _ranking(points: list[Any]) -> list[Ranked]:
    ranked = (Ranked(str(point.id), round(float(point.score), _DIGITS)) for point in points)
    return sorted(ranked, key=lambda entry: (-entry.score, entry.passage_id))


def _may_go_on(ranking: list[Ranked], limit: int, asked: int) -> bool:
    """Whether passages that were not asked for may equal the one at the limit."""
    return len(ranking) == asked and ranking[-1].score == ranking[limit - 1].score


def _to_engine(point: PassagePoint) -> Any:
    import qdrant_edge

    sparse = qdrant_edge.SparseVector(list(point.sparse.indices), list(point.sparse.values))
    vectors: dict[str, Any] = {_DENSE: list(point.dense), _SPARSE: sparse}
    return qdrant_edge.Point(point.passage.id, vectors, payload_of(point.passage))


def _from_engine(record: Any) -> PassagePoint:
    passage = passage_from(str(record.id), cast("dict[str, Any]", record.payload or {}))
    sparse = record.vector[_SPARSE]
    in_order = sorted(zip(sparse.indices, sparse.values, strict=True))
    return PassagePoint(
        passage,
        tuple(record.vector[_DENSE]),
        SparseVector(tuple(index for index, _ in in_order), tuple(value for _, value in in_order)),
    )


@contextmanager
def _translated(folder: Path) -> Iterator[None]:
    """Map what the engine raises (bare `Exception`, told apart by message) to our errors.

    Anything but a bare `Exception` is a wrong argument: an error of this program, which keeps its name.
    """
    try:
        yield
    except Exception as cause:
        if type(cause) is not Exception:
            raise
        raise _ours(folder, str(cause)) from cause


def _ours(folder: Path, message: str) -> RetrievalError:
    if "No space left" in message or "os error 28" in message:
        return DiskFull(
            f"The disk is full: {folder} could not be written.",
            remedy="Free some space and refresh again; the old generation keeps serving.",
        )
    if "WouldBlock" in message:
        return IndexBusy(
            f"The shard {folder} is open elsewhere.", remedy="Wait for the other process to end, then try again."
        )
    if "not initialized" in message:
        return IndexUnusable(f"The store {folder} was closed.", remedy="Open the index again.")
    if "dimension error" in message:
        return IndexMismatch(
            f"The store {folder} was made with another embedder: {message}.",
            remedy="Run `groundskeeper refresh` to rebuild the index, or set the embedder it was made with.",
        )
    return IndexDamaged(f"The store {folder} failed: {message}", remedy=REBUILD)
