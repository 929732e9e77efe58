"""The main job, with the real models, a real Prefect run and the installed command: documents in, cited answers out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HANDBOOK = {
    "backups.md": """# Nightly backups

Nightly backups start at two in the morning and copy every garden diary to the shed server. A nightly backup takes
about ten minutes. Nightly backups are kept for thirty days, then the oldest one is deleted.

## Restore procedure

The restore procedure begins with stopping the watering service. After the restore procedure has copied the diary back,
start the watering service again and compare the first page with the printed one.
""",
    "valves.rst": """Valve settings
==============

A valve setting decides how long a bed is watered. Valve settings are stored in the file valves.ini, one line for each
bed. The gardener reads the valve settings every morning before the sun rises, and a wrong setting is reported by mail.

Frost protection
----------------

Frost protection closes all valves when the thermometer shows less than two degrees. Frost protection can be switched
off for a greenhouse, because the beds there are heated during the winter.
""",
}


@pytest.fixture
def handbook(tmp_path: Path) -> Path:
    folder = tmp_path / "handbook"
    folder.mkdir()
    for name, text in HANDBOOK.items():
        (folder / name).write_text(text, "utf-8")
    return folder


def groundskeeper(folder: Path, models: Path, *arguments: str) -> tuple[int, Any, str]:
    """Exit code, the JSON document on standard output, standard error."""
    command = [str(Path(sys.executable).with_name("groundskeeper")), *arguments, "--json"]
    environment = {**os.environ, "GROUNDSKEEPER_HOME": "var", "GROUNDSKEEPER_MODELS": str(models.resolve())}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=900)
    assert done.returncode in (0, 1), done.stderr
    return done.returncode, json.loads(done.stdout), done.stderr


@pytest.mark.models
def test_a_folder_goes_in_and_three_answers_as_promised_come_out(tmp_path: Path, handbook: Path, models_root: Path):
    code, shown, said = groundskeeper(tmp_path, models_root, "demo", "--source", "handbook")
    assert (code, shown["unmet"]) == (0, []), said
    first, follow_up, foreign = (entry["answer"] for entry in shown["answers"])
    assert "flow_run" in shown["refresh"]
    assert shown["versions"]["generation"] == shown["refresh"]["generation"] == 1
    assert not first["refused"]
    assert not follow_up["refused"]
    assert foreign["refused"]
    assert foreign["refusal_reason"]
    for answer in (first, follow_up):
        assert answer["citations"]
        for citation in answer["citations"]:
            text = HANDBOOK[citation["uri"].removeprefix("handbook/")]
            assert text[citation["source_start"] : citation["source_end"]] == citation["quote"]
            assert answer["text"][citation["answer_start"] : citation["answer_end"]].strip()

    code, again, _ = groundskeeper(tmp_path, models_root, "refresh", "handbook")
    assert (code, again["encoder_calls"], again["generation"]) == (0, 0, 1)


@pytest.mark.models
def test_the_demo_of_the_documentation_is_as_promised_and_shows_no_bars_of_libraries(tmp_path: Path, models_root: Path):
    docs = Path(__file__).parents[2] / "docs"
    code, shown, said = groundskeeper(tmp_path, models_root, "demo", "--source", str(docs), "--no-flow")
    assert (code, shown["unmet"]) == (0, []), said
    assert shown["refresh"]["documents"]["added"] == len(list(docs.glob("*.md")))
    assert shown["refresh"]["skipped"] == []
    assert "%|" not in said
