"""Training the reranker: it learns, it is repeatable, and a kill costs time but changes nothing."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from serving.registry.models import ModelFolder
from tests.serving.tiny_encoder import TOKENS, write_tiny_encoder
from tests.tuning.killed_training import train_and_kill
from tuning.errors import NothingToTrainOn, RecipeInvalid
from tuning.recipe import LoraRecipe
from tuning.recipe_rerank import RerankRecipe, read_rerank_recipe
from tuning.rows import RankedPassage, RerankRow
from tuning.train_reranker import TrainedReranker, train_reranker
from tuning.trainer import Progress

pytestmark = pytest.mark.filterwarnings(
    # transformers renames an attribute that peft still reads
    "ignore:.*gradient_checkpointing.*:FutureWarning"
)

RECIPE = RerankRecipe(
    behaviour="rerank",
    lora=LoraRecipe(rank=4, alpha=8),
    loss="list_net",
    passages_per_question=3,
    passage_tokens=20,
    questions_per_step=2,
    learning_rate=0.02,
    epochs=2,
    checkpoint_seconds=0.001,
)
LETTERS = "a b c d e f g h".split()
COLOURS = "red green blue".split()


def rows(count: int = 12) -> list[RerankRow]:
    """The passage that names the colour of the question is the relevant one."""
    return [row(LETTERS[i % 8], COLOURS[i % 3], COLOURS) for i in range(count)]


def row(letter: str, colour: str, colours: list[str]) -> RerankRow:
    passages = [RankedPassage(id=c, text=f"{letter} the {c} one.", relevance=float(c == colour)) for c in colours]
    return RerankRow(question=f"where is the {colour} ?", passages=tuple(passages))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    return write_tiny_encoder(tmp_path_factory.mktemp("tiny"))


def trained(
    base: ModelFolder,
    folder: Path,
    progress: Callable[[Progress], None] = lambda _: None,
    recipe: RerankRecipe = RECIPE,
) -> TrainedReranker:
    return train_reranker(recipe, rows(), base, folder, seed=1, progress=progress)


def weights(record: TrainedReranker) -> bytes:
    return (record.folder / "adapter_model.safetensors").read_bytes()


@pytest.mark.parametrize("loss", ["list_net", "lambda"])
def test_a_trained_reranker_puts_the_relevant_passage_first(base: ModelFolder, tmp_path: Path, loss: str) -> None:
    from serving.assistant.reranker import open_reranker

    recipe = RECIPE.model_copy(update={"loss": loss, "epochs": 30, "checkpoint_seconds": 1000.0})
    record = trained(base, tmp_path, recipe=recipe)
    reranker = open_reranker(base.path, record.folder, passage_tokens=recipe.passage_tokens)
    first = []
    for one in rows():
        scores = reranker.score(one.question, one.passages)
        best = max(zip(scores, one.passages, strict=True), key=lambda pair: pair[0])
        first.append(best[1].relevance)
    assert record.losses[-1] < record.losses[0] / 2
    assert sum(first) >= 10  # of 12; four by chance


def test_the_adapter_is_stored_alone_in_float16_and_with_its_head(base: ModelFolder, tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    folder = trained(base, tmp_path).folder
    tensors = load_file(str(folder / "adapter_model.safetensors"))
    assert sorted(path.name for path in folder.iterdir()) == ["adapter_config.json", "adapter_model.safetensors"]
    assert {tensor.dtype.name for tensor in tensors.values()} == {"float16"}
    assert {name for name in tensors if "lora_" not in name} == {
        "base_model.model.classifier.bias",
        "base_model.model.classifier.weight",
    }
    assert len([name for name in tensors if "lora_A" in name]) == 2 * 6 + 1  # six matrices a layer, and the pooler


def test_only_the_upper_share_of_the_layers_is_adapted(base: ModelFolder, tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    recipe = RECIPE.model_copy(update={"lora": LoraRecipe(rank=4, alpha=8, upper_layers=0.5), "epochs": 1})
    tensors = load_file(str(trained(base, tmp_path, recipe=recipe).folder / "adapter_model.safetensors"))
    assert {name.split(".layer.")[1][0] for name in tensors if ".layer." in name} == {"1"}


def test_the_stored_settings_name_neither_a_base_model_nor_a_folder(base: ModelFolder, tmp_path: Path) -> None:
    text = (trained(base, tmp_path).folder / "adapter_config.json").read_text("utf-8")
    assert json.loads(text)["base_model_name_or_path"] is None
    assert str(base.path) not in text


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(base: ModelFolder, tmp_path: Path) -> None:
    one, same = trained(base, tmp_path / "a"), trained(base, tmp_path / "b")
    other = train_reranker(RECIPE, rows(), base, tmp_path / "c", seed=2)
    assert weights(one) == weights(same) != weights(other)


def test_a_run_that_broke_off_ends_with_the_same_weights_and_goes_on_in_silence(
    base: ModelFolder, tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    def break_off(progress: Progress) -> None:
        if progress.step == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(base, tmp_path / "a", break_off)
    steps: list[int] = []
    resumed = trained(base, tmp_path / "a", lambda progress: steps.append(progress.step))
    assert steps[0] > 1
    assert weights(resumed) == weights(trained(base, tmp_path / "b"))
    said = capfd.readouterr().err + "".join(record.getMessage() for record in caplog.records)
    assert "newly initialized" not in said
    assert "Converting" not in said


def test_a_checkpoint_holds_no_text_of_the_rows(base: ModelFolder, tmp_path: Path) -> None:
    trained(base, tmp_path)
    files = [path for path in (tmp_path / "checkpoints").rglob("*") if path.is_file()]
    assert any(path.name == "adapter_model.safetensors" for path in files)
    assert not [path for path in files if b"where is the red ?" in path.read_bytes()]


def test_half_a_checkpoint_is_not_resumed_from(base: ModelFolder, tmp_path: Path) -> None:
    trained(base, tmp_path)
    for folder in (tmp_path / "checkpoints").iterdir():
        (folder / "complete").unlink()
    steps: list[int] = []
    trained(base, tmp_path, lambda progress: steps.append(progress.step))
    assert steps[0] == 1


def test_killed_again_and_again_it_still_ends_with_the_same_weights(base: ModelFolder, tmp_path: Path) -> None:
    """SIGKILL in a process of its own, each time some steps on."""
    whole = weights(trained(base, tmp_path / "whole"))
    for kill_after in (3, 8):
        assert (
            train_and_kill("tests.tuning.test_train_reranker", base, tmp_path / "killed", kill_after) == -signal.SIGKILL
        )
        assert not (tmp_path / "killed" / "adapter").exists()
    steps: list[int] = []
    resumed = trained(base, tmp_path / "killed", lambda progress: steps.append(progress.step))
    assert steps[0] > 3
    assert weights(resumed) == whole


def test_a_misspelt_matrix_is_refused_before_a_step_is_made(base: ModelFolder, tmp_path: Path) -> None:
    recipe = RECIPE.model_copy(update={"lora": LoraRecipe(rank=2, alpha=4, modules=("qery",))})
    with pytest.raises(RecipeInvalid, match=r"qery; the base model has .*query"):
        trained(base, tmp_path, recipe=recipe)


def test_progress_counts_every_step_and_the_time_left_falls_to_nothing(base: ModelFolder, tmp_path: Path) -> None:
    seen: list[Progress] = []
    record = trained(base, tmp_path, seen.append)
    assert [progress.step for progress in seen] == list(range(1, seen[-1].steps + 1))
    assert seen[-1].seconds_left == 0
    assert (record.steps, record.lists, record.pairs) == (seen[-1].steps, 2 * 12, 2 * 12 * 3)


def test_a_question_that_fills_what_the_model_reads_is_left_out_and_counted(base: ModelFolder, tmp_path: Path) -> None:
    long = rows(1)[0].model_copy(update={"question": "a " * TOKENS})
    record = train_reranker(RECIPE, [*rows(4), long], base, tmp_path, seed=0)
    assert (record.lists, record.too_long) == (2 * 4, 1)
    with pytest.raises(NothingToTrainOn, match="that the encoder can read"):
        train_reranker(RECIPE, [long], base, tmp_path, seed=0)


def test_rows_without_a_better_and_a_worse_passage_are_an_error(base: ModelFolder, tmp_path: Path) -> None:
    with pytest.raises(NothingToTrainOn, match="better and a worse"):
        train_reranker(RECIPE, [row("a", "red", ["red"])], base, tmp_path, seed=0)


def test_the_recipe_that_comes_with_the_project_can_be_read() -> None:
    recipe = read_rerank_recipe(Path(__file__).parents[2] / "tuning" / "recipes" / "rerank.yaml")
    assert recipe.behaviour == "rerank"


def test_a_recipe_with_an_unknown_key_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("behaviour: rerank\nlearnig_rate: 0.1\n", "utf-8")
    with pytest.raises(RecipeInvalid, match="learnig_rate"):
        read_rerank_recipe(tmp_path / "recipe.yaml")
