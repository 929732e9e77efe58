"""Rows of reranking to the lists that the loss compares: a question, its best passage, and worse ones.

    lists = training_lists(rows, passages=8, epochs=2, seed=0)

Pure: the seed decides the order and which passages are drawn.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from serving.interface.rerank import build_pair, build_target
from tuning.rows import RerankRow

__all__ = ["RankedList", "training_lists"]


@dataclass(frozen=True)
class RankedList:
    """One question's passages as the cross-encoder reads them, shortest first, so that few tokens are filled up."""

    question: str
    passages: tuple[str, ...]
    targets: tuple[float, ...]
    """Relevance of each passage, 0 to 1."""


def training_lists(rows: Sequence[RerankRow], *, passages: int, epochs: int, seed: int) -> list[RankedList]:
    """Each epoch every row once, in a new order, with other passages drawn; rows whose passages are all alike never."""
    draw = random.Random(seed)
    teaching = [row for row in rows if len({passage.relevance for passage in row.passages}) > 1]
    return list(_drawn(teaching, passages, epochs, draw))


def _drawn(rows: Sequence[RerankRow], passages: int, epochs: int, draw: random.Random) -> Iterator[RankedList]:
    for _ in range(epochs):
        for row in draw.sample(rows, len(rows)):
            yield _list(row, passages, draw)


def _list(row: RerankRow, passages: int, draw: random.Random) -> RankedList:
    highest = max(passage.relevance for passage in row.passages)
    best = draw.choice([passage for passage in row.passages if passage.relevance == highest])
    worse = [passage for passage in row.passages if passage.relevance < highest]
    shown = [best, *draw.sample(worse, min(passages - 1, len(worse)))]
    pairs = [(*build_pair(row.question, passage), build_target(passage.relevance)) for passage in shown]
    pairs.sort(key=lambda pair: (len(pair[1]), pair[1]))
    questions, texts, targets = zip(*pairs, strict=True)
    return RankedList(questions[0], texts, targets)
