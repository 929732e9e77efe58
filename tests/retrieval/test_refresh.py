"""A refresh: what each kind of change costs, what it keeps, and what it refuses."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import retrieval.refresh
from retrieval.documents import Document, Passage
from retrieval.errors import (
    DiskFull,
    EncoderFailed,
    IndexBusy,
    IndexDamaged,
    IndexUnusable,
    SourceMissing,
    SourceNameTaken,
    UnreadableDocument,
)
from retrieval.files import remove_tree
from retrieval.generations import current_number, read_catalogue, shard_folder, writer_lock
from retrieval.refresh import RefreshResult
from retrieval.sources.folder import FolderSource
from retrieval.texts import TextArchive
from tests.fakes import StepClock
from tests.retrieval.readable import House, ParagraphSplitter, ReadableEncoder, files_below

NOTHING = {"added": 0, "changed": 0, "removed": 0}


@pytest.fixture
def house(tmp_path: Path) -> House:
    """Two documents of two paragraphs each, indexed."""
    house = House(tmp_path)
    house.write("a.md", "# Apples\n\nred\n\ngreen")
    house.write("b.md", "# Berries\n\nblue")
    result = house.refresh()
    assert (result.generation, result.encoder_calls) == (1, 5)
    return house


def unchanged(result: RefreshResult) -> bool:
    return all(counts.items() >= NOTHING.items() for counts in (result.documents, result.passages))


# What a change costs


def test_the_first_refresh_adds_everything(tmp_path: Path):
    house = House(tmp_path)
    house.write("a.md", "red\n\ngreen")
    result = house.refresh(clock=StepClock())
    assert result == RefreshResult(
        generation=1,
        documents={"added": 1, "changed": 0, "removed": 0, "unchanged": 0},
        passages={"added": 2, "changed": 0, "removed": 0, "unchanged": 0},
        encoder_calls=2,
        seconds=1.0,
        skipped=(),
        warnings=(),
    )


def test_a_refresh_without_a_change_makes_no_generation_and_writes_nothing(house: House):
    before = files_below(house.root)
    result = house.refresh()
    assert (result.generation, result.encoder_calls) == (1, 0)
    assert unchanged(result)
    assert files_below(house.root) == before


def test_a_changed_time_stamp_is_no_change_and_a_kept_one_hides_none(house: House):
    page = house.docs / "a.md"
    os.utime(page, (1, 1))
    assert unchanged(house.refresh())
    page.write_text(page.read_text().replace("green", "brown"))
    os.utime(page, (1, 1))
    assert house.refresh().documents["changed"] == 1


def test_an_edit_encodes_exactly_the_texts_never_seen_before(house: House):
    house.write("a.md", "# Apples\n\nred\n\nyellow\n\ngreen\n\nyellow")
    result = house.refresh()
    assert result.encoder_calls == 1  # "yellow" twice is one text
    assert result.documents == {"added": 0, "changed": 1, "removed": 0, "unchanged": 1}
    assert result.passages == {"added": 2, "changed": 1, "removed": 0, "unchanged": 4}


def test_what_comes_back_is_remembered(house: House):
    page = (house.docs / "a.md").read_text()
    house.write("a.md", "# Apples\n\nred")
    house.refresh()
    house.write("a.md", page)
    assert house.refresh().encoder_calls == 0


def test_renames_and_moves_encode_nothing(house: House):
    (house.docs / "deep").mkdir()
    (house.docs / "a.md").rename(house.docs / "deep" / "z.md")
    result = house.refresh()
    assert result.encoder_calls == 0
    assert result.documents == {"added": 1, "changed": 0, "removed": 1, "unchanged": 1}
    assert {p.passage.uri for p in house.points().values()} == {"docs/b.md", "docs/deep/z.md"}


def test_two_files_that_swap_their_contents_swap_their_passages(house: House):
    (house.docs / "a.md").rename(house.docs / "c")
    (house.docs / "b.md").rename(house.docs / "a.md")
    (house.docs / "c").rename(house.docs / "b.md")
    assert house.refresh().encoder_calls == 0
    texts = {(p.passage.uri, p.passage.text) for p in house.points().values()}
    assert ("docs/a.md", "blue") in texts
    assert ("docs/b.md", "red") in texts


def test_a_deleted_document_is_gone_from_the_index(house: House):
    (house.docs / "a.md").unlink()
    result = house.refresh()
    assert (result.documents["removed"], result.passages["removed"]) == (1, 3)
    assert {p.passage.uri for p in house.points().values()} == {"docs/b.md"}


def test_another_trust_changes_payloads_and_encodes_nothing(house: House):
    result = house.refresh(FolderSource("docs", house.docs, trust="community"))
    assert (result.encoder_calls, result.passages["changed"]) == (0, 5)
    assert {p.passage.trust for p in house.points().values()} == {"community"}


# Sources


def test_an_emptied_source_empties_its_part_with_a_warning(house: House):
    for page in house.docs.iterdir():
        page.unlink()
    result = house.refresh()
    assert result.warnings == ("Source 'docs' holds no documents; its 2 documents are removed.",)
    assert house.points() == {}
    again = house.refresh()
    assert (again.generation, again.warnings) == (2, ("Source 'docs' holds no documents.",))


def test_an_index_of_an_empty_folder_is_none_yet(tmp_path: Path):
    house = House(tmp_path)
    house.docs.mkdir()
    assert house.refresh().generation is None
    house.write("a.md", "red")
    assert house.refresh().generation == 1


def test_a_missing_source_changes_nothing_even_beside_a_good_one(house: House):
    house.write("c.md", "new")
    before = files_below(house.index_root)
    with pytest.raises(SourceMissing):
        house.refresh(FolderSource("docs", house.docs), FolderSource("other", house.root / "nowhere"))
    assert files_below(house.index_root) == before


def test_refreshing_one_source_never_touches_another(house: House):
    other = house.root / "other"
    other.mkdir()
    (other / "c.md").write_text("cherries")
    (house.docs / "a.md").unlink()
    result = house.refresh(FolderSource("other", other))
    assert result.documents == {"added": 1, "changed": 0, "removed": 0, "unchanged": 2}
    assert house.refresh().documents == {"added": 0, "changed": 0, "removed": 1, "unchanged": 2}


def test_a_name_that_stands_for_another_folder_is_refused(house: House):
    other = house.root / "elsewhere" / "docs"
    other.mkdir(parents=True)
    with pytest.raises(SourceNameTaken, match="docs") as taken:
        house.refresh(FolderSource("docs", other))
    assert f"docs-2={other}" in taken.value.remedy
    with pytest.raises(SourceNameTaken):
        house.refresh(FolderSource("docs", house.docs), FolderSource("docs", house.docs))
    assert current_number(house.index_root) == 1


def test_a_folder_that_has_moved_keeps_its_name(house: House):
    moved = house.root / "moved"
    house.docs.rename(moved)
    result = house.refresh(FolderSource("docs", moved))
    assert result.encoder_calls == 0
    assert unchanged(result)
    assert result.warnings == (f"Source 'docs' has moved from {house.docs} to {moved}.",)
    assert house.refresh(FolderSource("docs", moved)).warnings == ()


def test_the_index_never_reads_its_own_state(tmp_path: Path):
    house = House(tmp_path, docs=tmp_path)
    house.write("secret.md", "the old secret")
    house.write("models/README.md", "a model")
    for _ in range(2):
        result = house.refresh(excluded=[tmp_path / "models"])
        assert sum(result.documents.values()) == 1
    (tmp_path / "secret.md").unlink()
    house.refresh(excluded=[tmp_path / "models"])
    assert house.points() == {}


def test_a_root_that_is_a_link_keeps_its_name_when_it_is_switched(house: House):
    current = house.root / "current"
    for version in ("v1", "v2"):
        (house.root / version).mkdir()
        (house.root / version / "a.md").write_text(version)
    current.symlink_to("v1")
    house.refresh(FolderSource("linked", current))
    current.unlink()
    current.symlink_to("v2")
    result = house.refresh(FolderSource("linked", current))
    assert (result.documents["changed"], result.warnings) == (1, ())
    assert unchanged(house.refresh(FolderSource("linked", house.root / "v2")))  # by another path, the same folder


def test_names_that_are_not_utf8_are_indexed_each_for_itself(house: House):
    root = house.root / os.fsdecode(b"d\xe9cs")
    root.mkdir()
    for name in (os.fsdecode(b"caf\xe9.md"), "caf\\xe9.md"):
        (root / name).write_text(repr(name))
    source = FolderSource(root.name, root)
    assert house.refresh(source).documents["added"] == 2
    assert (unchanged(house.refresh(source)), house.refresh(source).warnings) == (True, ())
    assert {p.passage.uri for p in house.points().values() if "caf" in p.passage.uri} == {
        "d\\xe9cs/caf\\xe9.md",
        "d\\xe9cs/caf\\\\xe9.md",
    }
    with pytest.raises(SourceNameTaken) as taken:
        house.refresh(FolderSource(root.name, house.docs))
    assert str(taken.value).encode()


# Unreadable documents


def test_a_document_that_became_unreadable_keeps_its_last_good_passages(house: House):
    before = house.points()
    (house.docs / "a.md").write_bytes(b"\0\1\2\xff binary")
    result = house.refresh()
    assert [uri for uri, _, _ in result.skipped] == ["docs/a.md"]
    assert (result.generation, house.points()) == (1, before)
    house.write("a.md", "# Apples\n\nred\n\ngreen")
    assert house.refresh().skipped == ()


def test_a_new_unreadable_document_is_only_named(house: House):
    (house.docs / "new.md").write_bytes(b"\0\1\2\xff binary")
    house.write("c.md", "cherries")
    result = house.refresh()
    assert result.documents["added"] == 1
    ((uri, reason, remedy),) = result.skipped
    assert uri == "docs/new.md"
    assert reason
    assert "UTF-8" in remedy
    assert json.loads(json.dumps(result.as_json()))["skipped"] == [{"uri": uri, "reason": reason, "remedy": remedy}]


class _Choking(ParagraphSplitter):
    def split(self, document: Document) -> list[Passage]:
        if "choke" in document.text:
            raise AssertionError("the splitter dropped or changed text")
        return super().split(document)


def test_a_page_that_cannot_be_split_is_named_and_blocks_no_other(house: House):
    house.splitter = _Choking()
    house.write("a.md", "choke")
    house.write("c.md", "cherries")
    before = {key: point for key, point in house.points().items() if point.passage.uri == "docs/a.md"}
    result = house.refresh()
    assert [(uri, "cannot be split" in reason) for uri, reason, _ in result.skipped] == [("docs/a.md", True)]
    assert result.documents["added"] == 1
    assert before.items() <= house.points().items()


def test_a_page_that_another_splitter_cannot_split_leaves_the_index_by_name(house: House):
    house.write("a.md", "choke")
    house.refresh()
    house.splitter = _Choking("another")
    result = house.refresh()
    assert [uri for uri, _, _ in result.skipped] == ["docs/a.md"]
    assert {p.passage.uri for p in house.points().values()} == {"docs/b.md"}


class _Unequipped(ParagraphSplitter):
    def split(self, document: Document) -> list[Passage]:
        raise ModuleNotFoundError("No module named 'splitter'")


def test_a_missing_library_is_no_fault_of_the_pages(house: House):
    before = house.points()
    house.write("a.md", "apricots")
    house.splitter = _Unequipped()
    with pytest.raises(ModuleNotFoundError):
        house.refresh()
    assert house.points() == before


def test_a_source_that_is_not_named_loses_nothing_to_another_splitter(house: House, tmp_path: Path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "x.md").write_text("choke", encoding="utf-8")
    house.refresh(FolderSource("other", other))
    before = house.points()
    house.splitter = _Choking("another")
    with pytest.raises(UnreadableDocument, match=r"other/x\.md cannot be split"):
        house.refresh()
    assert house.points() == before


# Plans


def test_a_plan_says_what_would_happen_and_writes_nothing(house: House):
    house.write("a.md", "# Apples\n\nred\n\nyellow")
    (house.docs / "b.md").unlink()
    before = files_below(house.root)
    planned = house.refresh(plan_only=True)
    assert files_below(house.root) == before
    done = house.refresh()
    assert planned.planned
    assert replace(planned, planned=False, generation=2, seconds=0.0) == replace(done, seconds=0.0)


def test_a_plan_before_the_first_refresh_makes_no_folder(tmp_path: Path):
    house = House(tmp_path)
    house.write("a.md", "red")
    assert house.refresh(plan_only=True).encoder_calls == 1
    assert not house.index_root.exists()


def test_a_plan_can_be_made_while_another_process_writes(house: House):
    with writer_lock(house.index_root):
        assert house.refresh(plan_only=True).planned


# Another embedder, splitter or layout


def test_another_embedder_rebuilds_beside_the_old_and_encodes_everything(house: House):
    house.encoder = ReadableEncoder("newer")
    result = house.refresh()
    assert (result.generation, result.encoder_calls, result.passages["unchanged"]) == (2, 5, 5)
    house.encoder = ReadableEncoder("readable")
    assert house.refresh().encoder_calls == 0  # and the way back is remembered


def test_another_splitter_splits_every_source_anew_also_one_whose_folder_is_gone(house: House):
    other = house.root / "other"
    other.mkdir()
    (other / "c.md").write_text("one line\nanother\n\nlast")
    house.refresh(FolderSource("other", other))
    (other / "c.md").unlink()
    other.rmdir()
    house.splitter = ParagraphSplitter("lines", "\n")
    house.refresh()
    texts = {p.passage.text for p in house.points().values() if p.passage.uri == "other/c.md"}
    assert texts == {"one line", "another", "last"}


def test_a_document_unreadable_at_a_rebuild_is_split_from_its_stored_text(house: House):
    (house.docs / "a.md").write_bytes(b"\0\1\2\xff binary")
    house.splitter = ParagraphSplitter("lines", "\n")
    result = house.refresh()
    assert [uri for uri, _, _ in result.skipped] == ["docs/a.md"]
    assert {"red", "green"} <= {p.passage.text for p in house.points().values()}


def test_another_parser_version_reads_a_file_again(house: House, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("retrieval.survey.PARSER_VERSION", "a later one")
    result = house.refresh()
    assert unchanged(result)
    assert result.generation == 2
    assert {entry.parser for entry in read_catalogue(house.index_root, 2)[1].documents} == {"a later one"}


def test_a_shard_that_has_seen_much_is_written_anew(house: House, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("retrieval.write._CHURN_FLOOR", 3)
    churns = []
    for text in ("red", "red\n\nblue", "blue", "green", "red"):
        house.write("a.md", text)
        house.refresh()
        churns.append(read_catalogue(house.index_root, current_number(house.index_root) or 0)[0].churn)
        fresh = House(house.root / f"fresh-{len(churns)}")
        fresh.docs.parent.mkdir()
        fresh.docs.symlink_to(house.docs)
        fresh.refresh()
        assert house.points() == fresh.points()
    assert 0 in churns[1:]
    assert max(churns) <= 3


# What fails leaves the old generation serving


def fails_at(name: str, error: BaseException) -> Callable[[pytest.MonkeyPatch], None]:
    def fail(*args: object, **options: object) -> None:
        raise error

    return lambda monkeypatch: monkeypatch.setattr(retrieval.refresh, name, fail)


@pytest.mark.parametrize(
    ("breaks", "raised"),
    [
        (fails_at("store_texts", OSError(errno.ENOSPC, "No space left on device")), DiskFull),
        (fails_at("seal", OSError(errno.ENOSPC, "No space left on device")), DiskFull),
        (fails_at("write_store", KeyboardInterrupt()), KeyboardInterrupt),
        (fails_at("seal", KeyboardInterrupt()), KeyboardInterrupt),
    ],
    ids=["disk full at the texts", "disk full at the seal", "Ctrl-C while writing", "Ctrl-C at the seal"],
)
def test_an_interrupted_refresh_is_finished_by_the_next(
    house: House,
    monkeypatch: pytest.MonkeyPatch,
    breaks: Callable[[pytest.MonkeyPatch], None],
    raised: type[BaseException],
):
    before = house.points()
    house.write("c.md", "cherries")
    with monkeypatch.context() as patched:
        breaks(patched)
        with pytest.raises(raised):
            house.refresh()
    assert (current_number(house.index_root), house.points()) == (1, before)
    assert not (house.index_root / "work").exists()
    result = house.refresh()
    assert (result.generation, result.documents["added"], result.encoder_calls) == (2, 1, 0)


def test_too_little_room_is_refused_before_anything_is_written(house: House, monkeypatch: pytest.MonkeyPatch):
    house.write("c.md", "cherries")
    monkeypatch.setattr("retrieval.write._SLACK", 1 << 62)
    with pytest.raises(DiskFull):
        house.refresh()
    assert current_number(house.index_root) == 1


def test_a_failing_encoder_leaves_the_old_generation_and_what_it_did(house: House):
    before = house.points()
    house.write("c.md", "\n\n".join(f"cherry {number}" for number in range(100)))
    house.encoder = ReadableEncoder(fail_after=70)
    with pytest.raises(EncoderFailed):
        house.refresh()
    assert house.points() == before
    house.encoder = ReadableEncoder()
    assert house.refresh().encoder_calls == 100 - 64


def test_an_edit_whose_encoding_failed_and_that_was_taken_back_changes_nothing(house: House):
    house.write("a.md", "an edit")
    house.encoder = ReadableEncoder(fail_after=0)
    with pytest.raises(EncoderFailed):
        house.refresh()
    house.write("a.md", "# Apples\n\nred\n\ngreen")
    assert unchanged(house.refresh())


def test_a_second_writer_is_refused_and_changes_nothing(house: House):
    house.write("c.md", "cherries")
    with writer_lock(house.index_root), pytest.raises(IndexBusy):
        house.refresh()
    assert house.refresh().generation == 2


def test_an_index_with_damage_is_not_built_upon_and_the_remedy_works(house: House):
    before = house.points()
    (house.index_root / "generations" / "1" / "catalogue.json").write_text("{}")
    with pytest.raises(IndexDamaged) as damage:
        house.refresh()
    assert "Delete the file CURRENT" in damage.value.remedy
    (house.index_root / "CURRENT").unlink()
    result = house.refresh()
    assert (result.generation, result.encoder_calls) == (2, 0)
    assert house.points() == before


def text_of(house: House, document_id: str) -> str:
    generation = current_number(house.index_root) or 0
    return TextArchive(house.index_root, house.texts_root).text(generation, document_id)


def test_a_lost_text_is_stored_again_by_the_next_refresh(house: House):
    remove_tree(house.texts_root)
    assert unchanged(house.refresh())
    assert text_of(house, "docs:b.md") == "# Berries\n\nblue"
    assert current_number(house.index_root) == 1


def test_a_damaged_text_is_stored_again_by_its_remedy(house: House):
    for path in house.texts_root.rglob("*.txt"):
        path.write_bytes(b"")
    with pytest.raises(IndexDamaged) as damage:
        text_of(house, "docs:b.md")
    assert "Delete the file CURRENT" in damage.value.remedy
    (house.index_root / "CURRENT").unlink()
    assert house.refresh().encoder_calls == 0
    assert text_of(house, "docs:b.md") == "# Berries\n\nblue"


def test_a_damaged_shard_is_made_anew_by_its_remedy(house: House):
    before = house.points()
    for path in shard_folder(house.index_root, 1).rglob("segment.json"):
        path.write_text("{")
    house.write("c.md", "cherries")
    with pytest.raises(IndexDamaged) as damage:
        house.refresh()
    assert "Delete the file CURRENT" in damage.value.remedy
    (house.docs / "c.md").unlink()
    (house.index_root / "CURRENT").unlink()
    assert house.refresh().encoder_calls == 0
    assert house.points() == before


@pytest.mark.parametrize("plan_only", [False, True])
def test_an_index_that_is_a_file_is_unusable(tmp_path: Path, plan_only: bool):
    house = House(tmp_path)
    house.write("a.md", "red")
    house.index_root.write_text("no folder")
    with pytest.raises(IndexUnusable) as unusable:
        house.refresh(plan_only=plan_only)
    assert unusable.value.kind == "index_unusable"


def test_a_full_disk_of_texts_is_blamed_on_the_texts(house: House, monkeypatch: pytest.MonkeyPatch):
    def full(path: Path, content: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    house.write("c.md", "cherries")
    monkeypatch.setattr("retrieval.texts.write_synced", full)
    with pytest.raises(DiskFull, match=str(house.texts_root)):
        house.refresh()


def test_a_plan_over_an_empty_cache_counts_every_text(tmp_path: Path):
    house = House(tmp_path)
    house.write("a.md", "red")
    house.index_root.mkdir()
    (house.index_root / "vectors.sqlite").touch()
    assert house.refresh(plan_only=True).encoder_calls == 1
    assert files_below(house.index_root) == {"vectors.sqlite": hashlib.sha256(b"").hexdigest()}


def test_progress_names_the_stages_in_order(house: House):
    house.write("c.md", "cherries")
    seen: list[tuple[str, int, int]] = []
    house.refresh(progress=lambda *step: seen.append(step))
    assert seen == [("read", 1, 3), ("read", 2, 3), ("read", 3, 3), ("encode", 1, 1), ("write", 1, 1)]
