"""The reranker: same tokens as in training, scores that rank, an order that no chance decides."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.assistant.errors import AdapterRefused
from serving.assistant.reranker import CrossEncoderReranker, fused, open_reranker, rerank, shares
from serving.interface.context import ContextPassage
from serving.interface.errors import MalformedOutput, QuestionTooLong
from serving.registry.errors import ModelRefused
from serving.registry.models import ModelFolder
from tests.serving.tiny_encoder import TOKENS, write_tiny_encoder

pytestmark = pytest.mark.filterwarnings(
    # transformers renames an attribute that peft still reads
    "ignore:.*gradient_checkpointing.*:FutureWarning"
)

PASSAGE_TOKENS = 16
PASSAGES = [
    ContextPassage(id="1", text="the red one ."),
    ContextPassage(id="2", text="a b c d e f g h a b c d e f g h the blue one .", title="three"),
    ContextPassage(id="3", text="green ."),
]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    return write_tiny_encoder(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def adapter(base: ModelFolder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LoRA with random weights, and a head, as PEFT lays them out."""
    return write_rerank_adapter(base, tmp_path_factory.mktemp("adapter"))


@pytest.fixture(scope="module")
def reranker(base: ModelFolder, adapter: Path) -> CrossEncoderReranker:
    return open_reranker(base.path, adapter, passage_tokens=PASSAGE_TOKENS)


def write_rerank_adapter(base: ModelFolder, folder: Path, **settings: Any) -> Path:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForSequenceClassification

    torch.manual_seed(3)
    network = AutoModelForSequenceClassification.from_pretrained(str(base.path), num_labels=1)
    config = LoraConfig(
        task_type="SEQ_CLS",
        **{"r": 4, "target_modules": ["query", "value"], "modules_to_save": ["classifier"], **settings},
        init_lora_weights=False,
    )
    get_peft_model(network, config).save_pretrained(str(folder))
    return folder


@contextmanager
def seen_by_networks() -> Iterator[list[tuple[int, ...]]]:
    """Collects the token ids, padding left out, that reach any sequence classifier."""
    from torch.nn.modules.module import register_module_forward_pre_hook
    from transformers import BertModel

    seen: list[tuple[int, ...]] = []

    def look(module: Any, args: tuple[Any, ...]) -> None:
        if isinstance(module, BertModel):
            seen.extend(tuple(row[row != 0].tolist()) for row in args[0])

    handle = register_module_forward_pre_hook(look)
    try:
        yield seen
    finally:
        handle.remove()


def test_scores_are_those_of_the_library_itself(
    base: ModelFolder, adapter: Path, reranker: CrossEncoderReranker
) -> None:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    network = AutoModelForSequenceClassification.from_pretrained(str(base.path), num_labels=1)
    adapted = PeftModel.from_pretrained(network, str(adapter)).eval()
    tokens = AutoTokenizer.from_pretrained(str(base.path))(["where ?"] * 2, ["the red one .", "green ."], padding=True)
    logits = adapted(**{name: torch.tensor(value) for name, value in tokens.items()}).logits[:, 0]
    expected = torch.sigmoid(logits).tolist()
    assert reranker.score("where ?", [PASSAGES[0], PASSAGES[2]]) == pytest.approx(expected, abs=1e-6)


def test_a_passage_has_its_score_whatever_is_scored_beside_it(reranker: CrossEncoderReranker) -> None:
    together = reranker.score("where is the red one ?", PASSAGES)
    alone = [reranker.score("where is the red one ?", [passage])[0] for passage in PASSAGES]
    assert together == pytest.approx(alone, abs=1e-6)
    assert len({round(score, 6) for score in together}) == 3
    assert reranker.score("where ?", []) == []


def test_the_end_of_a_long_passage_is_not_read_and_the_question_always_is(reranker: CrossEncoderReranker) -> None:
    long = ContextPassage(id="x", text="a b c d e f g h a b c d e f g h red")
    longer = ContextPassage(id="x", text="a b c d e f g h a b c d e f g h green red")
    shorter = ContextPassage(id="x", text="a b c d e f g h a b c d e f g red")
    question = "where is the red one ? " * 4
    assert reranker.score(question, [long]) == pytest.approx(reranker.score(question, [longer]), abs=1e-7)
    assert reranker.score(question, [long]) != pytest.approx(reranker.score(question, [shorter]), abs=1e-7)
    with pytest.raises(QuestionTooLong):
        reranker.score("a " * TOKENS, [long])


def test_serving_reads_the_tokens_that_training_read(base: ModelFolder, tmp_path: Path) -> None:
    from tuning.recipe import LoraRecipe
    from tuning.recipe_rerank import RerankRecipe
    from tuning.rows import RankedPassage, RerankRow
    from tuning.train_reranker import train_reranker

    recipe = RerankRecipe(
        behaviour="rerank", lora=LoraRecipe(rank=2, alpha=2), loss="list_net", passages_per_question=3,
        passage_tokens=PASSAGE_TOKENS, questions_per_step=1, learning_rate=0.001, epochs=1,
    )  # fmt: skip
    question = "where is the [SEP] blue one ?"
    passages = tuple(RankedPassage(**dict(p), relevance=float(p.id == "2")) for p in PASSAGES)
    with seen_by_networks() as trained:
        record = train_reranker(recipe, [RerankRow(question=question, passages=passages)], base, tmp_path, seed=0)
    opened = open_reranker(base.path, record.folder, passage_tokens=PASSAGE_TOKENS)
    with seen_by_networks() as served:
        opened.score(question, PASSAGES)
    assert len(trained) == 3
    assert sorted(trained) == sorted(served)


def test_a_score_that_is_no_number_is_an_error_and_no_low_relevance(
    reranker: CrossEncoderReranker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reranker._model, "predict", lambda pairs, **how: [math.nan] * len(pairs))
    with pytest.raises(MalformedOutput):
        reranker.score("where ?", PASSAGES)


def test_threads_may_share_a_reranker(reranker: CrossEncoderReranker) -> None:
    expected = reranker.score("where ?", PASSAGES)
    found: list[list[float]] = []
    threads = [threading.Thread(target=lambda: found.append(reranker.score("where ?", PASSAGES))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [pytest.approx(expected, abs=1e-6)] * 8


def test_an_adapter_of_another_shape_is_refused(base: ModelFolder, adapter: Path, tmp_path: Path) -> None:
    wider = write_tiny_encoder(tmp_path / "wider", layers=3)
    with pytest.raises(AdapterRefused, match="does not fit"):
        open_reranker(wider.path, adapter, passage_tokens=PASSAGE_TOKENS)


def test_an_adapter_without_a_head_is_refused(base: ModelFolder, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = write_rerank_adapter(base, tmp_path)
    path = folder / "adapter_model.safetensors"
    save_file({name: t for name, t in load_file(path).items() if "classifier" not in name}, path)
    with pytest.raises(AdapterRefused, match="classifier"):
        open_reranker(base.path, folder, passage_tokens=PASSAGE_TOKENS)


def test_a_folder_without_an_encoder_is_refused(tmp_path: Path, adapter: Path) -> None:
    with pytest.raises(ModelRefused, match="cannot be made a reranker"):
        open_reranker(tmp_path, adapter, passage_tokens=PASSAGE_TOKENS)


scored = st.lists(st.tuples(st.text("abc", min_size=1), st.floats(0, 1)), unique_by=lambda pair: pair[0], max_size=8)


@given(scored, st.floats(0, 1))
def test_an_order_holds_every_passage_once_and_follows_the_fused_scores(
    pairs: list[tuple[str, float]], weight: float
) -> None:
    ids, scores = [one for one, _ in pairs], [score for _, score in pairs]
    order = rerank(ids, scores, weight)
    mixed = fused(scores, weight)
    assert sorted(order) == list(range(len(ids)))
    assert [(-mixed[i], ids[i]) for i in order] == sorted((-mixed[i], ids[i]) for i in range(len(ids)))


@given(scored)
def test_without_weight_the_order_of_the_search_stands(pairs: list[tuple[str, float]]) -> None:
    assert rerank([one for one, _ in pairs], [score for _, score in pairs], 0.0) == list(range(len(pairs)))


def test_with_the_whole_weight_the_scores_decide_and_equal_ones_go_by_id() -> None:
    assert rerank(["b", "a", "c"], [0.2, 0.2, 0.9], 1.0) == [2, 1, 0]


@given(st.lists(st.floats(-12, 12), min_size=1, max_size=8), st.floats(-10, 10))
def test_the_level_of_a_questions_scores_is_no_part_of_their_order(logits: list[float], level: float) -> None:
    """ListNet trains the differences of a question's logits alone."""
    scores, higher = ([1 / (1 + math.exp(-one)) for one in (*part,)] for part in (logits, [n + level for n in logits]))
    assert shares(higher) == pytest.approx(shares(scores), abs=1e-4)
    highest = max(logits)
    total = sum(math.exp(one - highest) for one in logits)
    assert shares(scores) == pytest.approx([math.exp(one - highest) / total for one in logits], abs=1e-6)


def test_scores_of_certainty_are_shares_like_others() -> None:
    assert shares([1.0, 1.0]) == [0.5, 0.5]
    assert shares([0.0, 0.0]) == [0.0, 0.0]
    assert shares([0.5, 0.0]) == [1.0, 0.0]
    assert shares([]) == []


def test_a_weight_outside_its_bounds_is_an_error_of_the_caller() -> None:
    with pytest.raises(ValueError, match="weight"):
        fused([0.5], 1.5)
