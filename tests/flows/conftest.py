"""A working folder of its own, a small source, and an embedder that can be read by eye."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import flows.refresh_index
import flows.wiring
from flows.wiring import Embedding
from retrieval.splitting import make_splitter
from tests.flows.calls import Command
from tests.retrieval.readable import ReadableEncoder

PAGES = {
    "install.md": "# Installing the gardener\n\nInstalling the gardener takes one command and a minute of patience. "
    "The gardener needs Python and nothing else, so installing it works on a bare machine. Run the command again to "
    "repair an installation that was interrupted.\n",
    "watering.md": "# Watering plans\n\nA watering plan says when each bed gets its water. The gardener reads the plan "
    "every morning and waters what the plan names. Plans are plain text files.\n\n## Pausing a plan\n\nA plan is "
    "paused by a line that says pause. The gardener skips a paused plan until the line is gone again, and says so.\n",
}


@pytest.fixture(autouse=True)
def working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Commands run in a folder of their own, where `var` and `groundskeeper.toml` would lie."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GROUNDSKEEPER_HOME", raising=False)
    return tmp_path


@pytest.fixture
def pages(working_folder: Path) -> Path:
    """The source `pages`: two documents with headings and prose."""
    folder = working_folder / "pages"
    folder.mkdir()
    for name, text in PAGES.items():
        (folder / name).write_text(text, "utf-8")
    return folder


@pytest.fixture
def encoder(monkeypatch: pytest.MonkeyPatch) -> ReadableEncoder:
    """Stands in for the embedding model, in refreshes and in searches."""
    readable = ReadableEncoder()
    embedding = Embedding(readable, make_splitter(readable.count_tokens))
    for module in (flows.wiring, flows.refresh_index):  # both imported before either is changed
        monkeypatch.setattr(module, "open_embedding", lambda settings, say: embedding)
    return readable


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Callable[..., Command]:
    """Runs one command in this process, as the installed script does."""

    def run(*arguments: str) -> Command:
        from flows.cli import main

        capsys.readouterr()
        code = main(arguments)
        said = capsys.readouterr()
        return Command(code, said.out, said.err)

    return run
