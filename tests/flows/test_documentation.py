"""What the documentation tells people to type exists."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT
from tests.flows.calls import Command

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(?:bash|sh)\n(.*?)^```", re.DOTALL | re.MULTILINE)
LINES = sorted(
    {
        line.strip()
        for page in PAGES
        for block in BLOCK.findall(page.read_text("utf-8"))
        for line in block.replace("\\\n", " ").splitlines()
    }
)
COMMANDS = [line for line in LINES if re.match(r"(\w+='?[^ ]*'? )*groundskeeper ", line)]
TARGETS = [line for line in LINES if re.match(r"(\w+=\S+ )*make ", line)]


def test_the_documentation_shows_commands():
    assert len(COMMANDS) > 10
    assert len(TARGETS) > 2


@pytest.mark.parametrize("line", COMMANDS)
def test_a_documented_command_and_its_options_exist(call: Callable[..., Command], line: str):
    words = shlex.split(line[line.index("groundskeeper ") :], comments=True)[1:]
    command = words[:2] if words[0] == "evaluate" else words[:1]
    help_text = call(*command, "--help") if not command[0].startswith("-") else call("--help")
    assert help_text.code == 0
    options = [word.partition("=")[0] for word in words if word.startswith("--")]
    assert [option for option in options if not re.search(rf"{option}\b", help_text.out)] == []


@pytest.mark.parametrize("line", TARGETS)
def test_a_documented_target_exists(line: str):
    (target,) = re.findall(r"\bmake (\w+)", line)
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path):
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text("utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []
