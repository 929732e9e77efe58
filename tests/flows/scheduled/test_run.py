"""Refresh and retraining as real Prefect flows, against Prefect's own temporary server."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.serving.assistant.tiny_model import write_tiny_model
from tests.small_retraining import write_small_retraining

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
def test_flows_are_recorded_and_their_errors_reach_the_user_plainly(
    pages: Path, working_folder: Path, models_root: Path
):
    """One process for all of them, since the temporary server takes its time to start."""
    (working_folder / "rows.jsonl").write_text('{"question": 3}\n', encoding="utf-8")
    (working_folder / "no_starters").mkdir()
    write_tiny_model(working_folder / "tiny", context=8192)
    broken, small = ["--data", "rows.jsonl"], write_small_retraining(working_folder, rows=120)
    retrains = [["retrain", "refusal", *given, "--flow", "--json"] for given in (broken, small)]
    calls = [["refresh", "pages", "--flow", "--json"]] * 2 + [["refresh", "gone", "--flow", "--json"], *retrains]
    environment = {
        **os.environ,
        "GROUNDSKEEPER_MODELS": str(models_root.resolve()),
        "GROUNDSKEEPER_BASE_MODEL": "./tiny",
        "GROUNDSKEEPER_STARTER": "no_starters",
        "PYTHONWARNINGS": "ignore",
    }
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps(calls)],
        env=environment, cwd=working_folder, capture_output=True, text=True, timeout=400,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    first, second, gone, unread, retrained = json.loads(done.stdout)
    assert (first["code"], first["document"]["documents"]["added"]) == (0, 2)
    assert (second["code"], second["document"]["encoder_calls"]) == (0, 0)
    assert (gone["code"], gone["document"]["error"]["kind"]) == (2, "source_missing")
    assert (unread["code"], unread["document"]["error"]["kind"]) == (2, "rows_invalid")
    assert "Traceback" not in done.stderr
    told = retrained["document"]
    assert (retrained["code"], told["passed"], told["promoted"]) == (1, False, False)  # random weights convince no gate
    adapter = working_folder / "var" / "adapters" / "refusal" / told["version"]
    assert json.loads((adapter / "manifest.json").read_text("utf-8"))["snapshot_id"] == told["snapshot"]
    assert json.loads(Path(working_folder, told["report"]).read_text("utf-8"))["reasons"] == told["reasons"] != []
    runs = recorded_runs(working_folder / "var" / "prefect" / "prefect.db")
    assert runs[first["document"]["flow_run"]] == runs[second["document"]["flow_run"]] == "COMPLETED"
    assert runs[told["flow_run"]] == "COMPLETED"
    assert sorted(runs.values()) == ["COMPLETED"] * 3 + ["FAILED"] * 2


def test_a_server_that_does_not_answer_is_told_with_a_remedy(pages: Path, working_folder: Path):
    with socket.socket() as closed:  # bound and never listening: whoever connects is refused
        closed.bind(("127.0.0.1", 0))
        server = f"http://127.0.0.1:{closed.getsockname()[1]}/api"
        environment = {**os.environ, "PREFECT_API_URL": server, "PREFECT_CLIENT_MAX_RETRIES": "0"}
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, json.dumps([["refresh", "pages", "--flow", "--json"]])],
            env=environment, cwd=working_folder, capture_output=True, text=True, timeout=200,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (refused,) = json.loads(done.stdout)
    assert (refused["code"], refused["document"]["error"]["kind"]) == (2, "prefect_unavailable")
    assert "PREFECT_API_URL" in refused["document"]["error"]["remedy"]


def recorded_runs(database: Path) -> dict[str, str]:
    """State by flow run name, as Prefect's database holds them."""
    with sqlite3.connect(database) as connection:
        return dict(connection.execute("SELECT name, state_type FROM flow_run").fetchall())
