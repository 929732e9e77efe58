"""Channels: one switch at a time, each of them remembered, and a way back."""

from __future__ import annotations

import contextlib
import errno
import json
import multiprocessing
import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from serving.interface.behaviours import Behaviour, UntunedMode
from serving.registry.channels import HYBRID_ORDER, Channel, Channels, untuned_modes
from serving.registry.errors import (
    AdapterDamaged,
    AdapterMissing,
    ChannelsDamaged,
    ModelStorageFull,
    RegistryError,
    SwitchRefused,
)
from tests.serving.registry.made_adapters import NOON

PRODUCTION, REFUSAL = Channel.PRODUCTION, Behaviour.REFUSAL
A, B, C = "a" * 12, "b" * 12, "c" * 12


def sound(behaviour: Behaviour, version: str) -> None:
    """Nothing speaks against any version."""


def unsound(*versions: str) -> Any:
    def check(behaviour: Behaviour, version: str) -> None:
        if version in versions:
            raise AdapterDamaged(f"{version} must not be served", remedy="")

    return check


@pytest.fixture
def channels(tmp_path: Path) -> Channels:
    return Channels(tmp_path / "var" / "channels.json")


def promote(channels: Channels, *values: str) -> None:
    for value in values:
        channels.promote(PRODUCTION, REFUSAL, value, at=NOON, check=sound)


def rollback(channels: Channels) -> str:
    return channels.rollback(PRODUCTION, REFUSAL, at=NOON, check=sound).value


def test_before_anybody_chose_there_is_no_value_and_no_file(channels: Channels, tmp_path: Path):
    assert channels.value(PRODUCTION, REFUSAL) is None
    assert channels.history(PRODUCTION, REFUSAL) == ()
    assert not (tmp_path / "var").exists()


def test_what_is_promoted_is_served_there_and_nowhere_else(channels: Channels, tmp_path: Path):
    promote(channels, A)
    again = Channels(tmp_path / "var" / "channels.json")
    values = {(c, b): again.value(c, b) for c in Channel for b in Behaviour}
    assert values.pop((PRODUCTION, REFUSAL)) == A
    assert set(values.values()) == {None}
    assert again.users(REFUSAL, A) == (PRODUCTION,)
    assert again.users(Behaviour.CITATION, A) == ()
    assert again.versions(REFUSAL) == (A,)


def test_a_rollback_goes_one_back_and_a_second_one_two(channels: Channels):
    promote(channels, A, B, C)
    assert [rollback(channels), rollback(channels)] == [B, A]
    promote(channels, C)
    assert rollback(channels) == A
    assert [s.value for s in channels.history(PRODUCTION, REFUSAL)] == [A, B, C, B, A, C, A]


@pytest.mark.parametrize(("promoted", "said"), [((), "nothing was ever promoted"), ((A,), f"{A} was its first value")])
def test_where_nothing_came_before_there_is_no_rollback(channels: Channels, promoted: tuple[str, ...], said: str):
    promote(channels, *promoted)
    with pytest.raises(SwitchRefused, match=said) as caught:
        rollback(channels)
    assert "Promote a version, or an un-tuned mode: prompt, few_shot" in caught.value.remedy


def test_promoting_what_is_served_already_changes_nothing(channels: Channels):
    promote(channels, A, B, B)
    later = channels.promote(PRODUCTION, REFUSAL, B, at=NOON + timedelta(days=1), check=sound)
    assert later.at == NOON
    assert rollback(channels) == A


def test_a_choice_that_rests_on_what_is_served_no_more_is_not_made(channels: Channels):
    at_first = channels.history(PRODUCTION, REFUSAL)
    channels.promote(PRODUCTION, REFUSAL, A, at=NOON, check=sound, since=at_first)
    then = channels.history(PRODUCTION, REFUSAL)
    channels.promote(PRODUCTION, Behaviour.CITATION, C, at=NOON, check=sound)
    channels.promote(PRODUCTION, REFUSAL, B, at=NOON, check=sound, since=then)
    for outdated in (at_first, then):
        with pytest.raises(SwitchRefused, match=f"switched to {B} while refusal@{C} was being judged") as caught:
            channels.promote(PRODUCTION, REFUSAL, C, at=NOON, check=sound, since=outdated)
        assert "`groundskeeper retrain refusal --promote`" in caught.value.remedy
    assert [switch.value for switch in channels.history(PRODUCTION, REFUSAL)] == [A, B]
    assert channels.promote(PRODUCTION, REFUSAL, B, at=NOON, check=sound, since=at_first).value == B


def test_what_was_left_and_came_back_was_not_there_all_the_time(channels: Channels):
    promote(channels, A)
    since = channels.history(PRODUCTION, REFUSAL)
    promote(channels, B)
    assert rollback(channels) == A
    with pytest.raises(SwitchRefused, match=f"switched to {A}"):
        channels.promote(PRODUCTION, REFUSAL, C, at=NOON, check=sound, since=since)


def at_once(switch: Callable[[str], None], digits: str) -> None:
    """Calls `switch` with each digit, each in a process of its own."""
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=switch, args=(digit,)) for digit in digits]
    for process in processes:
        process.start()
    for process in processes:
        process.join()


def test_of_choices_that_several_processes_rest_on_one_state_one_is_made(channels: Channels):
    def switch(digit: str) -> None:
        with contextlib.suppress(SwitchRefused):
            channels.promote(PRODUCTION, REFUSAL, digit * 12, at=NOON, check=sound, since=())

    at_once(switch, "1234")
    assert len(channels.history(PRODUCTION, REFUSAL)) == 1


def test_what_must_not_be_served_is_neither_promoted_nor_gone_back_to(channels: Channels):
    promote(channels, A, B)
    with pytest.raises(AdapterDamaged):
        channels.promote(PRODUCTION, REFUSAL, C, at=NOON, check=unsound(C))
    with pytest.raises(AdapterDamaged):
        channels.rollback(PRODUCTION, REFUSAL, at=NOON, check=unsound(A))
    assert channels.value(PRODUCTION, REFUSAL) == B
    assert len(channels.history(PRODUCTION, REFUSAL)) == 2


def test_un_tuned_modes_are_asked_no_questions(channels: Channels):
    for behaviour in Behaviour:
        for mode in untuned_modes(behaviour):
            channels.promote(PRODUCTION, behaviour, mode, at=NOON, check=unsound(mode))
            assert channels.value(PRODUCTION, behaviour) == mode
            assert channels.versions(behaviour) == ()
    assert untuned_modes(Behaviour.RERANK) == (HYBRID_ORDER,)
    assert untuned_modes(REFUSAL) == tuple(UntunedMode)


@pytest.mark.parametrize("value", ["latest", "", "hybrid_order", "few-shot", "A" * 12, "a" * 11, "../a"], ids=repr)
def test_what_is_no_value_of_a_behaviour_is_told_with_those_that_are(channels: Channels, value: str):
    with pytest.raises(AdapterMissing, match="is neither a version of refusal") as caught:
        promote(channels, value)
    assert "prompt, few_shot" in caught.value.remedy
    assert channels.value(PRODUCTION, REFUSAL) is None


def test_a_starter_takes_the_place_of_nothing_and_of_another_starter_but_of_no_choice(channels: Channels):
    assert channels.adopt(PRODUCTION, REFUSAL, C, at=NOON)
    assert not channels.adopt(PRODUCTION, REFUSAL, C, at=NOON)
    assert channels.adopt(PRODUCTION, REFUSAL, A, at=NOON)
    promote(channels, "few_shot")
    assert not channels.adopt(PRODUCTION, REFUSAL, A, at=NOON)
    assert channels.value(PRODUCTION, REFUSAL) == "few_shot"
    assert rollback(channels) == A
    assert not channels.adopt(PRODUCTION, REFUSAL, B, at=NOON)


SWITCH = {"value": A, "action": "promote", "at": "2026-11-25T12:00:00Z"}


@pytest.mark.parametrize(
    ("history", "said"),
    [
        ([SWITCH | {"value": "latest"}], "neither a version nor an un-tuned mode"),
        ([SWITCH, SWITCH | {"action": "rollback"}], "which was not the value before"),
        ([SWITCH, SWITCH | {"value": B}, SWITCH | {"value": B, "action": "rollback"}], "not the value before"),
        ([SWITCH | {"action": "guess"}], "'promote'"),
        ([SWITCH | {"by": "me"}], "Extra inputs"),
        ([SWITCH | {"at": "0001-01-01T00:00:00+05:00"}], "no moment of the calendar in UTC"),
        ([SWITCH | {"at": "2026-11-25T12:00:00"}], "timezone"),
    ],
)
def test_a_file_that_tells_an_impossible_story_is_refused(channels: Channels, tmp_path: Path, history: Any, said: str):
    path = tmp_path / "var" / "channels.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"format": 1, "channels": {"production": {"refusal": history}}}), "utf-8")
    with pytest.raises(ChannelsDamaged, match=said) as caught:
        channels.value(PRODUCTION, REFUSAL)
    assert "Restore it from a copy" in caught.value.remedy


@pytest.mark.parametrize("content", [b"", b"{", b'{"format": 2}', b"\xff", b'{"channels": {"production": []}}'])
def test_a_file_that_cannot_be_read_is_not_overwritten(channels: Channels, tmp_path: Path, content: bytes):
    path = tmp_path / "var" / "channels.json"
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(ChannelsDamaged):
        promote(channels, A)
    assert path.read_bytes() == content


def test_a_place_that_cannot_be_written_to_is_told(tmp_path: Path):
    (tmp_path / "var").write_text("in the way", "utf-8")
    with pytest.raises(RegistryError, match="cannot be used to"):
        promote(Channels(tmp_path / "var" / "channels.json"), A)


def test_a_disk_that_is_full_is_told_and_leaves_what_was_served(
    channels: Channels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    promote(channels, A)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(ModelStorageFull, match="too full to switch a channel"):
            promote(channels, B)
    assert channels.value(PRODUCTION, REFUSAL) == A
    assert {path.name for path in (tmp_path / "var").iterdir()} == {"channels.json", ".channels.json.lock"}


def test_switches_of_several_processes_are_all_kept(channels: Channels):
    def switch(digit: str) -> None:
        for other in "abcd":
            channels.promote(PRODUCTION, REFUSAL, digit * 11 + other, at=NOON, check=sound)

    at_once(switch, "123")
    history = [entry.value for entry in channels.history(PRODUCTION, REFUSAL)]
    assert sorted(history) == sorted(digit * 11 + other for digit in "123" for other in "abcd")


class Switching(RuleBasedStateMachine):
    """Channels against a model: a pile of values for each place, and the log of what was served."""

    places = st.tuples(st.sampled_from([PRODUCTION, Channel.CANARY]), st.sampled_from([REFUSAL, Behaviour.RERANK]))
    versions = st.sampled_from([A, B, C])

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "channels.json"
        self.piles: dict[Any, list[str]] = {}
        self.chosen: set[Any] = set()
        self.logs: dict[Any, list[str]] = {}
        self.broken: set[str] = set()

    @property
    def channels(self) -> Channels:
        """A new one each time: nothing may live in memory alone."""
        return Channels(self.path)

    @rule(place=places, value=st.one_of(versions, st.sampled_from(["few_shot", HYBRID_ORDER])))
    def promote(self, place: Any, value: str) -> None:
        pile = self.piles.get(place, [])
        known = value in {A, B, C, *untuned_modes(place[1])}
        if not known or value in self.broken:
            with pytest.raises(AdapterDamaged if known else AdapterMissing):
                self.channels.promote(*place, value, at=NOON, check=unsound(*self.broken))
            return
        assert self.channels.promote(*place, value, at=NOON, check=unsound(*self.broken)).value == value
        if pile[-1:] != [value]:
            self._served(place, [*pile, value])
            self.chosen.add(place)

    @rule(place=places)
    def rollback(self, place: Any) -> None:
        pile = self.piles.get(place, [])
        if len(pile) < 2 or pile[-2] in self.broken:
            with pytest.raises(SwitchRefused if len(pile) < 2 else AdapterDamaged):
                self.channels.rollback(*place, at=NOON, check=unsound(*self.broken))
            return
        assert self.channels.rollback(*place, at=NOON, check=unsound(*self.broken)).value == pile[-2]
        self._served(place, pile[:-1])
        self.chosen.add(place)

    @rule(place=places, version=versions)
    def adopt(self, place: Any, version: str) -> None:
        pile = self.piles.get(place, [])
        free = place not in self.chosen and pile[-1:] != [version]
        assert self.channels.is_free(*place, version) is free
        assert self.channels.adopt(*place, version, at=NOON) is free
        if free:
            self._served(place, [*pile, version])

    @rule(version=versions)
    def break_or_mend(self, version: str) -> None:
        self.broken ^= {version}

    def _served(self, place: Any, pile: list[str]) -> None:
        self.piles[place] = pile
        self.logs.setdefault(place, []).append(pile[-1])

    @invariant()
    def what_is_served_and_remembered_is_what_the_model_says(self) -> None:
        for channel in Channel:
            for behaviour in Behaviour:
                log = self.logs.get((channel, behaviour), [])
                assert [switch.value for switch in self.channels.history(channel, behaviour)] == log
                assert self.channels.value(channel, behaviour) == (log[-1] if log else None)
        for version in (A, B, C):
            users = {
                channel
                for (channel, behaviour), pile in self.piles.items()
                if (behaviour, pile[-1]) == (REFUSAL, version)
            }
            assert set(self.channels.users(REFUSAL, version)) == users

    def teardown(self) -> None:
        self.folder.cleanup()


TestSwitching = Switching.TestCase
TestSwitching.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)
