"""A kill at any instant leaves nothing half registered and no channel half switched; the next run makes good."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from serving.interface.behaviours import Behaviour
from serving.registry.adapters import AdapterStore
from serving.registry.channels import Channel, Channels
from serving.registry.errors import AdapterDamaged
from serving.registry.starter import adopt_starters
from tests.serving.registry.killing import Counting, kill_at, lines, moments, once_each, steps
from tests.serving.registry.made_adapters import BASES, CONTRACTS, NOON, draft, write_source

REFUSAL, PRODUCTION = Behaviour.REFUSAL, Channel.PRODUCTION
OLD, NEW = "a" * 12, "b" * 12

each_way = pytest.mark.parametrize("counting", [lines, steps])


def places(root: Path) -> set[str]:
    """All names in a store but the lock's, as far as versions."""
    return {str(path.relative_to(root)) for path in (*root.glob("*"), *root.glob("*/*")) if path.name != ".lock"}


@each_way
def test_a_registration_that_is_killed_leaves_nothing_half_registered(tmp_path: Path, counting: Counting):
    source = write_source(tmp_path / "run", statements=("recipe.yaml",))
    store = AdapterStore(tmp_path / "adapters")
    first = store.register(write_source(tmp_path / "earlier", weight=2), draft())
    whole = AdapterStore(tmp_path / "whole").register(source, draft())

    def register() -> None:
        store.register(source, draft())

    found = moments(register, counting)
    assert store.verify(REFUSAL, whole.version)
    assert len(found) > 20
    outcomes = set()
    for moment in once_each(found):
        shutil.rmtree(tmp_path / "adapters" / "refusal" / whole.version, ignore_errors=True)
        assert kill_at(moment, register, counting), f"not killed at {found[moment]}"
        listed = store.list(verify=True)
        assert [entry.problem for entry in listed] == [None] * len(listed), found[moment]
        outcomes.add(frozenset(entry.version for entry in listed))
        assert store.register(source, draft()) == whole
        assert places(tmp_path / "adapters") == {"refusal", f"refusal/{first.version}", f"refusal/{whole.version}"}
    assert outcomes == {frozenset({first.version}), frozenset({first.version, whole.version})}


def test_a_repair_that_is_killed_leaves_the_adapter_damaged_missing_or_whole_and_is_made_good(tmp_path: Path):
    source, store = write_source(tmp_path / "run"), AdapterStore(tmp_path / "adapters")
    whole = store.register(source, draft())
    folder = tmp_path / "adapters" / "refusal" / whole.version

    def damage() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()

    def repair() -> None:
        store.register(source, draft())

    damage()
    found = moments(repair, steps)
    outcomes = set()
    for moment in once_each(found):
        damage()
        assert kill_at(moment, repair, steps), f"not killed at {found[moment]}"
        outcomes.add(frozenset(type(entry.problem) for entry in store.list(verify=True)))
        assert store.register(source, draft()) == whole
        assert store.verify(REFUSAL, whole.version) == whole
        assert places(tmp_path / "adapters") == {"refusal", f"refusal/{whole.version}"}
    assert outcomes == {frozenset({AdapterDamaged}), frozenset(), frozenset({type(None)})}


@each_way
def test_a_switch_that_is_killed_has_happened_or_not(tmp_path: Path, counting: Counting):
    channels = Channels(tmp_path / "channels.json")

    def promote(value: str) -> None:
        channels.promote(PRODUCTION, REFUSAL, value, at=NOON, check=lambda *_: None)

    promote("prompt")
    promote(OLD)
    before = (tmp_path / "channels.json").read_bytes()
    switches: list[tuple[Callable[[], object], str]] = [
        (lambda: promote(NEW), NEW),
        (lambda: channels.rollback(PRODUCTION, REFUSAL, at=NOON, check=lambda *_: None), "prompt"),
    ]
    for switch, after in switches:
        found = moments(switch, counting)
        assert channels.value(PRODUCTION, REFUSAL) == after
        outcomes = set()
        for moment in once_each(found):
            (tmp_path / "channels.json").write_bytes(before)
            assert kill_at(moment, switch, counting), f"not killed at {found[moment]}"
            outcomes.add(channels.value(PRODUCTION, REFUSAL))
            promote("few_shot")
            assert channels.value(PRODUCTION, REFUSAL) == "few_shot"
        assert outcomes == {OLD, after}
        (tmp_path / "channels.json").write_bytes(before)


def test_an_adoption_that_is_killed_is_finished_by_the_next_use(tmp_path: Path):
    made = AdapterStore(tmp_path / "made").register(write_source(tmp_path / "run"), draft())
    shutil.copytree(tmp_path / "made" / "refusal" / made.version, tmp_path / "starter" / "refusal")
    var = tmp_path / "var"
    store, channels = AdapterStore(var / "adapters"), Channels(var / "channels.json")

    def adopt() -> None:
        adopt_starters(tmp_path / "starter", store, channels, bases=BASES, contracts=CONTRACTS, at=NOON)

    found = moments(adopt, steps)
    for moment in once_each(found):
        shutil.rmtree(var)
        assert kill_at(moment, adopt, steps), f"not killed at {found[moment]}"
        assert channels.value(PRODUCTION, REFUSAL) in {None, made.version}
        assert [entry.problem for entry in store.list(channels, verify=True)] in ([], [None])
        adopt()
        assert channels.value(PRODUCTION, REFUSAL) == made.version
        assert store.verify(REFUSAL, made.version) == made


def test_everything_is_on_the_disk_before_anybody_is_told_of_it(tmp_path: Path):
    """What a power cut could undo is synced before the rename that makes it visible, and so is the name after it."""
    source = write_source(tmp_path / "run", statements=("recipe.yaml",))
    adapters, path = tmp_path / "adapters", tmp_path / "channels.json"

    def work() -> None:
        version = AdapterStore(adapters).register(source, draft()).version
        Channels(path).promote(PRODUCTION, REFUSAL, version, at=NOON, check=lambda *_: None)

    found = moments(work, steps)
    renames = [index for index, step in enumerate(found) if step.startswith("os.rename")]
    assert len(renames) == 2
    before, between, after = (
        {step.removeprefix("fsync ") for step in found[start:end] if step.startswith("fsync ")}
        for start, end in itertools.pairwise([0, *renames, len(found)])
    )
    staging = adapters / ".staging" / "new"
    written = [path.name for path in next((adapters / "refusal").iterdir()).iterdir()]
    assert len(written) == 5
    assert before >= {str(staging / name) for name in written} | {str(staging), str(adapters)}
    assert str(adapters / "refusal") in between
    assert str(path.with_name(".channels.json.tmp")) in between
    assert str(tmp_path) in after
