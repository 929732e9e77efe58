"""Refreshes killed with SIGKILL while a reader runs: three rounds of `tests/benchmarks/kill_refresh.py`."""

from __future__ import annotations

from pathlib import Path

from tests.benchmarks.kill_refresh import kill_refreshes


def test_a_killed_refresh_leaves_the_old_state_serving_and_the_next_one_finishes_it(tmp_path: Path):
    report = kill_refreshes(tmp_path, kills=3, documents=10, seed=3)
    assert [kill.equals_rebuild for kill in report.kills] == [True, True, True]
    assert {kill.served for kill in report.kills if kill.operation < kill.window} <= {"old"}
    assert any(kill.how == "counted" for kill in report.kills)
    assert report.states_seen >= 3
    assert report.is_good
