"""Models that exist as folders and digests only, and an engine that remembers which adapters it was given."""

from __future__ import annotations

from pathlib import Path

import pytest

from serving.registry.models import ModelFolder
from tests.fakes import QueueEngine
from tests.serving.assistant.tiny_model import write_tiny_tokenizer
from tests.serving.registry.made_adapters import BASE


class LoadingEngine(QueueEngine):
    """Takes any adapter."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: dict[str, Path] = {}

    def load_adapter(self, name: str, folder: Path) -> None:
        self.loaded[name] = folder


def tiny_folder(folder: Path) -> ModelFolder:
    """The folder of the base model for which `made_adapters` makes adapters: tokenizer and template, no weights."""
    write_tiny_tokenizer(folder)
    return ModelFolder(BASE.reference, folder, BASE.weights_digest, BASE.tokenizer_digest, "Apache-2.0", "local")


def prepare_tiny_model(folder: Path, monkeypatch: pytest.MonkeyPatch) -> ModelFolder:
    """Whatever model is asked for, it is the tiny one."""
    model = tiny_folder(folder)
    monkeypatch.setattr("serving.registry.models.prepare_model", lambda reference, root, *, progress=None: model)
    return model
