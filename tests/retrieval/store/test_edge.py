"""The embedded store: one owner, errors in our words, and no memory of what was deleted."""

from __future__ import annotations

from pathlib import Path

import pytest

from retrieval.bm25 import Bm25
from retrieval.errors import DiskFull, IndexBusy, IndexDamaged, IndexUnusable
from retrieval.files import copy_tree_sparse
from retrieval.store.edge import EdgeStore, create_edge_store, open_edge_store
from tests.retrieval.store.test_store_contract import point


def test_a_closed_store_opens_again_with_all_it_held(tmp_path: Path):
    store = create_edge_store(tmp_path / "s", dimensions=3)
    store.upsert([point("a"), point("b")])
    store.flush()
    store.close()
    again = open_edge_store(tmp_path / "s")
    assert {p.passage.title for p in again.scroll()} == {"a", "b"}
    again.close()


def test_a_second_open_is_busy_and_a_copy_is_not(tmp_path: Path):
    store = create_edge_store(tmp_path / "s", dimensions=3)
    store.upsert([point("a")])
    store.flush()
    with pytest.raises(IndexBusy):
        open_edge_store(tmp_path / "s")
    copy_tree_sparse(tmp_path / "s", tmp_path / "copy")
    copy = open_edge_store(tmp_path / "copy")
    assert copy.count() == 1
    copy.close()
    store.close()


def test_a_folder_without_a_shard_is_damage(tmp_path: Path):
    with pytest.raises(IndexDamaged, match="does not exist"):
        open_edge_store(tmp_path / "nothing")


def test_a_store_that_was_closed_says_so(tmp_path: Path):
    store = create_edge_store(tmp_path / "s", dimensions=3)
    store.close()
    with pytest.raises(IndexUnusable, match="was closed") as closed:
        store.count()
    assert not isinstance(closed.value, IndexDamaged)


def test_a_wrong_argument_is_an_error_of_the_caller_and_no_damage(tmp_path: Path):
    store = create_edge_store(tmp_path / "s", dimensions=3)
    with pytest.raises(ValueError, match="UUID"):
        store.fetch(["no uuid"])
    store.close()


@pytest.mark.parametrize("name", ["segment.json", "edge_config.json", "matrix.dat"])
def test_a_torn_file_is_damage_with_a_remedy(tmp_path: Path, name: str):
    store = create_edge_store(tmp_path / "s", dimensions=3)
    store.upsert([point("a")])
    store.flush()
    store.close()
    files = [path for path in (tmp_path / "s").rglob("*") if path.name == name]
    for path in files or (tmp_path / "s").rglob("*.dat"):
        path.write_bytes(b"")
    with pytest.raises(IndexDamaged) as damage:
        open_edge_store(tmp_path / "s")
    assert "CURRENT" in damage.value.remedy


def test_once_reopened_deleted_passages_count_no_more_in_document_frequencies(tmp_path: Path):
    scores = []
    for name, lived in (("history", ["a", "b", "c", "d"]), ("scratch", ["a"])):
        store = create_edge_store(tmp_path / name, dimensions=3)
        store.upsert([point(each, text="word") for each in lived])
        store.delete([point(each).passage.id for each in lived if each != "a"])
        store.flush()
        store.close()
        store = open_edge_store(tmp_path / name)
        scores.append(store.search_sparse([Bm25().query("word")], 5))
        store.close()
    assert scores[0] == scores[1]


class _FullShard:
    def flush(self) -> None:
        raise Exception("Service runtime error: IO Error: No space left on device (os error 28)")


def test_a_full_disk_inside_the_engine_is_named_as_such(tmp_path: Path):
    with pytest.raises(DiskFull, match="full"):
        EdgeStore(tmp_path, _FullShard()).flush()
