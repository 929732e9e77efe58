"""Hybrid search in memory: the scores are those of the index, when it holds the same passages."""

from __future__ import annotations

from pathlib import Path

import pytest

from retrieval.in_memory import score_passages
from retrieval.reader import open_index
from retrieval.search import find
from tests.retrieval.readable import House, ReadableEncoder

PAGES = {
    "kettle.md": "the kettle boils water, and water boils away",
    "teapot.md": "a teapot holds warm tea",
    "cup.md": "a cup holds tea or water",
    "twin-1.md": "zebra",
    "twin-2.md": "zebra",
}
ENCODER = ReadableEncoder()


@pytest.mark.parametrize("question", ["does the kettle boil water", "which cup holds tea", "zebra", "nothing of that"])
def test_the_scores_are_those_that_the_index_gives(tmp_path: Path, question: str):
    house = House(tmp_path)
    for path, text in PAGES.items():
        house.write(path, f"# {path}\n\n{text}")
    house.refresh()
    with open_index(house.index_root, embedder=ENCODER.digest) as reader:
        hits = find(reader, ENCODER, question, top_k=10).hits
    assert len(hits) >= len(PAGES)
    scores = score_passages(ENCODER, question, [hit.passage for hit in hits])
    assert scores == pytest.approx([hit.score for hit in hits], abs=1e-9)
