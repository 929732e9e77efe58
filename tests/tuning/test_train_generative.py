"""Training: it learns, it is repeatable, and a kill costs time but changes nothing."""

from __future__ import annotations

import json
import math
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from serving.registry.models import ModelFolder
from tests.serving.assistant.tiny_model import write_tiny_model
from tests.tuning.killed_training import train_and_kill
from tuning.errors import NothingToTrainOn, RecipeInvalid
from tuning.packing import Example, pack
from tuning.recipe import Beginning, LoraRecipe, Recipe
from tuning.train_generative import TrainedAdapter, train_generative
from tuning.trainer import Progress, packed_dataset, prediction_loss

pytestmark = pytest.mark.filterwarnings(
    # transformers renames an attribute that peft and trl still read
    "ignore:.*gradient_checkpointing.*:FutureWarning"
)

RECIPE = Recipe(
    behaviour="refusal",
    lora=LoraRecipe(rank=4, alpha=8, upper_layers=0.5),
    learning_rate=0.02,
    epochs=6,
    examples_per_sequence=4,
    tokens_per_sequence=256,
    sequences_per_step=1,
    checkpoint_seconds=0.001,
)
YES, NO, STOP = 10, 11, 2


def examples(count: int = 24) -> list[Example]:
    """Prompts that end in an even token are to be answered with YES, the others with NO."""
    return [
        Example((*range(20, 40), 100 + i // 4, 60 + i), (YES if i % 2 else NO, STOP), (NO, YES)) for i in range(count)
    ]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    return write_tiny_model(tmp_path_factory.mktemp("tiny"))


def trained(base: ModelFolder, folder: Path, progress: Callable[[Progress], None] = lambda _: None) -> TrainedAdapter:
    return train_generative(RECIPE, base, examples(), folder, seed=1, progress=progress)


def weights(adapter: TrainedAdapter) -> bytes:
    return (adapter.folder / "adapter_model.safetensors").read_bytes()


def test_a_trained_adapter_answers_its_examples(base: ModelFolder, tmp_path: Path) -> None:
    from serving.assistant.engine import ScoreRequest
    from serving.assistant.local_engine import open_local_engine

    adapter = trained(base, tmp_path)
    assert adapter.losses[-1] < adapter.losses[0] / 2
    engine = open_local_engine(base)
    engine.load_adapter("refusal@x", adapter.folder)
    scores = engine.score([ScoreRequest(e.prompt, ((NO,), (YES,)), "refusal@x") for e in examples()])
    right = [(yes > no) == (e.completion[0] == YES) for e, (no, yes) in zip(examples(), scores, strict=True)]
    assert sum(right) >= 20


def test_only_the_upper_share_of_the_layers_is_adapted_and_the_head_is_not(base: ModelFolder, tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    tensors = load_file(str(trained(base, tmp_path).folder / "adapter_model.safetensors"))
    assert {name.split(".layers.")[1][0] for name in tensors} == {"1"}
    assert {tensor.dtype.name for tensor in tensors.values()} == {"float16"}
    assert len(tensors) == 2 * 7


def test_the_stored_settings_name_neither_a_base_model_nor_a_folder(base: ModelFolder, tmp_path: Path) -> None:
    text = (trained(base, tmp_path).folder / "adapter_config.json").read_text("utf-8")
    assert json.loads(text)["base_model_name_or_path"] is None
    assert str(base.path) not in text


def test_the_same_seed_gives_the_same_weights(base: ModelFolder, tmp_path: Path) -> None:
    assert weights(trained(base, tmp_path / "a")) == weights(trained(base, tmp_path / "b"))


def test_a_run_that_broke_off_ends_with_the_same_weights(base: ModelFolder, tmp_path: Path) -> None:
    def break_off(progress: Progress) -> None:
        if progress.step == 17:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(base, tmp_path / "a", break_off)
    steps: list[int] = []
    resumed = trained(base, tmp_path / "a", lambda progress: steps.append(progress.step))
    assert steps[0] > 1
    assert weights(resumed) == weights(trained(base, tmp_path / "b"))


def test_half_a_checkpoint_is_not_resumed_from(base: ModelFolder, tmp_path: Path) -> None:
    adapter = trained(base, tmp_path)
    for folder in (tmp_path / "checkpoints").iterdir():
        (folder / "complete").unlink()
    (adapter.folder / "adapter_model.safetensors").unlink()
    steps: list[int] = []
    trained(base, tmp_path, lambda progress: steps.append(progress.step))
    assert steps[0] == 1


def test_killed_again_and_again_it_still_ends_with_the_same_weights(base: ModelFolder, tmp_path: Path) -> None:
    """SIGKILL in a process of its own, each time a few steps on."""
    whole = weights(trained(base, tmp_path / "whole"))
    for kill_after in (3, 9, 20):
        code = train_and_kill("tests.tuning.test_train_generative", base, tmp_path / "killed", kill_after)
        assert code == -signal.SIGKILL
        assert not (tmp_path / "killed" / "adapter").exists()
    assert weights(trained(base, tmp_path / "killed")) == whole


def test_a_misspelt_matrix_is_refused_before_a_step_is_made(base: ModelFolder, tmp_path: Path) -> None:
    recipe = RECIPE.model_copy(update={"lora": LoraRecipe(rank=2, alpha=4, modules=("q_prjo",))})
    with pytest.raises(RecipeInvalid, match="q_prjo"):
        train_generative(recipe, base, examples(), tmp_path, seed=1)


def test_progress_counts_every_step_and_the_time_left_falls_to_nothing(base: ModelFolder, tmp_path: Path) -> None:
    seen: list[Progress] = []
    trained(base, tmp_path, seen.append)
    assert [progress.step for progress in seen] == list(range(1, seen[-1].steps + 1))
    assert seen[-1].seconds_left == 0


def test_no_examples_are_an_error(base: ModelFolder, tmp_path: Path) -> None:
    with pytest.raises(NothingToTrainOn):
        train_generative(RECIPE, base, [], tmp_path, seed=0)


def test_choices_are_judged_among_themselves_and_free_tokens_among_all() -> None:
    import torch

    logits = torch.tensor([[9.0, 1.0, 1.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
    loss = prediction_loss(logits, torch.tensor([1, 3]), [(1, 2), ()], torch.ones(2))
    assert float(loss) == pytest.approx(math.log(2) + math.log(4))


def test_weights_count_in_proportion_to_their_mean() -> None:
    import torch

    logits = torch.tensor([[9.0, 1.0, 1.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
    loss = prediction_loss(logits, torch.tensor([1, 3]), [(1, 2), ()], torch.tensor([6.0, 2.0]))
    assert float(loss) == pytest.approx(1.5 * math.log(2) + 0.5 * math.log(4))


def test_the_beginning_of_each_completion_weighs_more() -> None:
    packed = pack([Example((1, 2), (5, 6, 7)), Example((1, 2), (5, 8))], tokens=99, examples_each=9)
    (row,) = packed_dataset(packed, Beginning(tokens=2, weight=8.0))
    weighed = sorted(zip(row["targets"], row["weights"], strict=True))
    assert weighed == [(5, 8.0), (5, 8.0), (6, 8.0), (7, 1.0), (8, 8.0)]
