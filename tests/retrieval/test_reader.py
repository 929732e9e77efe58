"""Readers: a private copy, followed from one generation to the next, and swept up after the dead."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from retrieval.errors import IndexDamaged, IndexMismatch, IndexMissing, IndexUnusable
from retrieval.files import copy_tree_sparse, remove_tree
from retrieval.generations import shard_folder
from retrieval.reader import open_index
from tests.retrieval.readable import House, ReadableEncoder, files_below


@pytest.fixture
def house(tmp_path: Path) -> House:
    house = House(tmp_path)
    house.write("a.md", "apples")
    house.refresh()
    return house


def titles(house: House) -> set[str]:
    with open_index(house.index_root, embedder="readable") as reader, reader.lease() as lease:
        return {point.passage.text for point in lease.store.scroll()}


def copies(house: House) -> list[Path]:
    return [path for path in (house.index_root / "readers").iterdir() if path.is_dir()]


def test_a_reader_sees_what_is_served_and_leaves_it_untouched(house: House):
    before = files_below(shard_folder(house.index_root, 1))
    assert titles(house) == {"apples"}
    assert files_below(shard_folder(house.index_root, 1)) == before
    assert copies(house) == []


def test_two_readers_and_a_refresh_do_not_disturb_each_other(house: House):
    with open_index(house.index_root, embedder="readable") as one, open_index(house.index_root, embedder="readable"):
        house.write("b.md", "berries")
        house.refresh()
        assert one.generation.number == 1
        with one.lease() as lease:
            assert lease.store.count() == 1
    assert titles(house) == {"apples", "berries"}


def test_following_swaps_and_closes_the_old_copy(house: House):
    with open_index(house.index_root, embedder="readable") as reader:
        assert not reader.follow()
        house.write("b.md", "berries")
        house.refresh()
        assert reader.follow()
        assert (reader.generation.number, reader.generation.passages) == (2, 2)
        assert len(copies(house)) == 1


def test_a_lease_outlives_the_swap_and_the_end(house: House):
    reader = open_index(house.index_root, embedder="readable")
    with reader.lease() as lease:
        house.write("b.md", "berries")
        house.refresh()
        reader.follow()
        assert lease.store.count() == 1
        with reader.lease() as newer:
            assert newer.store.count() == 2
            reader.close()
            assert newer.store.count() == 2
    assert copies(house) == []


def test_closing_twice_is_closing_once(house: House):
    reader = open_index(house.index_root, embedder="readable")
    reader.close()
    reader.close()
    assert copies(house) == []


def test_the_copy_of_a_killed_reader_is_swept_up_and_a_living_one_stays(house: House):
    code = (
        "import sys, pathlib, retrieval.reader as r\n"
        "reader = r.open_index(pathlib.Path(sys.argv[1]), embedder='readable')\n"
        "print('open', flush=True)\nsys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(house.index_root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        assert titles(house) == {"apples"}
        assert len(copies(house)) == 1
        other.kill()
        other.wait()
    assert titles(house) == {"apples"}
    assert copies(house) == []


def test_without_an_index_the_remedy_is_to_refresh(tmp_path: Path):
    with pytest.raises(IndexMissing, match="Nothing has been indexed") as missing:
        open_index(tmp_path, embedder="readable")
    assert "groundskeeper refresh" in missing.value.remedy


def test_another_embedder_is_refused_before_it_answers_nonsense(house: House):
    with pytest.raises(IndexMismatch, match="another embedder"):
        open_index(house.index_root, embedder="some other model")
    assert not (house.index_root / "readers").exists()


def test_a_reader_that_finds_another_embedder_on_following_keeps_what_it_has(house: House):
    with open_index(house.index_root, embedder="readable") as reader:
        house.encoder = ReadableEncoder("newer")
        house.refresh()
        with pytest.raises(IndexMismatch):
            reader.follow()
        assert reader.generation.number == 1


def test_a_shard_that_lost_a_file_or_passages_is_damage(house: House):
    shard = shard_folder(house.index_root, 1)
    manifest = shard.parent / "manifest.json"
    intact = manifest.read_text()
    manifest.write_text(intact.replace('"passages": 1', '"passages": 2'))
    with pytest.raises(IndexDamaged, match="holds 1 passages, not 2"):
        open_index(house.index_root, embedder="readable")
    manifest.write_text(intact)
    shutil.rmtree(shard)
    with pytest.raises(IndexDamaged, match="lacks"):
        open_index(house.index_root, embedder="readable")
    assert copies(house) == []


def test_following_notices_an_index_that_was_made_anew_under_the_same_number(house: House):
    with open_index(house.index_root, embedder="readable") as reader:
        remove_tree(house.index_root)
        house.write("a.md", "berries")
        assert house.refresh().generation == 1
        assert reader.follow()
        with reader.lease() as lease:
            assert [point.passage.text for point in lease.store.scroll()] == ["berries"]
        assert not reader.follow()


def test_a_closed_reader_says_so_and_opens_no_copy(house: House):
    reader = open_index(house.index_root, embedder="readable")
    house.write("b.md", "berries")
    house.refresh()
    reader.close()
    with pytest.raises(IndexUnusable, match="was closed"):
        reader.follow()
    with pytest.raises(IndexUnusable, match="was closed"), reader.lease():
        pass
    assert copies(house) == []


def test_a_reader_closed_while_it_follows_keeps_no_copy(house: House, monkeypatch: pytest.MonkeyPatch):
    reader = open_index(house.index_root, embedder="readable")
    house.write("b.md", "berries")
    house.refresh()

    def copy_then_close(source: Path, target: Path) -> None:
        copy_tree_sparse(source, target)
        reader.close()

    monkeypatch.setattr("retrieval.reader.copy_tree_sparse", copy_then_close)
    assert not reader.follow()
    assert copies(house) == []


def refuses(house: House, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Permissions bind no superuser, so the refusal is played."""
    opened = os.open

    def refuse(path: str | Path, *arguments: int, **options: Any) -> int:
        if what in str(path):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return opened(path, *arguments, **options)

    monkeypatch.setattr(os, "open", refuse)


def test_a_reader_that_may_not_write_is_told_which_folder_it_needs(house: House, monkeypatch: pytest.MonkeyPatch):
    refuses(house, "readers", monkeypatch)
    with pytest.raises(IndexUnusable, match="Permission denied") as refused:
        open_index(house.index_root, embedder="readable")
    assert "private copy" in refused.value.remedy


def test_the_copy_of_another_user_is_left_alone(house: House, monkeypatch: pytest.MonkeyPatch):
    other = house.index_root / "readers" / "7-other"
    other.mkdir(parents=True)
    (other / "LOCK").touch()
    refuses(house, "7-other", monkeypatch)
    assert titles(house) == {"apples"}
    assert copies(house) == [other]


def test_an_index_that_is_a_file_is_unusable(tmp_path: Path):
    (tmp_path / "index").write_text("no folder")
    with pytest.raises(IndexUnusable, match="Not a directory"):
        open_index(tmp_path / "index", embedder="readable")
