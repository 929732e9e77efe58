"""Refreshes killed with SIGKILL while a reader runs: six rounds of `tests/benchmarks/kill_refresh.py`."""

from __future__ import annotations

from pathlib import Path

from tests.benchmarks.kill_refresh import kill_refreshes


def test_a_killed_refresh_leaves_the_old_state_serving_and_the_next_one_finishes_it(tmp_path: Path):
    report = kill_refreshes(tmp_path, kills=5, documents=10, seed=3)
    assert [kill.equals_rebuild for kill in report.kills] == [True] * 5
    assert {kill.served for kill in report.kills if kill.operation < kill.window} <= {"old"}
    assert any(kill.how == "counted" for kill in report.kills)
    assert report.before_the_switch >= 0.8
    assert (report.retiring.at, report.retiring.served) == ("rmtree trash", "new")
    assert report.states_seen >= 3
    assert report.is_good
