"""What a log is told of work that takes long: a line a minute, with the rate and the time that is left."""

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
        f"train, loss {step / 10:.1f}: {step} of 70, 10.0 s each, {(70 - step) / 6:.0f} min left"
        for step in (16, 22, 28, 34, 40)
    ]


def test_the_last_minute_is_said_to_be_one(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(as_json=True, clock=StepClock(10.0))
    assert told(console, capsys, range(8), 8) == ["train, loss 0.6: 6 of 8, 10.0 s each, under a minute left"]


def test_a_stage_that_comes_again_begins_anew(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(as_json=False, clock=StepClock(10.0))
    first = told(console, capsys, range(31), 30)
    assert told(console, capsys, range(31), 30) == first != []


def test_short_work_says_nothing_in_a_log(capsys: pytest.CaptureFixture[str]) -> None:
    assert told(Console(as_json=False, clock=StepClock(5.9)), capsys, range(11), 10) == []


def test_a_bar_tells_the_rate_and_the_time_left_of_slow_steps(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Rich forgets what is older than half a minute unless it is told to remember."""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setattr("rich.console.monotonic", clock := StepClock(0.0))
    console = Console(as_json=False)
    for step in range(6):
        clock.now = 40.0 * step
        console.progress("train", step, 30)
    bar = console._bar
    assert bar is not None
    (task,) = bar.tasks
    shown = [column(task) for column in bar.columns if not isinstance(column, str)]
    console.close()
    assert "40.0 s each" in map(str, shown)
    assert "0:16:40" in map(str, shown)
