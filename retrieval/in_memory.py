"""Hybrid search among a handful of passages in memory: the order that the index would give them among themselves.

    scores = score_passages(encoder, "How do I retry a task?", passages)      one a passage, in their order

For rows that bring their own passages, where there is no index to ask. Both rankings and their fusion are those of
`retrieval.search`; only the rarity of words is counted over these passages alone, which makes lexical search blunter.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from retrieval.bm25 import Bm25, SparseVector, lexical_text
from retrieval.search import DENSE_WEIGHT, fuse
from retrieval.store.protocol import Ranked

if TYPE_CHECKING:
    from retrieval.documents import Passage
    from retrieval.encoding import DenseEncoder

__all__ = ["score_passages"]


def score_passages(encoder: DenseEncoder, question: str, passages: Sequence[Passage]) -> list[float]:
    """The fused score of each passage for `question`; higher is better. Raises EncoderFailed."""
    vectors = encoder.encode([question, *(passage.embedded_text for passage in passages)])
    bm25 = Bm25()
    lexical = _lexical_scores(bm25.query(question), [bm25.passage(lexical_text(passage)) for passage in passages])
    dense = [float(score) for score in vectors[1:] @ vectors[0]]
    ids = [passage.id for passage in passages]
    sparse = [entry for entry in _ranking(ids, lexical) if entry.score > 0]  # as the store: no word, no place
    fused = dict(fuse([(DENSE_WEIGHT, _ranking(ids, dense)), (1 - DENSE_WEIGHT, sparse)]))
    return [fused[passage_id] for passage_id in ids]


def _lexical_scores(query: SparseVector, passages: Sequence[SparseVector]) -> list[float]:
    """BM25 with the inverse document frequency that the store uses, counted over `passages`."""
    frequency = Counter(index for passage in passages for index in passage.indices)
    rarity = {
        index: math.log(1 + (len(passages) - frequency[index] + 0.5) / (frequency[index] + 0.5))
        for index in query.indices
    }
    return [
        sum(
            rarity[index] * value
            for index, value in zip(passage.indices, passage.values, strict=True)
            if index in rarity
        )
        for passage in passages
    ]


def _ranking(ids: Sequence[str], scores: Sequence[float]) -> list[Ranked]:
    """Best first, equal scores by id."""
    pairs = sorted(zip(ids, scores, strict=True), key=lambda pair: (-pair[1], pair[0]))
    return [Ranked(passage_id, score) for passage_id, score in pairs]
