"""Training a candidate, whichever the behaviour: the base it needs, its examples, its trainer."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from serving.interface.behaviours import Behaviour

if TYPE_CHECKING:
    from flows.retrain_plan import Plan
    from flows.settings import Settings
    from serving.registry.models import ModelFolder
    from tuning.trainer import Progress as Trained

__all__ = ["base_of", "train"]

Say = Callable[[str], None]
Progress = Callable[[str, int, int], None]


def base_of(settings: Settings, behaviour: Behaviour, say: Say) -> ModelFolder:
    """The model that an adapter of this behaviour is trained over."""
    from flows.production import reranker_base
    from serving.registry.models import prepare_model

    if behaviour is Behaviour.RERANK:
        return reranker_base(settings, say)
    return prepare_model(settings.base_model, settings.models, progress=say)


def train(
    plan: Plan,
    rows: Sequence[Any],
    base: ModelFolder,
    run: Path,
    *,
    threads: int | None = None,
    say: Say,
    progress: Progress,
) -> None:
    """Trains into `run`, or goes on there; then `run/adapter` is the candidate, which stays as it is.

    `threads` of the processor, None for all. Raises NothingToTrainOn, RecipeInvalid, ModelStorageFull, and
    AdapterUnusable for a candidate of before that is not whole.
    """
    if (run / "adapter").exists():
        from serving.registry.adapter_folder import require_adapter

        require_adapter(run / "adapter", base.reference)
        say(f"It was trained before. To train it anew, delete {run}.")
        return
    with _full_disk_told(run):
        _train(plan, rows, base, run, threads, say, _told(plan.behaviour, progress))


def _train(
    plan: Plan,
    rows: Sequence[Any],
    base: ModelFolder,
    run: Path,
    threads: int | None,
    say: Say,
    told: Callable[[Trained], None],
) -> None:
    if threads:
        import torch

        torch.set_num_threads(threads)
    if plan.behaviour is Behaviour.RERANK:
        from tuning.train_reranker import train_reranker

        ranked = train_reranker(plan.recipe, rows, base, run, seed=plan.seed, progress=told)  # type: ignore[arg-type]
        if ranked.too_long:
            say(f"{ranked.too_long} questions are left out: they fill what the encoder reads.")
        say(f"Trained on {ranked.lists} lists of passages in {ranked.steps} steps and {ranked.seconds:.0f} s.")
        return
    from serving.registry.tokenizer import open_template, open_tokenizer
    from tuning.examples import build_examples
    from tuning.train_generative import train_generative

    built = build_examples(rows, open_template(base.path), open_tokenizer(base.path))
    for why, count in sorted(built.left_out.items()):
        say(f"{count} examples are left out: {why}.")
    say(f"Training on {len(built.examples)} examples of {len(rows)} rows.")
    adapter = train_generative(plan.recipe, base, built.examples, run, seed=plan.seed, progress=told)  # type: ignore[arg-type]
    say(f"Trained {adapter.steps} steps on {adapter.sequences} sequences in {adapter.seconds:.0f} s.")


@contextmanager
def _full_disk_told(run: Path) -> Iterator[None]:
    """What a full disk becomes in the hands of a checkpoint's writers: theirs are errors of their own."""
    from safetensors import SafetensorError

    from serving.registry.files import storage_told

    with storage_told(run, "train an adapter; it goes on from its last checkpoint"):
        try:
            yield
        except (SafetensorError, RuntimeError) as cause:
            if not any(sign in str(cause) for sign in _FULL):
                raise
            raise OSError(errno.ENOSPC, str(cause)) from cause


_FULL = (
    f"os error {errno.ENOSPC}",
    f"os error {errno.EDQUOT}",
    "file write failed",
    "unexpected pos",
    "iostream error",
)
"""How safetensors and torch tell of a disk that takes no more; the last three are torch's."""


def _told(behaviour: Behaviour, progress: Progress) -> Callable[[Trained], None]:
    """Steps as a progress bar shows them, which itself tells rate and time left."""

    def tell(trained: Trained) -> None:
        loss = "" if trained.loss is None else f", loss {trained.loss:.3f}"
        progress(f"train {behaviour}{loss}", trained.step, trained.steps)

    return tell
