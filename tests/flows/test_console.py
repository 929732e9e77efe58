"""What a log is told of work that takes long: a line a minute, with the time that is left."""

from __future__ import annotations

import pytest

from flows.console import Console
from tests.fakes import StepClock


def told(console: Console, capsys: pytest.CaptureFixture[str], steps: range, total: int) -> list[str]:
    for step in steps:
        console.progress(f"train, loss {step / 10:.1f}", step, total)
    shown = capsys.readouterr()
    assert shown.out == ""
    return shown.err.splitlines()


def test_a_log_gets_a_line_a_minute_with_the_time_that_is_left(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(as_json=True, clock=StepClock(10.0))
    assert told(console, capsys, range(10, 41), 70) == [
        f"train, loss {step / 10:.1f}: {step} of 70, {(70 - step) / 6:.0f} min left" for step in (16, 22, 28, 34, 40)
    ]


def test_the_last_minute_is_said_to_be_one(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(as_json=True, clock=StepClock(10.0))
    assert told(console, capsys, range(8), 8) == ["train, loss 0.6: 6 of 8, under a minute left"]


def test_a_stage_that_comes_again_begins_anew(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(as_json=False, clock=StepClock(10.0))
    first = told(console, capsys, range(31), 30)
    assert told(console, capsys, range(31), 30) == first != []


def test_short_work_says_nothing_in_a_log(capsys: pytest.CaptureFixture[str]) -> None:
    assert told(Console(as_json=False, clock=StepClock(5.9)), capsys, range(11), 10) == []
