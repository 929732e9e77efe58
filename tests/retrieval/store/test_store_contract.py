"""What every passage store must do; each store that exists is asked the same."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from retrieval.bm25 import Bm25, SparseVector
from retrieval.documents import Passage
from retrieval.errors import IndexDamaged, IndexMismatch
from retrieval.store.edge import create_edge_store
from retrieval.store.protocol import PassagePoint, PassageStore

STORES: dict[str, Callable[[Path], PassageStore]] = {
    "edge": lambda folder: create_edge_store(folder / "shard", dimensions=3),
}
EAST, NORTH, UP = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)


@pytest.fixture(params=sorted(STORES))
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[PassageStore]:
    opened = STORES[request.param](tmp_path)
    yield opened
    opened.close()


def point(name: str, dense: tuple[float, ...] = EAST, text: str = "a word") -> PassagePoint:
    passage = Passage(
        id=str(uuid.uuid5(uuid.NAMESPACE_OID, name)),
        document_id=f"docs:{name}.md",
        uri=f"docs/{name}.md",
        title=name,
        heading_path=("Über", "πές 🌱"),
        start=2,
        end=2 + len(text),
        text=text,
        embedded_text=f"{name}\n{text}",
        trust="community",
    )
    return PassagePoint(passage, dense, Bm25().passage(text))


def by_id(points: list[PassagePoint]) -> list[PassagePoint]:
    return sorted(points, key=lambda p: p.passage.id)


def test_what_is_stored_is_read_back_vectors_and_payload(store: PassageStore):
    third = 0.57735025882720947  # a 32-bit float
    points = [point("a"), point("b", (third, third, third), "text 🌱 e\u0301"), point("empty", text="")]
    store.upsert(points)
    assert list(store.scroll()) == by_id(points)
    assert store.fetch([p.passage.id for p in points]) == points
    assert (store.count(), store.ids()) == (3, {p.passage.id for p in points})


def test_an_upsert_replaces_vectors_and_payload_whole(store: PassageStore):
    store.upsert([point("a", EAST, "first words")])
    later = replace(point("a", UP, "other"), sparse=SparseVector((7,), (0.5,)))
    store.upsert([later])
    assert list(store.scroll()) == [later]


def test_deleting_twice_and_deleting_the_unknown_are_no_errors(store: PassageStore):
    store.upsert([point("a"), point("b")])
    for _ in range(2):
        store.delete([point("a").passage.id, point("never there").passage.id])
    store.delete([])
    assert store.ids() == {point("b").passage.id}


def test_an_empty_store_answers_with_nothing(store: PassageStore):
    store.upsert([])
    assert (list(store.scroll()), store.ids(), store.count()) == ([], set(), 0)
    assert store.search_dense([EAST], 5) == [[]]
    assert store.search_sparse([SparseVector((1,), (1.0,))], 5) == [[]]
    assert store.fetch([]) == []


def test_dense_search_ranks_by_cosine_for_each_query(store: PassageStore):
    store.upsert([point("east", EAST), point("north", NORTH), point("between", (0.6, 0.8, 0.0))])
    east, north = store.search_dense([EAST, NORTH], 2)
    assert [ranked.score for ranked in east] == [1.0, 0.6]
    assert [ranked.passage_id for ranked in north] == [point("north").passage.id, point("between").passage.id]


def test_sparse_search_weighs_rare_words_more(store: PassageStore):
    store.upsert([point("both", text="common rare"), *(point(f"p{n}", text="common thing") for n in range(9))])
    (ranking,) = store.search_sparse([Bm25().query("common rare")], 10)
    assert ranking[0].passage_id == point("both").passage.id
    assert ranking[0].score > 3 * ranking[1].score


def test_sparse_search_without_a_common_word_finds_nothing(store: PassageStore):
    store.upsert([point("a", text="apples")])
    assert store.search_sparse([Bm25().query("zebra"), Bm25().query("")], 5) == [[], []]


@pytest.mark.parametrize("twins", [4, 12, 100])
def test_equal_scores_come_by_id_also_where_the_limit_cuts(store: PassageStore, twins: int):
    points = [point(f"twin {number}") for number in range(twins)]
    store.upsert([*points, point("other", NORTH, "word of another length, hence another score")])
    ids = sorted(p.passage.id for p in points)[:5]
    east, north = store.search_dense([EAST, NORTH], 5)
    assert [ranked.passage_id for ranked in east][:twins] == ids
    assert north[0].passage_id == point("other", NORTH).passage.id
    assert [ranked.passage_id for ranked in store.search_sparse([Bm25().query("word")], 5)[0]][:twins] == ids


def test_a_hundred_twins_rank_alike_whatever_order_they_came_in(tmp_path: Path):
    points = [point(f"twin {number}") for number in range(100)]
    rankings = []
    for name, make in STORES.items():
        lived, scratch = make(tmp_path / f"{name}-lived"), make(tmp_path / f"{name}-scratch")
        for each in reversed(points):
            lived.upsert([each])
        scratch.upsert(points)
        for opened in (lived, scratch):
            rankings.append((opened.search_dense([EAST], 20), opened.search_sparse([Bm25().query("word")], 20)))
            opened.close()
    assert rankings == rankings[:1] * len(rankings)


def test_more_points_than_a_batch_come_back_once_each(store: PassageStore):
    points = [point(f"p{number}") for number in range(1100)]
    store.upsert(points)
    assert [p.passage.id for p in store.scroll()] == sorted(p.passage.id for p in points)


def test_fetching_an_unknown_id_is_damage(store: PassageStore):
    store.upsert([point("a")])
    with pytest.raises(IndexDamaged, match="not in the store"):
        store.fetch([point("a").passage.id, point("unknown").passage.id])


def test_a_vector_of_another_length_is_refused_in_our_words(store: PassageStore):
    with pytest.raises(IndexMismatch):
        store.upsert([point("a", (1.0, 0.0))])
    with pytest.raises(IndexMismatch):
        store.search_dense([(1.0, 0.0)], 3)
