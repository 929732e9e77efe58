"""The import contracts live: each is broken by an import that it forbids."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.architecture.tree import PACKAGES, ROOT

FORBIDDEN = {
    "Layers: who may import whom": ("tuning/injected.py", "import retrieval.documents"),
    "Every room of serving has its place": ("serving/interface/injected.py", "import serving.registry.errors"),
    "Prefect is known in flows only": ("tuning/injected2.py", "import prefect"),
    "Nobody imports vLLM: it is a process behind HTTP": ("flows/injected.py", "import vllm"),
    "The interface is pure: standard library, pydantic and jinja2": ("serving/interface/injected2.py", "import torch"),
    "Qdrant is known in the store only": ("retrieval/injected.py", "import qdrant_client"),
}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What import-linter says of a copy of the house into which every forbidden import was put."""
    copy = tmp_path_factory.mktemp("house")
    shutil.copy(ROOT / "pyproject.toml", copy)
    for package in PACKAGES:
        shutil.copytree(ROOT / package, copy / package, ignore=shutil.ignore_patterns("__pycache__"))
    for place, line in FORBIDDEN.values():
        Path(copy, place).write_text(line + "\n")
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache"]
    environment = {**os.environ, "COLUMNS": "200"}
    done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1, done.stderr
    return re.sub(r"\x1b\[[0-9;]*m", "", done.stdout)


def test_every_contract_has_an_import_that_breaks_it():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert {contract["name"] for contract in settings["tool"]["importlinter"]["contracts"]} == FORBIDDEN.keys()


@pytest.mark.parametrize("name", FORBIDDEN)
def test_a_forbidden_import_breaks_its_contract(report: str, name: str):
    assert re.search(rf"{re.escape(name)}\W+BROKEN", report), report
