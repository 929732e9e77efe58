"""The refresh as a real Prefect flow, against Prefect's own temporary server."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import contextlib, io, json, sys
from flows.cli import main
done = []
for arguments in json.loads(sys.argv[1]):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        code = main(arguments)
    done.append({"code": code, "document": json.loads(out.getvalue())})
print(json.dumps(done))
"""


@pytest.mark.models
def test_a_refresh_runs_as_a_recorded_flow_and_its_errors_reach_the_user_plainly(
    pages: Path, working_folder: Path, models_root: Path
):
    """One process for all three, since the temporary server takes its time to start."""
    calls = [["refresh", "pages", "--flow", "--json"]] * 2 + [["refresh", "gone", "--flow", "--json"]]
    environment = {**os.environ, "GROUNDSKEEPER_MODELS": str(models_root.resolve()), "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps(calls)],
        env=environment, cwd=working_folder, capture_output=True, text=True, timeout=400,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    first, second, gone = json.loads(done.stdout)
    assert (first["code"], first["document"]["documents"]["added"]) == (0, 2)
    assert (second["code"], second["document"]["encoder_calls"]) == (0, 0)
    assert (gone["code"], gone["document"]["error"]["kind"]) == (2, "source_missing")
    assert "Traceback" not in done.stderr
    runs = recorded_runs(working_folder / "var" / "prefect" / "prefect.db")
    assert runs[first["document"]["flow_run"]] == runs[second["document"]["flow_run"]] == "COMPLETED"
    assert sorted(runs.values()) == ["COMPLETED", "COMPLETED", "FAILED"]


def recorded_runs(database: Path) -> dict[str, str]:
    """State by flow run name, as Prefect's database holds them."""
    with sqlite3.connect(database) as connection:
        return dict(connection.execute("SELECT name, state_type FROM flow_run").fetchall())
