"""Training the reranker: a LoRA over a cross-encoder, by sentence-transformers, on questions with ranked passages.

    record = train_reranker(recipe, rows, base, run_folder, seed=0, progress=print)

Covered: a run that is killed at any instant goes on from its last whole checkpoint when it is called again with the
same arguments and folder, and ends with the same weights. Not covered: equality across machines.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from serving.interface.errors import QuestionTooLong
from serving.registry.cross_encoder import fitting_pairs, open_cross_encoder, without_advice
from serving.registry.models import ModelFolder
from tuning.checkpoints import clock, last_checkpoint, on_one_device, run_arguments, write_adapter
from tuning.errors import NothingToTrainOn
from tuning.recipe import LoraRecipe, chosen_modules
from tuning.recipe_rerank import RerankRecipe
from tuning.rerank_lists import RankedList, training_lists
from tuning.rows import RerankRow
from tuning.trainer import Progress

if TYPE_CHECKING:
    from datasets import Dataset
    from sentence_transformers import CrossEncoder
    from sentence_transformers.cross_encoder import CrossEncoderTrainingArguments
    from torch.nn import Module

__all__ = ["TrainedReranker", "train_reranker"]

_PAIRS_AT_ONCE = 8
"""Of a step's pairs; more do not make a core faster and take more memory."""
_SHARPNESS = 10.0
"""ListNet's targets are a softmax over the labels; between 0 and 1 it would be nearly flat."""


@dataclass(frozen=True)
class TrainedReranker:
    """What a training run leaves behind."""

    folder: Path
    """`adapter_config.json` and `adapter_model.safetensors`, float16."""
    lists: int
    """A question with its passages each, over all epochs."""
    pairs: int
    too_long: int
    """Questions left out because they fill what the model reads."""
    steps: int
    seconds: float
    """Of this call; a resumed run counts from its resumption."""
    losses: tuple[float, ...]
    """Mean loss of each logged stretch."""


def train_reranker(
    recipe: RerankRecipe,
    rows: Sequence[RerankRow],
    base: ModelFolder,
    run_folder: Path,
    *,
    seed: int,
    progress: Callable[[Progress], None] = lambda progress: None,
) -> TrainedReranker:
    """Train, or go on training, in `run_folder`, and write the adapter to `run_folder/adapter`.

    `base`: the encoder, in general the embedder. Raises NothingToTrainOn if no row has passages of different relevance,
    `ModelRefused`, and RecipeInvalid for a matrix that the encoder does not have.
    """
    drawn = training_lists(rows, passages=recipe.passages_per_question, epochs=recipe.epochs, seed=seed)
    model = _adapted(recipe, base, seed)
    lists = [fitting for one in drawn if (fitting := _fitting(model, one, recipe.passage_tokens))]
    if not lists:
        raise NothingToTrainOn(
            "No row has a better and a worse passage, and a question that the encoder can read.",
            remedy="Give rows whose passages differ in `relevance`, and shorter questions.",
        )
    arguments = _arguments(recipe, len(lists), run_folder, seed)
    trainer = _trainer(
        model, _dataset(lists), _loss(recipe, model), arguments, clock(recipe.checkpoint_seconds, progress)
    )
    result = trainer.train(resume_from_checkpoint=last_checkpoint(run_folder / "checkpoints"))
    return TrainedReranker(
        folder=_stored(model, run_folder / "adapter"),
        lists=len(lists),
        pairs=sum(len(one.passages) for one in lists),
        too_long=_too_long(drawn, lists),
        steps=int(trainer.state.global_step),
        seconds=float(result.metrics["train_runtime"]),
        losses=tuple(float(entry["loss"]) for entry in trainer.state.log_history if "loss" in entry),
    )


def _adapted(recipe: RerankRecipe, base: ModelFolder, seed: int) -> CrossEncoder:
    """The cross-encoder with a fresh LoRA and a head that is trained whole."""
    from peft import LoraConfig
    from torch.nn import Dropout
    from transformers import set_seed

    set_seed(seed)
    model = open_cross_encoder(base.path)
    for module in model.modules():
        if isinstance(module, Dropout):
            module.p = 0.0  # with dropout attention has no fused kernel here: a quarter of the time
    model.add_adapter(
        LoraConfig(
            task_type="SEQ_CLS",
            r=recipe.lora.rank,
            lora_alpha=recipe.lora.alpha,
            lora_dropout=recipe.lora.dropout,
            target_modules=_matrices(model.transformers_model, recipe.lora),
            modules_to_save=["classifier"],
        )
    )
    return model


def _matrices(network: Any, lora: LoraRecipe) -> list[str]:
    """Full names of the matrices to adapt: those of the upper layers, and what lies between them and the head."""
    from torch.nn import Linear

    layers = int(network.config.num_hidden_layers)
    first = layers - max(1, round(layers * lora.upper_layers))
    linear = [name for name, module in network.named_modules() if isinstance(module, Linear)]
    names = [name for name in linear if not name.startswith("classifier")]
    chosen = chosen_modules(lora, sorted({name.rpartition(".")[-1] for name in names}))
    return [
        name
        for name in names
        if name.rpartition(".")[-1] in chosen
        and ((layer := re.search(r"\.(\d+)\.", name)) is None or int(layer[1]) >= first)
    ]


def _fitting(model: CrossEncoder, one: RankedList, passage_tokens: int) -> RankedList | None:
    try:
        pairs = fitting_pairs(model, one.question, one.passages, passage_tokens=passage_tokens)
    except QuestionTooLong:
        return None
    return RankedList(one.question, tuple(text for _, text in pairs), one.targets)


def _too_long(drawn: Sequence[RankedList], fitting: Sequence[RankedList]) -> int:
    return len({one.question for one in drawn} - {one.question for one in fitting})


def _dataset(lists: Sequence[RankedList]) -> Dataset:
    from datasets import Dataset

    return Dataset.from_list(
        [
            {
                "question": one.question,
                "passages": list(one.passages),
                "labels": [_SHARPNESS * target for target in one.targets],
            }
            for one in lists
        ]
    )


def _loss(recipe: RerankRecipe, model: CrossEncoder) -> Module:
    from sentence_transformers.cross_encoder import losses

    if recipe.loss == "list_net":
        return losses.ListNetLoss(model, mini_batch_size=_PAIRS_AT_ONCE)
    return losses.LambdaLoss(model, mini_batch_size=_PAIRS_AT_ONCE)


def _arguments(recipe: RerankRecipe, lists: int, run_folder: Path, seed: int) -> CrossEncoderTrainingArguments:
    from sentence_transformers.cross_encoder import CrossEncoderTrainingArguments

    steps = max(1, lists // recipe.questions_per_step)
    arguments = CrossEncoderTrainingArguments(
        **run_arguments(recipe, steps, run_folder / "checkpoints", seed),
        per_device_train_batch_size=recipe.questions_per_step,
    )
    return on_one_device(arguments)


def _trainer(
    model: CrossEncoder, dataset: Dataset, loss: Module, arguments: CrossEncoderTrainingArguments, watch: Any
) -> Any:
    from sentence_transformers.cross_encoder import CrossEncoderTrainer
    from transformers import PrinterCallback

    class Trainer(CrossEncoderTrainer):
        def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
            """Without a model card, for which the library scores the first rows and writes down their text."""
            self.model.save_pretrained(str(output_dir or self.args.output_dir), create_model_card=False)

        def _load_from_checkpoint(self, *given: Any, **named: Any) -> None:
            with without_advice():  # it is opened as a fresh cross-encoder
                super()._load_from_checkpoint(*given, **named)

    trainer = Trainer(model=model, args=arguments, train_dataset=dataset, loss=loss, callbacks=[watch])
    trainer.remove_callback(PrinterCallback)
    return trainer


def _stored(model: CrossEncoder, folder: Path) -> Path:
    network: Any = model.transformers_model
    state = {f"base_model.model.{name}": tensor for name, tensor in network.get_adapter_state_dict().items()}
    return write_adapter(state, network.peft_config["default"].to_dict(), folder)
