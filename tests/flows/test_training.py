"""Training as a flow calls it: rows become examples of the base in force, and a finished run is the same run again."""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from safetensors import SafetensorError

import flows.training
from flows.console import Console
from flows.retrain_plan import Plan, RetrainRequest, freeze_plan
from flows.settings import load_settings
from flows.training import _told, train
from serving.interface.behaviours import Behaviour
from serving.registry.errors import AdapterUnusable, ModelStorageFull, RegistryError
from serving.registry.models import prepare_model
from tests.serving.assistant.tiny_model import write_tiny_model
from tests.tuning.gateway_rows import refusal_row
from tuning.recipe import LoraRecipe, Recipe
from tuning.trainer import Progress

pytestmark = pytest.mark.filterwarnings("ignore:.*gradient_checkpointing.*:FutureWarning")  # peft and trl

RECIPE = Recipe(
    behaviour="refusal",
    lora=LoraRecipe(rank=2, alpha=4),
    learning_rate=0.01,
    epochs=1.4,  # steps that are no whole number: a trainer that is called again would train on
    examples_per_sequence=4,
    tokens_per_sequence=4096,
    sequences_per_step=1,
)


def _plan() -> Plan:
    request = RetrainRequest(Behaviour.REFUSAL, (Path("rows.jsonl"),))
    return replace(freeze_plan(load_settings(), request, today=date(2026, 11, 25)), recipe=RECIPE)


def test_a_loss_that_changes_is_shown_on_one_bar_which_tells_the_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    console = Console(as_json=False)
    tell = _told(Behaviour.REFUSAL, console.progress)
    for step, loss in enumerate((None, 0.7, 0.5), 1):
        tell(Progress(step, 3, seconds_left=0.0, loss=loss))
    bar = console._bar
    assert bar is not None
    console.close()
    assert [(task.description, task.completed, task.total) for task in bar.tasks] == [
        ("train refusal, loss 0.500", 3, 3)
    ]


def test_rows_are_trained_on_and_a_finished_run_gives_the_same_adapter_again() -> None:
    write_tiny_model(Path("tiny"))
    plan = _plan()
    base = prepare_model("./tiny", Path("models"))
    rows = [refusal_row(n, answerable=n % 2 == 0) for n in range(6)]
    said: list[str] = []
    shown: list[tuple[str, int, int]] = []

    def once() -> bytes:
        train(plan, rows, base, Path("run"), say=said.append, progress=lambda *step: shown.append(step))
        return Path("run/adapter/adapter_model.safetensors").read_bytes()

    first = once()
    assert said[0] == "Training on 6 examples of 6 rows."
    stage, step, steps = shown[-1]
    assert stage.startswith("train refusal")
    assert step == steps > 0
    trained = len(shown)
    assert [once() for _ in range(3)] == [first] * 3
    assert len(shown) == trained
    assert said[-1] == "It was trained before. To train it anew, delete run."
    Path("run/adapter/adapter_model.safetensors").unlink()
    with pytest.raises(AdapterUnusable, match=r"holds no adapter_model\.safetensors"):
        once()


@pytest.mark.parametrize(
    "cause",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
        SafetensorError("Error while serializing: I/O error: Disk quota exceeded (os error 122)"),
    ],
)
def test_a_disk_that_is_full_while_training_is_told(cause: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*given: object) -> None:
        raise cause

    _told_as_full(full, monkeypatch)


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="Linux has a disk that is always full")
def test_a_checkpoint_that_no_longer_fits_on_the_disk_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    _told_as_full(lambda *given: torch.save({"step": torch.zeros(1_000_000)}, "/dev/full"), monkeypatch)


def _told_as_full(step: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flows.training, "_train", step)
    base: Any = None
    with pytest.raises(ModelStorageFull, match="too full to train an adapter; it goes on"):
        train(_plan(), [], base, Path("run"), say=print, progress=print)


def test_a_folder_that_may_not_be_written_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*given: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", "run/checkpoints")

    monkeypatch.setattr(flows.training, "_train", refused)
    base: Any = None
    with pytest.raises(RegistryError, match="run/checkpoints cannot be used to train an adapter"):
        train(_plan(), [], base, Path("run"), say=print, progress=print)


def test_an_error_of_another_kind_while_training_stays_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*given: object) -> None:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr(flows.training, "_train", broken)
    base: Any = None
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        train(_plan(), [], base, Path("run"), say=print, progress=print)
