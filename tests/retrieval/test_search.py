"""Search: both rankings fused, ties by id, and everything a hit needs in the hit."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.errors import QueryEmpty
from retrieval.reader import IndexReader, open_index
from retrieval.search import Mode, Query, find, fuse, search
from retrieval.store.protocol import Ranked
from tests.retrieval.readable import House, ReadableEncoder

PAGES = {
    "kettle.md": "the kettle boils water",
    "teapot.md": "a teapot holds warm tea",
    "twin-1.md": "zebra",
    "twin-2.md": "zebra",
}
ENCODER = ReadableEncoder()


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[IndexReader]:
    house = House(tmp_path_factory.mktemp("house"))
    for path, text in PAGES.items():
        house.write(path, f"# {path}\n\n{text}")
    house.refresh()
    with open_index(house.index_root, embedder=ENCODER.digest) as reader:
        yield reader


def ranking(*ids: str) -> list[Ranked]:
    return [Ranked(passage_id, 1.0) for passage_id in ids]


def test_fusion_adds_the_reciprocal_ranks():
    fused = fuse([(0.6, ranking("a", "b")), (0.4, ranking("b", "c"))])
    assert fused == [("b", 0.6 / 62 + 0.4 / 61), ("a", 0.6 / 61), ("c", 0.4 / 62)]


def test_equal_fused_scores_are_ordered_by_id():
    assert [key for key, _ in fuse([(1.0, ranking("z", "m")), (1.0, ranking("m", "z"))])] == ["m", "z"]


@given(st.permutations(["a", "b", "c", "d"]), st.permutations(["a", "b", "c", "d"]))
def test_fusion_ignores_the_order_of_the_rankings(one: list[str], other: list[str]):
    weighted = [(0.5, ranking(*one)), (0.25, ranking(*other))]
    assert fuse(weighted) == fuse(weighted[::-1])


def test_a_hit_carries_its_passage_and_its_place(reader: IndexReader):
    hit = search(reader, ENCODER, "boiling kettle", top_k=1)[0]
    passage = hit.passage
    assert (passage.document_id, passage.uri) == ("docs:kettle.md", "docs/kettle.md")
    assert passage.text == "the kettle boils water"
    page = f"# kettle.md\n\n{PAGES['kettle.md']}"
    assert page[passage.start : passage.end] == passage.text


@pytest.mark.parametrize("mode", ["hybrid", "dense", "bm25"])
def test_every_mode_finds_the_page_and_says_how_close_it_is(reader: IndexReader, mode: Mode):
    found = find(reader, ENCODER, "kettle.md the kettle boils water", top_k=2, mode=mode)
    assert found.hits[0].passage.uri == "docs/kettle.md"
    assert found.generation == 1
    assert found.cosines[0] == pytest.approx(1.0, abs=0.2)
    assert len(found.cosines) == len(found.hits)
    assert all(-1.0001 <= cosine <= 1.0001 for cosine in found.cosines)


def test_a_single_ranking_scores_by_its_rank_alone(reader: IndexReader):
    hits = search(reader, ENCODER, "kettle teapot", top_k=2, mode="bm25")
    assert [hit.score for hit in hits] == [1 / 61, 1 / 62]


def test_words_that_nobody_uses_leave_bm25_without_hits_but_not_the_hybrid(reader: IndexReader):
    assert search(reader, ENCODER, "xylophone", top_k=3, mode="bm25") == []
    assert len(search(reader, ENCODER, "xylophone", top_k=3)) == 3


def test_twins_come_in_the_order_of_their_ids(reader: IndexReader):
    hits = search(reader, ENCODER, "zebra", top_k=10, mode="bm25")
    assert len(hits) >= 2
    assert [hit.passage.id for hit in hits[:2]] == sorted(hit.passage.id for hit in hits[:2])


def test_the_weight_of_a_wording_decides_between_two(reader: IndexReader):
    for first, second in (("kettle", "teapot"), ("teapot", "kettle")):
        hits = search(reader, ENCODER, [Query(first, 0.9), Query(second, 0.1)], top_k=1, mode="bm25")
        assert hits[0].passage.uri == f"docs/{first}.md"


def test_searching_twice_answers_the_same(reader: IndexReader):
    assert find(reader, ENCODER, "warm water", top_k=10) == find(reader, ENCODER, "warm water", top_k=10)


@pytest.mark.parametrize("queries", ["", " \n", [], [Query("tea"), Query("")]], ids=repr)
def test_a_query_without_text_is_refused(reader: IndexReader, queries: str | list[Query]):
    with pytest.raises(QueryEmpty):
        search(reader, ENCODER, queries, top_k=3)
