"""Search: dense and sparse rankings of every query, fused by reciprocal rank.

    hits = search(reader, encoder, "How do I retry a task?", top_k=5)
    found = find(reader, encoder, [Query("retry a task"), Query("tasks", weight=0.5)], top_k=5)
    found.generation, found.hits, found.cosines

    score(passage) = sum over queries and rankings of  weight / (60 + rank)

Fusion is ours because the engine's breaks ties at random. k = 60 is from Cormack, Clarke & Buettcher (SIGIR
2009); the dense weight of .6 was chosen on the Ray documentation's development questions. Equal scores are
ordered by passage id.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from retrieval.bm25 import Bm25
from retrieval.documents import Hit
from retrieval.errors import QueryEmpty

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from retrieval.encoding import DenseEncoder
    from retrieval.reader import IndexReader
    from retrieval.store.protocol import PassageStore, Ranked

__all__ = ["DENSE_WEIGHT", "Found", "Mode", "Query", "find", "fuse", "search"]

Mode = Literal["hybrid", "dense", "bm25"]
"""Which rankings are fused; the single ones exist to be compared."""

_RANK_CONSTANT = 60
DENSE_WEIGHT = 0.6
"""Of the dense ranking in hybrid search; BM25 has the rest."""
_CANDIDATES = 50
"""Places taken from each ranking of each query."""


@dataclass(frozen=True)
class Query:
    """One wording of what is sought; weights are relative to each other."""

    text: str
    weight: float = 1.0


@dataclass(frozen=True)
class Found:
    """The answer to a search; `hits` and `cosines` run in parallel, best first."""

    generation: int
    hits: tuple[Hit, ...]
    cosines: tuple[float, ...]
    """Of each hit with the first query, -1 to 1, higher is closer; for every mode, BM25 too."""


def search(
    reader: IndexReader,
    encoder: DenseEncoder,
    queries: str | Sequence[Query],
    *,
    top_k: int,
    mode: Mode = "hybrid",
) -> list[Hit]:
    """The best `top_k` passages, as `find` gives them."""
    return list(find(reader, encoder, queries, top_k=top_k, mode=mode).hits)


def find(
    reader: IndexReader,
    encoder: DenseEncoder,
    queries: str | Sequence[Query],
    *,
    top_k: int,
    mode: Mode = "hybrid",
) -> Found:
    """The best `top_k` passages of one generation for one or several wordings of a question.

    Raises QueryEmpty if a query holds no text, EncoderFailed, IndexDamaged.
    """
    asked = _checked([Query(queries)] if isinstance(queries, str) else queries)
    vectors = encoder.encode([query.text for query in asked])
    with reader.lease() as open_index:
        rankings = _rankings(open_index.store, asked, vectors, mode, limit=max(top_k, _CANDIDATES))
        best = fuse(rankings)[:top_k]
        points = open_index.store.fetch([passage_id for passage_id, _ in best])
        number = open_index.generation.number
    return Found(
        generation=number,
        hits=tuple(Hit(point.passage, score) for point, (_, score) in zip(points, best, strict=True)),
        cosines=tuple(float(vectors[0] @ point.dense) for point in points),
    )


def fuse(rankings: Iterable[tuple[float, Sequence[Ranked]]]) -> list[tuple[str, float]]:
    """Reciprocal rank fusion of (weight, ranking) pairs: (passage id, score), best first, ties by id."""
    scores: defaultdict[str, float] = defaultdict(float)
    for weight, ranking in rankings:
        for rank, entry in enumerate(ranking, start=1):
            scores[entry.passage_id] += weight / (_RANK_CONSTANT + rank)
    return sorted(scores.items(), key=lambda item: (-item[1], item[0]))


def _checked(queries: Sequence[Query]) -> Sequence[Query]:
    if not queries or not all(query.text.strip() for query in queries):
        raise QueryEmpty("The query is empty.", remedy="Ask with at least one word.")
    return queries


def _rankings(
    store: PassageStore, queries: Sequence[Query], vectors: NDArray[np.float32], mode: Mode, *, limit: int
) -> list[tuple[float, list[Ranked]]]:
    """Each query's rankings with their weights: dense and sparse shares add up to the query's weight."""
    rankings: list[tuple[float, list[Ranked]]] = []
    if mode != "bm25":
        share = DENSE_WEIGHT if mode == "hybrid" else 1.0
        dense = store.search_dense(vectors.tolist(), limit)
        rankings += [(share * query.weight, ranking) for query, ranking in zip(queries, dense, strict=True)]
    if mode != "dense":
        share = 1 - DENSE_WEIGHT if mode == "hybrid" else 1.0
        bm25 = Bm25()
        sparse = store.search_sparse([bm25.query(query.text) for query in queries], limit)
        rankings += [(share * query.weight, ranking) for query, ranking in zip(queries, sparse, strict=True)]
    return rankings
