"""What a log is told of work that takes long: a line a minute, with the time that is left."""

from __future__ import annotations

import pytest

from flows.console import Console


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr("flows.console.monotonic", lambda: now[0])
    return now


def test_a_log_gets_a_line_a_minute_with_the_time_that_is_left(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    console = Console(as_json=True)
    for step in range(31):
        console.progress(f"train, loss {step / 10:.1f}", 10 + step, 70)
        clock[0] += 10.0
    told = capsys.readouterr()
    assert told.err.splitlines() == [
        f"train, loss {step / 10:.1f}: {10 + step} of 70, {(60 - step) / 6:.0f} min left"
        for step in (6, 12, 18, 24, 30)
    ]
    assert told.out == ""


def test_short_work_says_nothing_in_a_log(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(as_json=False)
    for step in range(11):
        console.progress("encode", step, 10)
        clock[0] += 5.9
    assert capsys.readouterr().err == ""
