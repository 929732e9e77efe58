"""TRL's SFTTrainer over packed sequences: the collator and the loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuning.packing import Packed, ancestry, depths
from tuning.recipe import Beginning

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import TrainerCallback, TrainingArguments

__all__ = ["Progress", "collate", "packed_dataset", "packed_trainer", "prediction_loss"]


@dataclass(frozen=True)
class Progress:
    """How far a training run is."""

    step: int
    steps: int
    seconds_left: float
    """At the rate since this call began."""
    loss: float | None
    """Weighted mean of the last logged stretch, nats a prediction."""


def packed_dataset(packed: Sequence[Packed], beginning: Beginning) -> Any:
    """A `datasets.Dataset` of one row a sequence, in columns that a collator turns into tensors."""
    from datasets import Dataset

    return Dataset.from_list(
        [
            {
                "input_ids": sequence.tokens,
                "parents": sequence.parents,
                "after": [prediction.after for prediction in sequence.predictions],
                "targets": [prediction.target for prediction in sequence.predictions],
                "choices": [list(prediction.choices) for prediction in sequence.predictions],
                "weights": [
                    beginning.weight if prediction.place < beginning.tokens else 1.0
                    for prediction in sequence.predictions
                ],
            }
            for sequence in packed
        ]
    )


def collate(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The tensors of one sequence: tokens, positions and mask [1, 1, n, n] for the model, and what is to be predicted.

    `labels` [1, predictions + 1] begins with one that is ignored, since trainers count them shifted by one.
    """
    import torch

    (row,) = rows
    return {
        "input_ids": torch.tensor([row["input_ids"]]),
        "position_ids": torch.tensor([depths(row["parents"])]),
        "attention_mask": torch.from_numpy(ancestry(row["parents"]))[None, None],
        "after": torch.tensor(row["after"]),
        "labels": torch.tensor([[-100, *row["targets"]]]),
        "choices": row["choices"],
        "weights": torch.tensor(row["weights"]),
    }


def prediction_loss(logits: Tensor, targets: Tensor, choices: Sequence[Sequence[int]], weights: Tensor) -> Tensor:
    """Sum of cross-entropies in nats, each counted by its weight in proportion to the mean weight.

    `logits` [predictions, vocabulary], `targets` and `weights` [predictions]. Where choices are given only their odds
    count: the rest of the vocabulary is left as it is.
    """
    import torch
    from torch.nn.functional import cross_entropy

    shares = weights / weights.mean()

    def loss(rows: list[int], logits: Tensor, wanted: Tensor) -> Tensor:
        return (cross_entropy(logits, wanted, reduction="none") * shares[rows]).sum()

    free = [i for i, allowed in enumerate(choices) if not allowed]
    total = loss(free, logits[free], targets[free]) if free else logits.new_zeros(())
    for allowed in sorted({tuple(allowed) for allowed in choices if allowed}):
        rows = [i for i, given in enumerate(choices) if tuple(given) == allowed]
        wanted = torch.tensor([allowed.index(int(targets[i])) for i in rows], device=logits.device)
        total = total + loss(rows, logits[rows][:, list(allowed)], wanted)
    return total


def packed_trainer(
    model: Any, tokenizer: Path, dataset: Any, arguments: TrainingArguments, callbacks: Sequence[TrainerCallback]
) -> Any:
    """An SFTTrainer that computes only the logits it needs. `tokenizer` is the base's `tokenizer.json`."""
    from transformers import PreTrainedTokenizerFast, PrinterCallback
    from trl.trainer.sft_trainer import SFTTrainer

    class PackedTrainer(SFTTrainer):
        def compute_loss(
            self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
        ) -> Any:
            after, choices, targets = inputs.pop("after"), inputs.pop("choices"), inputs.pop("labels")[0, 1:]
            weights = inputs.pop("weights")
            outputs = model(**inputs, logits_to_keep=after, use_cache=False)
            loss = prediction_loss(outputs.logits[0].float(), targets, choices, weights)
            loss = loss / (len(targets) if num_items_in_batch is None else num_items_in_batch)
            return (loss, outputs) if return_outputs else loss

        def create_model_card(self, *args: Any, **kwargs: Any) -> None:
            """None: the manifest says what an adapter is."""

    trainer = PackedTrainer(
        model=model,
        args=arguments,
        train_dataset=dataset,
        data_collator=collate,
        # Demanded by the trainer, used for nothing: the examples are token ids already.
        processing_class=PreTrainedTokenizerFast(tokenizer_file=str(tokenizer)),  # type: ignore[no-untyped-call]
        callbacks=list(callbacks),
    )
    trainer.remove_callback(PrinterCallback)
    return trainer
