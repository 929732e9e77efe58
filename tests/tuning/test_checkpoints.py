"""What every training run has in common: when it saves, what it tells, and on what it runs."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import tuning.checkpoints
from tests.fakes import StepClock
from tuning.checkpoints import clock, on_one_device
from tuning.trainer import Progress


def test_the_time_left_is_that_of_the_rate_since_this_call_began(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps of a run that was killed before were not made at this rate."""
    now = StepClock(0.0)
    monkeypatch.setattr(tuning.checkpoints, "time", SimpleNamespace(monotonic=now))
    seen: list[Progress] = []
    watch: Any = clock(1000.0, seen.append)
    for step in range(5, 8):
        now.now = 1000.0 + 4.0 * (step - 5)
        watch.on_step_begin(None, SimpleNamespace(global_step=step), None)
        now.now += 4.0
        watch.on_step_end(None, SimpleNamespace(global_step=step + 1, max_steps=10), SimpleNamespace(should_save=False))
    assert [(told.step, told.steps, told.seconds_left) for told in seen] == [(6, 10, 16.0), (7, 10, 12.0), (8, 10, 8.0)]


def test_a_machine_with_two_graphics_cards_trains_on_one(tmp_path: Path) -> None:
    """On two, a trainer gives each step twice the rows that the recipe says."""
    from transformers import TrainingArguments

    arguments = TrainingArguments(output_dir=str(tmp_path), use_cpu=True, per_device_train_batch_size=1)
    arguments._n_gpu = 2
    assert arguments.train_batch_size == 2
    assert on_one_device(arguments).train_batch_size == 1
