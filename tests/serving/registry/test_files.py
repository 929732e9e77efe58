"""One holds a lock, and the next is told before it waits."""

from __future__ import annotations

from pathlib import Path
from threading import Event, Thread

from serving.registry.files import locked


def test_a_free_lock_is_taken_without_a_word(tmp_path: Path):
    said = list[str]()
    for _ in range(2):
        with locked(tmp_path / "deep" / ".lock", waiting=lambda: said.append("waiting")):
            assert said == []


def test_who_finds_the_lock_held_is_told_that_it_waits_and_then_goes_on(tmp_path: Path):
    waits, entered = Event(), Event()

    def come_second() -> None:
        with locked(tmp_path / ".lock", waiting=waits.set):
            entered.set()

    second = Thread(target=come_second)
    with locked(tmp_path / ".lock"):
        second.start()
        assert waits.wait(60)
        assert not entered.is_set()
    second.join(60)
    assert entered.is_set()
