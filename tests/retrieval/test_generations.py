"""Generations: sealed whole, one writer, numbers never used twice, damage found."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.catalogue import Catalogue, DocumentEntry, Manifest, PassageEntry, SchemaParts, SourceEntry
from retrieval.errors import IndexBusy, IndexDamaged
from retrieval.generations import (
    create_work,
    current_number,
    discard_work,
    open_work,
    read_catalogue,
    read_manifest,
    retire_shards,
    seal,
    shard_folder,
    writer_lock,
)
from tests.retrieval.store.test_store_contract import point

SCHEMA = SchemaParts(embedder="e", splitter="s")
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
passage_entries = st.builds(PassageEntry, id=words, start=st.integers(0), end=st.integers(0), fingerprint=words)
document_entries = st.builds(
    DocumentEntry,
    id=words,
    source=words,
    uri=words,
    title=words,
    trust=st.sampled_from(["official", "community", "unreviewed"]),
    content_hash=words,
    text_hash=words,
    parser=words,
    passages=st.lists(passage_entries, max_size=3).map(tuple),
)
catalogues = st.builds(
    Catalogue,
    sources=st.lists(st.builds(SourceEntry, name=words, root=words), max_size=2).map(tuple),
    documents=st.lists(document_entries, max_size=3).map(tuple),
)


def make_generation(root: Path, *names: str) -> Manifest:
    store = create_work(root, dimensions=3)
    store.upsert([point(name) for name in names])
    store.flush()
    store.close()
    entries = tuple(
        DocumentEntry(
            id=name, source="docs", uri=name, title=name, trust="official", content_hash="", text_hash="", parser="1",
            passages=(PassageEntry(id=point(name).passage.id, start=0, end=1, fingerprint=""),),
        )
        for name in names
    )  # fmt: skip
    return seal(root, Catalogue(sources=(), documents=entries), SCHEMA, churn=0)


@given(catalogues)
def test_a_catalogue_reads_back_as_it_was_written(catalogue: Catalogue):
    assert Catalogue.model_validate_json(catalogue.content()) == catalogue


def test_a_sealed_generation_is_served_and_says_what_it_holds(tmp_path: Path):
    assert current_number(tmp_path) is None
    manifest = make_generation(tmp_path, "a", "b")
    assert current_number(tmp_path) == manifest.number == 1
    assert (manifest.documents, manifest.passages) == (2, 2)
    read, catalogue = read_catalogue(tmp_path, 1)
    assert read == manifest
    assert [entry.id for entry in catalogue.documents] == ["a", "b"]
    assert not (tmp_path / "work").exists()


def test_work_starts_from_the_served_generation_and_leaves_it_alone(tmp_path: Path):
    make_generation(tmp_path, "a")
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "rubbish").write_text("left by a kill")
    store = open_work(tmp_path, 1)
    store.upsert([point("b")])
    store.flush()
    store.close()
    assert not (tmp_path / "work" / "rubbish").exists()
    discard_work(tmp_path)
    again = open_work(tmp_path, 1)
    assert {p.passage.title for p in again.scroll()} == {"a"}
    again.close()


def test_a_generation_nobody_was_told_of_gives_its_number_to_no_other(tmp_path: Path):
    make_generation(tmp_path, "a")
    make_generation(tmp_path, "a", "b")
    (tmp_path / "CURRENT").write_text("1\n")  # as if killed between the rename and the pointer
    assert current_number(tmp_path) == 1
    assert make_generation(tmp_path, "a", "c").number == 3
    assert current_number(tmp_path) == 3


def test_old_shards_go_and_their_catalogues_stay(tmp_path: Path):
    for number in range(4):
        make_generation(tmp_path, f"d{number}")
    retire_shards(tmp_path, keep=2)
    assert [number for number in range(1, 5) if shard_folder(tmp_path, number).is_dir()] == [3, 4]
    assert read_catalogue(tmp_path, 1)[1].documents[0].id == "d0"
    assert not (tmp_path / "trash").exists()


def test_the_served_shard_stays_however_old(tmp_path: Path):
    for number in range(3):
        make_generation(tmp_path, f"d{number}")
    (tmp_path / "CURRENT").write_text("1\n")
    retire_shards(tmp_path, keep=1)
    assert [number for number in range(1, 4) if shard_folder(tmp_path, number).is_dir()] == [1, 3]


def test_a_second_writer_is_told_who_the_first_is(tmp_path: Path):
    with (
        writer_lock(tmp_path),
        pytest.raises(IndexBusy, match=f"Process {os.getpid()} ") as busy,
        writer_lock(tmp_path),
    ):
        pass
    assert busy.value.kind == "index_busy"
    with writer_lock(tmp_path):
        pass


def test_a_writer_in_another_process_is_named_and_its_death_frees_the_lock(tmp_path: Path):
    code = (
        "import sys, pathlib, retrieval.generations as g\n"
        "with g.writer_lock(pathlib.Path(sys.argv[1])):\n    print('locked', flush=True)\n    sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "locked\n"
        with pytest.raises(IndexBusy, match=f"Process {other.pid} "), writer_lock(tmp_path):
            pass
        other.kill()
        other.wait()
        with writer_lock(tmp_path):
            pass


@pytest.mark.parametrize(
    ("file", "content", "complaint"),
    [
        ("CURRENT", "seven", "no generation number"),
        ("generations/1/manifest.json", "{}", "cannot be read"),
        ("generations/1/manifest.json", None, "missing"),
        ("generations/1/catalogue.json", '{"sources":[],"documents":[]}', "not the one its manifest names"),
        ("generations/1/catalogue.json", None, "missing"),
    ],
)
def test_damage_is_found_and_named(tmp_path: Path, file: str, content: str | None, complaint: str):
    make_generation(tmp_path, "a")
    (tmp_path / file).unlink() if content is None else (tmp_path / file).write_text(content)
    with pytest.raises(IndexDamaged, match=complaint):
        read_catalogue(tmp_path, current_number(tmp_path) or 0)


def test_a_manifest_with_an_unknown_key_is_damage(tmp_path: Path):
    make_generation(tmp_path, "a")
    path = tmp_path / "generations" / "1" / "manifest.json"
    path.write_text(path.read_text().replace('"number": 1', '"number": 1, "surplus": 1'))
    with pytest.raises(IndexDamaged):
        read_manifest(tmp_path, 1)


def test_a_manifest_of_another_generation_is_damage(tmp_path: Path):
    make_generation(tmp_path, "a")
    (tmp_path / "generations" / "1").rename(tmp_path / "generations" / "2")
    with pytest.raises(IndexDamaged, match="says it is generation 1"):
        read_manifest(tmp_path, 2)


def test_a_served_generation_without_its_shard_is_damage():
    with tempfile.TemporaryDirectory() as folder, pytest.raises(IndexDamaged, match="shard is missing"):
        open_work(Path(folder), 1)


@pytest.mark.parametrize("part", ["embedder", "splitter", "bm25", "payload"])
def test_every_part_of_the_schema_is_in_its_digest(part: str):
    other = SCHEMA.model_copy(update={part: "another"})
    assert other.digest != SCHEMA.digest
    assert SCHEMA.differences(other) == [part]
