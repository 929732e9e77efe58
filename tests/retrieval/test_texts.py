"""The text archive: what was stored comes back, or its absence has a name."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.catalogue import text_digest
from retrieval.errors import IndexDamaged, IndexMissing, IndexUnusable
from retrieval.files import remove_tree
from retrieval.texts import TextArchive, read_text, store_texts
from tests.retrieval.readable import House, files_below

texts = st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=4)


@settings(max_examples=20, deadline=None)
@given(texts)
def test_every_text_comes_back_newlines_and_all(texts: list[str]):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "texts"
        for _ in range(2):
            store_texts(root, {text_digest(text): text for text in [*texts, "a\r\nb\rc\n\u2028\0"]})
        assert [read_text(root, text_digest(text)) for text in texts] == texts
        assert read_text(root, text_digest("a\r\nb\rc\n\u2028\0")) == "a\r\nb\rc\n\u2028\0"


def test_storing_nothing_new_writes_nothing(tmp_path: Path):
    store_texts(tmp_path / "texts", {})
    assert not (tmp_path / "texts").exists()


@pytest.mark.parametrize("content", [b"", b"what was sited", b"what was cited and more"])
def test_storing_again_restores_a_damaged_text(tmp_path: Path, content: bytes):
    text = "what was cited"
    store_texts(tmp_path, {text_digest(text): text})
    (path,) = tmp_path.rglob("*.txt")
    path.write_bytes(content)
    store_texts(tmp_path, {text_digest(text): text})
    assert read_text(tmp_path, text_digest(text)) == text


def test_texts_that_cannot_be_stored_are_blamed_on_their_own_folder(tmp_path: Path):
    (tmp_path / "texts").write_text("a file where the folder should be")
    with pytest.raises(IndexUnusable, match=str(tmp_path / "texts")):
        store_texts(tmp_path / "texts", {text_digest("a"): "a"})


def test_an_archive_notices_an_index_that_was_made_anew(tmp_path: Path):
    house = House(tmp_path)
    house.write("a.md", "first")
    house.refresh()
    archive = TextArchive(house.index_root, house.texts_root)
    assert archive.text(1, "docs:a.md") == "first"
    remove_tree(house.index_root)
    house.write("a.md", "second")
    house.refresh()
    assert archive.text(1, "docs:a.md") == "second"


def test_what_a_killed_writer_left_is_cleared(tmp_path: Path):
    (tmp_path / "tmp").mkdir()
    (tmp_path / "tmp" / "half").write_text("half a te")
    store_texts(tmp_path, {text_digest("a"): "a"})
    assert len(files_below(tmp_path)) == 1


@pytest.mark.parametrize("change", ["unlink", "alter", "binary"])
def test_a_text_that_is_not_what_it_was_is_damage(tmp_path: Path, change: str):
    digest = text_digest("what was cited")
    store_texts(tmp_path, {digest: "what was cited"})
    (path,) = tmp_path.rglob("*.txt")
    if change == "unlink":
        path.unlink()
    else:
        path.write_bytes(b"what was sited" if change == "alter" else b"\xff\xfe")
    with pytest.raises(IndexDamaged):
        read_text(tmp_path, digest)


def test_each_generation_shows_the_text_it_cited(tmp_path: Path):
    house = House(tmp_path)
    house.write("a.md", "first")
    house.refresh()
    house.write("a.md", "second")
    house.refresh()
    archive = TextArchive(house.index_root, house.texts_root)
    assert [archive.text(number, "docs:a.md") for number in (1, 2)] == ["first", "second"]
    with pytest.raises(IndexMissing, match=r"no document 'docs:b\.md'"):
        archive.text(2, "docs:b.md")
    with pytest.raises(IndexMissing, match="no generation 3"):
        archive.text(3, "docs:a.md")
