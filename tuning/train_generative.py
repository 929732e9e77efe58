"""Training a LoRA adapter of a generative behaviour: TRL's SFT over packed examples.

    adapter = train_generative(recipe, base, examples, run_folder, seed=0, progress=print)

Covered: a run that is killed at any instant goes on from its last whole checkpoint when it is called again with the
same arguments and folder, and ends with the same weights; the same seed, machine and libraries give the same weights.
Not covered: several processes, and equality across machines.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from serving.registry.models import ModelFolder
from tuning.checkpoints import clock, last_checkpoint, on_one_device, run_arguments, write_adapter
from tuning.errors import NothingToTrainOn
from tuning.packing import Example, Packed, pack
from tuning.recipe import Recipe, chosen_modules
from tuning.trainer import Progress, packed_dataset, packed_trainer
from tuning.tree_attention import tree_attention

if TYPE_CHECKING:
    from transformers import TrainingArguments

__all__ = ["TrainedAdapter", "train_generative"]


@dataclass(frozen=True)
class TrainedAdapter:
    """What a training run leaves behind."""

    folder: Path
    """`adapter_config.json` and `adapter_model.safetensors`, float16."""
    examples: int
    sequences: int
    tokens: int
    """Distinct tokens of all sequences, that is of one epoch."""
    steps: int
    seconds: float
    """Of this call; a resumed run counts from its resumption."""
    losses: tuple[float, ...]
    """Mean loss of each logged stretch, in nats a prediction, weighted as the recipe says."""


def train_generative(
    recipe: Recipe,
    base: ModelFolder,
    examples: Sequence[Example],
    run_folder: Path,
    *,
    seed: int,
    progress: Callable[[Progress], None] = lambda progress: None,
) -> TrainedAdapter:
    """Train, or go on training, in `run_folder`, and write the adapter to `run_folder/adapter`.

    Raises NothingToTrainOn without examples, and RecipeInvalid for a matrix that the base does not have.
    """
    if not examples:
        raise NothingToTrainOn(
            "No row is left to train on.", remedy="Read why rows were left out, and give rows that serving can show."
        )
    packed = pack(examples, tokens=recipe.tokens_per_sequence, examples_each=recipe.examples_per_sequence)
    trainer = packed_trainer(
        _lora_model(recipe, base, seed),
        base.path / "tokenizer.json",
        packed_dataset(packed, recipe.beginning),
        _arguments(recipe, len(packed), run_folder, seed),
        [clock(recipe.checkpoint_seconds, progress)],
    )
    result = trainer.train(resume_from_checkpoint=last_checkpoint(run_folder / "checkpoints"))
    folder = _write(trainer.model, run_folder / "adapter")
    return _record(folder, packed, trainer.state, float(result.metrics["train_runtime"]))


def _lora_model(recipe: Recipe, base: ModelFolder, seed: int) -> Any:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, set_seed

    set_seed(seed)
    network = AutoModelForCausalLM.from_pretrained(
        str(base.path), dtype=torch.float32, local_files_only=True, attn_implementation=tree_attention()
    )
    layers = int(network.config.num_hidden_layers)
    adapted = max(1, round(layers * recipe.lora.upper_layers))
    config = LoraConfig(
        task_type="CAUSAL_LM",
        r=recipe.lora.rank,
        lora_alpha=recipe.lora.alpha,
        lora_dropout=recipe.lora.dropout,
        target_modules=chosen_modules(recipe.lora, _linear_modules(network)),
        layers_to_transform=list(range(layers - adapted, layers)),
    )
    return get_peft_model(network, config)


def _linear_modules(network: Any) -> list[str]:
    """Names of the matrices inside the layers; PEFT's own word for them cannot be had for some layers only."""
    from torch.nn import Linear

    head = network.get_output_embeddings()
    named = network.named_modules()
    return sorted({name.rpartition(".")[-1] for name, m in named if isinstance(m, Linear) and m is not head})


def _arguments(recipe: Recipe, sequences: int, run_folder: Path, seed: int) -> TrainingArguments:
    from trl.trainer.sft_config import SFTConfig

    steps = max(1, round(recipe.epochs * sequences / recipe.sequences_per_step))
    arguments = SFTConfig(
        **run_arguments(recipe, steps, run_folder / "checkpoints", seed),
        bf16=False,
        per_device_train_batch_size=1,
        gradient_accumulation_steps=recipe.sequences_per_step,
        gradient_checkpointing=False,
        max_length=None,
        remove_unused_columns=False,
        dataset_kwargs={"skip_prepare_dataset": True},
    )
    return on_one_device(arguments)


def _write(model: Any, folder: Path) -> Path:
    from peft import get_peft_model_state_dict

    config = model.peft_config["default"].to_dict()
    return write_adapter(get_peft_model_state_dict(model), config, folder)


def _record(folder: Path, packed: Sequence[Packed], state: Any, seconds: float) -> TrainedAdapter:
    return TrainedAdapter(
        folder=folder,
        examples=sum(sequence.examples for sequence in packed),
        sequences=len(packed),
        tokens=sum(len(sequence.tokens) for sequence in packed),
        steps=int(state.global_step),
        seconds=seconds,
        losses=tuple(float(entry["loss"]) for entry in state.log_history if "loss" in entry),
    )
