"""The tests mirror the packages, and nothing in them is forgotten."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT, modules

DATA = {Path("serving/interface/few_shots")}  # texts, tested where they are rendered
FOLDERS = sorted({module.path.parent for module in modules() if module.path.name != "__init__.py"} - DATA)
GOLDEN = sorted(path for path in (ROOT / "tests" / "golden").iterdir() if path.suffix in {".jsonl", ".json", ".txt"})


@pytest.mark.parametrize("folder", FOLDERS, ids=str)
def test_every_folder_of_a_package_has_a_mirror_or_is_tested_in_the_one_above(folder: Path):
    own = list((ROOT / "tests" / folder).glob("test_*.py"))
    above = [path.read_text("utf-8") for path in (ROOT / "tests" / folder.parent).glob("test_*.py")]
    assert own or any(f"from {'.'.join(folder.parts)}" in text for text in above)


def test_no_golden_file_is_orphaned():
    assert len(GOLDEN) >= 4
    tests = "".join(path.read_text("utf-8") for path in (ROOT / "tests").rglob("*.py"))
    behaviours = (ROOT / "serving/interface/behaviours.py").read_text("utf-8")
    assert [path.name for path in GOLDEN if path.name not in tests and f'"{path.stem}"' not in behaviours] == []


def test_no_file_names_a_machine():
    """Paths of one machine and hosts of package indexes have no place in the tree."""
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    listed = [ROOT / name for name in names.split("\0") if name]
    assert len(listed) > 50
    foreign = re.compile(
        "|".join([r"(?<![\w.])/(?:ro" + r"ot|ho" + r"me|wo" + r"rk)/\w", "py" + r"pi\.org", "pythonho" + "sted"])
    )
    guilty = []
    for path in listed:
        if path.is_file() and path.suffix not in {".pdf", ".docx", ".png"}:
            guilty += [f"{path.name}: {found}" for found in foreign.findall(path.read_text("utf-8", "replace"))]
    assert guilty == []
