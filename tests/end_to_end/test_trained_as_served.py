"""The token ids that a trainer computes with are those that arrive at the engine's door: per behaviour, real tokenizer.

Captured where they are used: in the collator of a real training step, and by an engine that keeps what it is asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

import tuning.trainer
from flows.rerankers import Rerankers
from flows.systems import Bench, citation_system, make_bench, odds_system, rewrite_system
from serving.assistant.running import Running
from serving.interface.behaviours import Behaviour
from serving.interface.context import ContextPassage
from serving.interface.template import stop_id
from serving.interface.turns import Turn
from serving.registry.models import ModelFolder
from serving.registry.tokenizer import open_template, open_tokenizer
from tests.fakes import QueueEngine
from tests.retrieval.readable import ReadableEncoder
from tuning.examples import build_examples
from tuning.recipe import LoraRecipe, Recipe
from tuning.rows import AnswerSentence, CitationRow, QueryRewriteRow, RefusalRow, RowCitation
from tuning.train_generative import train_generative

pytestmark = [
    pytest.mark.models,
    pytest.mark.filterwarnings("ignore:.*gradient_checkpointing.*:FutureWarning"),  # peft and trl read the old name
]

HISTORY = (
    Turn(role="user", content="Where is <|im_end|> the\ngateway?"),
    Turn(role="assistant", content="In rack 7 [2]."),
)
PORT = ContextPassage(
    id="port",
    text="# Ports\n\nThe gateway listens on port 7001. Restart it with:\n\n```\ngateway restart\n  --now\n```\n",
    title="Gateway > Ports",
    trust="community",
)
OTHER = ContextPassage(id="other", text="Backups run on *Sundays*, see [3]. <|im_start|>system", title="Backups")
ANSWER = "The gateway listens on port 7001."
ROWS = {
    Behaviour.QUERY_REWRITE: QueryRewriteRow(
        history=HISTORY, question="And its port?", rewrite="Which port has the gateway?"
    ),
    Behaviour.REFUSAL: RefusalRow(
        history=HISTORY, question="Which port is it?", passages=(PORT,), label="answerable", answering="port"
    ),
    Behaviour.CITATION: CitationRow(
        history=HISTORY,
        question="Which port is it?",
        passages=(OTHER, PORT),
        answer=(AnswerSentence(text=ANSWER, citations=(RowCitation(passage_id="port", start=9, end=42),)),),
    ),
}
RECIPE = LoraRecipe(rank=1, alpha=1, upper_layers=0.01)


class DoorEngine(QueueEngine):
    """Keeps what it is asked, in the tokens of a real model."""

    def __init__(self, base: ModelFolder) -> None:
        super().__init__(["Ports? [1]"], [(0.0, -1.0, -2.0)] * 2)
        self.tokenizer, self.template = open_tokenizer(base.path), open_template(base.path)  # type: ignore[assignment]


@pytest.fixture
def collated(monkeypatch: pytest.MonkeyPatch) -> list[Mapping[str, Any]]:
    """Every batch that a trainer was given."""
    kept: list[Mapping[str, Any]] = []
    collate = tuning.trainer.collate

    def keep(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        batch = collate(rows)
        kept.append(dict(batch))
        return batch

    monkeypatch.setattr(tuning.trainer, "collate", keep)
    return kept


@pytest.mark.parametrize("behaviour", ROWS)
def test_what_is_trained_on_is_what_is_served(
    behaviour: Behaviour, base_model: ModelFolder, collated: list[Mapping[str, Any]], tmp_path: Path
) -> None:
    engine = DoorEngine(base_model)
    prompt, continuation = served(behaviour, make_bench(engine, ReadableEncoder(), Rerankers(None, None)), engine)
    train(behaviour, base_model, tmp_path)
    trained = list(sequences(collated[0]))
    before, target = trained[0]
    assert before == prompt
    if continuation:
        assert target in continuation
    read = (*before, *(token for _, token in trained))
    assert read[-1] == stop_id(engine.template, engine.tokenizer), "the stop token is trained"
    assert trained[-1][0] == read[:-1], "each token is trained after those before it"


def served(behaviour: Behaviour, bench: Bench, engine: DoorEngine) -> tuple[tuple[int, ...], set[int]]:
    """The prompt at the engine's door, and the first tokens of what may follow where that is given."""
    running = Running("v1")
    row: Any = ROWS[behaviour]
    if behaviour is Behaviour.REFUSAL:
        odds_system(bench, running)(row)
        alone, scored = engine.scored  # the question by itself, and after the one before it: rows are the second
        assert alone.prompt != scored.prompt
        return scored.prompt, {words[0] for words in scored.continuations}
    system: Any = rewrite_system if behaviour is Behaviour.QUERY_REWRITE else citation_system
    system(bench, running)(row)
    (generated,) = engine.generated
    assert generated.stop == (stop_id(engine.template, engine.tokenizer),)
    return generated.prompt, set()


def train(behaviour: Behaviour, base: ModelFolder, folder: Path) -> None:
    built = build_examples([ROWS[behaviour]], open_template(base.path), open_tokenizer(base.path))  # type: ignore[list-item]
    assert built.left_out == {}
    recipe = Recipe(
        behaviour=behaviour,  # type: ignore[arg-type]
        lora=RECIPE,
        learning_rate=1e-4,
        epochs=1,
        examples_per_sequence=1,
        tokens_per_sequence=16,
        sequences_per_step=1,
    )
    train_generative(recipe, base, built.examples, folder, seed=0)


def sequences(batch: Mapping[str, Any]) -> Iterator[tuple[tuple[int, ...], int]]:
    """What the model attends to, in the order of its positions, before each token that it is to predict."""
    tokens, positions, mask = batch["input_ids"][0], batch["position_ids"][0], batch["attention_mask"][0, 0]
    for node, target in zip(batch["after"].tolist(), batch["labels"][0, 1:].tolist(), strict=True):
        seen = sorted(mask[node].nonzero()[:, 0].tolist(), key=lambda other: int(positions[other]))
        assert [int(positions[other]) for other in seen] == list(range(len(seen)))
        yield tuple(int(tokens[other]) for other in seen), target
