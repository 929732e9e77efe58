"""A snapshot is whole or not there, never changes, and is named after all that is in it."""

from __future__ import annotations

import os
import random
import signal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from serving.interface.behaviours import Behaviour
from serving.registry.errors import ModelStorageFull
from tests.tuning import made_rows
from tests.tuning.made_rows import refusal
from tuning import snapshot as snapshot_module
from tuning.errors import NothingToTrainOn, SnapshotDamaged, SnapshotMissing, SplitAbsent, SyntheticShareTooHigh
from tuning.rows import RefusalRow
from tuning.snapshot import Snapshot, make_snapshot, open_snapshot
from tuning.split import Share, Split, SplitRule

RULE = SplitRule(calibration=Share(share=0.2), held_out=Share(share=0.3))


def rows(count: int = 20) -> list[RefusalRow]:
    """Rows with nothing in common."""
    chance = random.Random(3)
    texts = ["".join(chance.choices("abcdefghij ", k=60)) for _ in range(count)]
    return [refusal(f"{text[:20]}?", text, document=str(n), source="ours") for n, text in enumerate(texts)]


def make(root: Path, given_rows: Any = None, **changes: Any) -> Snapshot:
    arguments: dict[str, Any] = {"contract": "c" * 64, "seed": 7, "synthetic_cap": 0.5, "rule": RULE} | changes
    behaviour = arguments.pop("behaviour", Behaviour.REFUSAL)
    return make_snapshot(behaviour, rows() if given_rows is None else given_rows, root=root, **arguments)


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_rows_that_are_given_twice_take_no_row_from_a_split(tmp_path: Path):
    most = {Split.CALIBRATION: 20, Split.HELD_OUT: 40}
    once, twice = (make(tmp_path, given, rule=None, most=most) for given in (rows(400), rows(400) * 2))
    assert once.manifest.rows == twice.manifest.rows == {"train": 340, "calibration": 20, "held_out": 40}
    assert once.rows("held_out") == twice.rows("held_out")


KINDS = {
    Behaviour.QUERY_REWRITE: made_rows.rewrite_rows,
    Behaviour.REFUSAL: made_rows.refusal_rows(),
    Behaviour.CITATION: made_rows.citation_rows(),
    Behaviour.RERANK: made_rows.rerank_rows,
}


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.sampled_from(Behaviour).flatmap(lambda b: st.tuples(st.just(b), st.lists(KINDS[b], min_size=1, max_size=5))))
def test_what_was_stored_is_read_back_equal(tmp_path_factory: pytest.TempPathFactory, drawn: tuple[Behaviour, list]):
    behaviour, drawn_rows = drawn
    root = tmp_path_factory.mktemp("snapshots")
    try:
        made = make(root, drawn_rows, behaviour=behaviour, synthetic_cap=1.0)
    except NothingToTrainOn:
        return
    again = open_snapshot(made.folder)
    assert again == made
    stored = [row for split in Split for row in again.rows(split)]
    assert all(row in drawn_rows for row in stored)
    assert len(stored) + sum(again.manifest.removed.values()) == len(drawn_rows)


def test_the_same_rows_in_any_order_are_the_same_snapshot(tmp_path: Path):
    made = make(tmp_path)
    before = {name: (made.folder / name).stat().st_mtime_ns for name in files(made.folder)}
    assert make(tmp_path, rows()[::-1]).id == made.id
    assert {name: (made.folder / name).stat().st_mtime_ns for name in files(made.folder)} == before
    assert make(tmp_path / "elsewhere").id == made.id


@pytest.mark.parametrize(
    "change",
    [
        {"contract": "d" * 64},
        {"seed": 8},
        {"given_rows": rows(19)},
        {"rule": SplitRule(calibration=None)},
        {"synthetic_cap": 0.4},
    ],
    ids=lambda change: next(iter(change)),
)
def test_whatever_differs_gives_another_snapshot(tmp_path: Path, change: dict[str, Any]):
    assert make(tmp_path, **change).id != make(tmp_path).id


def test_the_manifest_tells_what_is_inside_and_what_is_not(tmp_path: Path):
    made_up = refusal(
        "Does a machine ask this question, or who does?", "Nobody knows.", synthetic=True, source="machine"
    )
    manifest = make(tmp_path, [*rows(19), *rows(1), made_up]).manifest
    assert sum(manifest.rows.values()) == 20
    assert manifest.removed == {"exact": 1, "near": 0, "conflicting": 0, "over_cap": 0}
    assert manifest.synthetic_share == pytest.approx(1 / 20)
    assert [(s.source, s.rows, s.synthetic) for s in manifest.sources] == [("machine", 1, 1), ("ours", 19, 0)]
    assert manifest.files.keys() == {"train.jsonl", "calibration.jsonl", "held_out.jsonl"}


def test_more_synthetic_rows_than_the_charter_allows_are_refused(tmp_path: Path):
    some = [row.model_copy(update={"origin": row.origin.model_copy(update={"synthetic": True})}) for row in rows()[:8]]
    with pytest.raises(SyntheticShareTooHigh, match=r"40\.0%.*30\.0%"):
        make(tmp_path, [*some, *rows()[8:]], synthetic_cap=0.3)
    assert list(tmp_path.iterdir()) == []
    assert make(tmp_path, [*some, *rows()[8:]], synthetic_cap=0.4).manifest.synthetic_share == 0.4


def test_rows_of_which_none_stays_are_refused(tmp_path: Path):
    with pytest.raises(NothingToTrainOn):
        make(tmp_path, [refusal("Is it?", "It is."), refusal("Is it?", "It is.", "unanswerable")])


def test_an_absent_split_is_not_an_empty_one(tmp_path: Path):
    lonely = make(tmp_path, rows(1), rule=SplitRule(calibration=None))
    assert lonely.rows("held_out") == ()
    with pytest.raises(SplitAbsent, match="calibration"):
        lonely.rows("calibration")


@pytest.mark.parametrize("name", ["manifest.json", "train.jsonl", "calibration.jsonl", "held_out.jsonl"])
@pytest.mark.parametrize("damage", ["a flipped bit", "a byte less", "missing"])
def test_a_damaged_file_is_named(tmp_path: Path, name: str, damage: str):
    made = make(tmp_path)
    path = made.folder / name
    whole = path.read_bytes()
    middle = len(whole) // 2
    path.unlink()
    if damage == "a flipped bit":
        path.write_bytes(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])
    elif damage == "a byte less":
        path.write_bytes(whole[:-1])
    with pytest.raises(SnapshotDamaged, match=name):
        open_snapshot(made.folder)
    with pytest.raises(SnapshotDamaged, match=name):
        make(tmp_path)


def test_a_file_that_changes_after_opening_is_noticed_when_it_is_read(tmp_path: Path):
    made = make(tmp_path)
    path = made.folder / "train.jsonl"
    path.write_bytes(path.read_bytes().replace(b"answerable", b"ANSWERABLE"))
    with pytest.raises(SnapshotDamaged, match=r"train\.jsonl"):
        made.rows("train")


def test_a_snapshot_that_is_not_there_is_missed(tmp_path: Path):
    with pytest.raises(SnapshotMissing):
        open_snapshot(tmp_path / "none")


STEPS = [("make_folder", 1), *(("write_synced", call) for call in range(1, 5)), ("sync_folder", 1), ("sync_folder", 2)]


@pytest.mark.parametrize(("step", "call"), STEPS)
def test_a_kill_at_any_step_leaves_a_whole_snapshot_or_none(tmp_path: Path, step: str, call: int):
    child = os.fork()
    if not child:
        kill_at(step, call)
        make(tmp_path)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status)
    for folder in (path for path in (tmp_path / "refusal").glob("*") if not path.name.startswith(".")):
        assert open_snapshot(folder).id == folder.name
    made = make(tmp_path)
    assert {path.name for path in made.folder.parent.iterdir()} == {".lock", made.id}


def kill_at(step: str, call: int) -> None:
    """In this process, be killed when `step` is called for the `call`-th time."""
    real, calls = getattr(snapshot_module, step), iter(range(1, 100))

    def counted(*arguments: Any) -> None:
        if next(calls) == call:
            os.kill(os.getpid(), signal.SIGKILL)
        real(*arguments)

    setattr(snapshot_module, step, counted)


def test_what_a_killed_run_left_is_no_part_of_the_next_snapshot(tmp_path: Path):
    left = tmp_path / "refusal" / ".staging"
    left.mkdir(parents=True)
    (left / "held_out.jsonl").write_text("half a row")
    (left / "notes.txt").write_text("of another snapshot")
    made = make(tmp_path, rule=SplitRule(calibration=None, held_out=None))
    assert files(made.folder).keys() == {"manifest.json", "train.jsonl"}


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(path: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device", str(path))

    with monkeypatch.context() as patched:
        patched.setattr(snapshot_module, "write_synced", full)
        with pytest.raises(ModelStorageFull):
            make(tmp_path)
    assert make(tmp_path).rows("train")
