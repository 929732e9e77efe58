"""What all training runs have in common: their arguments, checkpoints by the clock, the adapter that is stored.

A checkpoint counts when the file `complete` lies in it, which is written last.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from serving.registry.manifest import CONFIG, WEIGHTS
from tuning.recipe import Recipe
from tuning.recipe_rerank import RerankRecipe
from tuning.trainer import Progress

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import TrainerCallback, TrainingArguments

    Arguments = TypeVar("Arguments", bound=TrainingArguments)

__all__ = ["clock", "last_checkpoint", "on_one_device", "run_arguments", "write_adapter"]

_COMPLETE = "complete"


def clock(checkpoint_seconds: float, progress: Callable[[Progress], None]) -> TrainerCallback:
    """Tells of every step, and saves when `checkpoint_seconds` have gone by since the last checkpoint."""
    from transformers import TrainerCallback

    class Clock(TrainerCallback):
        def __init__(self) -> None:
            self.began = self.saved = time.monotonic()
            self.first: int | None = None
            self.loss: float | None = None

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            self.loss = (logs or {}).get("loss", self.loss)

        def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if self.first is None:
                self.first, self.began = state.global_step, time.monotonic()

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            now = time.monotonic()
            each = (now - self.began) / (state.global_step - (self.first or 0))
            progress(
                Progress(state.global_step, state.max_steps, each * (state.max_steps - state.global_step), self.loss)
            )
            control.should_save = control.should_save or now - self.saved > checkpoint_seconds

        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            self.saved = time.monotonic()
            (Path(args.output_dir) / f"checkpoint-{state.global_step}" / _COMPLETE).touch()

    return Clock()


def last_checkpoint(folder: Path) -> str | None:
    """The newest whole checkpoint in `folder`; halves of one, left by a kill, are removed."""
    whole: list[Path] = []
    for checkpoint in folder.glob("checkpoint-*"):
        if (checkpoint / _COMPLETE).is_file():
            whole.append(checkpoint)
        else:
            shutil.rmtree(checkpoint)
    newest = max(whole, key=lambda checkpoint: int(checkpoint.name.rpartition("-")[2]), default=None)
    return str(newest) if newest else None


def run_arguments(recipe: Recipe | RerankRecipe, steps: int, folder: Path, seed: int) -> dict[str, Any]:
    """What every trainer of transformers is told alike: the schedule, the seeds, quietness, checkpoints in `folder`."""
    import torch

    return {
        "output_dir": str(folder),
        "use_cpu": not torch.cuda.is_available(),
        "seed": seed,
        "data_seed": seed,
        "max_steps": steps,
        "learning_rate": recipe.learning_rate,
        "lr_scheduler_type": "cosine",
        "warmup_steps": round(steps * recipe.warmup),
        "weight_decay": recipe.weight_decay,
        "max_grad_norm": recipe.max_gradient_norm,
        "dataloader_num_workers": 0,
        "dataloader_pin_memory": False,
        "logging_steps": max(1, min(20, steps // 10)),
        "save_strategy": "steps",
        "save_steps": steps,  # the last; the ones before are saved by the clock
        "save_total_limit": 2,
        "report_to": "none",
        "disable_tqdm": True,
    }


def on_one_device(arguments: Arguments) -> Arguments:
    """The arguments with at most one graphics card: a trainer that sees two gives a step twice the rows it was told."""
    arguments._n_gpu = min(1, arguments.n_gpu)
    return arguments


def write_adapter(state: Mapping[str, Tensor], config: Mapping[str, Any], folder: Path) -> Path:
    """The adapter alone, in float16: half the size, and what the gate scores is what is stored. Whole or not at all.

    Its configuration names no base model: the manifest does, by digests, whatever the model is referred to by.
    """
    import torch
    from safetensors.torch import save_file

    beside = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    half = {name: tensor.detach().to(torch.float16).contiguous() for name, tensor in sorted(state.items())}
    save_file(half, str(beside / WEIGHTS), metadata={"format": "pt"})
    named = {**config, "base_model_name_or_path": None, "inference_mode": True}
    plain = {key: sorted(value) if isinstance(value, set) else value for key, value in named.items()}
    text = json.dumps(plain, indent=2, sort_keys=True, default=str)
    (beside / CONFIG).write_text(text + "\n", "utf-8")
    shutil.rmtree(folder, ignore_errors=True)  # of a run that had ended
    beside.replace(folder)
    return folder
