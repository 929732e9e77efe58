"""`evaluate BEHAVIOUR` and `evaluate assistant`: which rows, which adapter, and the form of the figures."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import flows.evaluate_behaviour
from flows.evaluate_behaviour import sampled
from flows.production import Adapters, adapters_of
from flows.settings import Settings
from flows.systems import Bench, make_bench
from serving.assistant.engine import ScoreRequest
from serving.interface.behaviours import Behaviour
from serving.interface.fingerprint import fingerprint
from serving.registry.adapters import AdapterStore
from serving.registry.channels import Channel
from serving.registry.models import ModelFolder
from tests.architecture.tree import ROOT
from tests.flows.calls import Command
from tests.flows.fake_models import LoadingEngine, tiny_folder
from tests.retrieval.readable import ReadableEncoder
from tests.serving.interface.chatml import CHATML
from tests.serving.registry.made_adapters import NOON, draft, write_source

Call = Callable[..., Command]
REFUSALS = [
    {"question": f"Which port has gateway {n}?", "passages": [{"id": "p", "text": text}], "label": label}
    for n, (text, label) in enumerate(
        [("The gateway has port 7001.", "answerable"), ("Backups run on Sundays.", "unanswerable")] * 3
    )
]
RANKED = {
    "question": "Which port?",
    "passages": [{"id": "a", "text": "The port.", "relevance": 1}, {"id": "b", "text": "Sundays.", "relevance": 0}],
}


class JudgingEngine(LoadingEngine):
    """Takes a passage with a port for an answer, and knows which adapter was asked."""

    def score(self, requests: Sequence[ScoreRequest]) -> list[tuple[float, ...]]:
        self.scored += requests
        return [(0.0, -9.0, -9.0) if "7001" in self.prompt(request) else (-9.0, 0.0, -9.0) for request in requests]


@pytest.fixture
def engine() -> JudgingEngine:
    return JudgingEngine()


@pytest.fixture(autouse=True)
def tiny_bench(engine: JudgingEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stands in for the models."""
    model: ModelFolder = tiny_folder(tmp_path / "tiny")

    @contextmanager
    def opened(
        settings: Settings, say: Callable[[str], None], *, tries_rerankers: bool
    ) -> Iterator[tuple[Bench, Adapters]]:
        adapters = adapters_of(settings, engine, model, say)
        yield make_bench(engine, ReadableEncoder(), adapters.rerankers), adapters

    monkeypatch.setattr(flows.evaluate_behaviour, "open_bench", opened)
    monkeypatch.setenv("GROUNDSKEEPER_STARTER", "none")


@pytest.fixture
def version() -> str:
    """A registered adapter of refusal for the tiny model, in production."""
    fields = draft(contract=fingerprint(Behaviour.REFUSAL, CHATML))
    store = AdapterStore(Path("var/adapters"))
    made = store.register(write_source(Path("run")), fields).version
    from serving.registry.channels import Channels

    channels = Channels(Path("var/channels.json"))
    channels.promote(Channel.PRODUCTION, Behaviour.REFUSAL, made, at=NOON, check=lambda behaviour, value: None)
    return made


def write(name: str, *rows: dict[str, Any]) -> str:
    Path(name).write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return name


def test_the_figures_have_the_promised_form(call: Call):
    measured = call("evaluate", "refusal", "--data", write("rows.jsonl", *REFUSALS), "--json").document
    assert list(measured)[:6] == ["behaviour", "adapter", "rows", "judged", "unjudged", "metrics"]
    assert (measured["behaviour"], measured["adapter"], measured["mode"]) == ("refusal", "none", "few_shot")
    assert (measured["rows"], measured["judged"], measured["unjudged"]) == (6, 6, 0)
    assert measured["metrics"].keys() >= {
        "accuracy_answerable", "accuracy_unanswerable", "balanced_accuracy", "false_refusal_rate", "auc",
    }  # fmt: skip
    assert measured["metrics"]["auc"] == {"value": 1.0, "low": 1.0, "high": 1.0}


def test_production_is_measured_unless_something_else_is_asked_for(call: Call, engine: JudgingEngine, version: str):
    rows = write("rows.jsonl", *REFUSALS)
    for options, adapter, mode in (
        ([], version, None),
        (["--adapter", "production"], version, None),
        (["--adapter", version], version, None),
        (["--adapter", "none"], "none", "few_shot"),
        (["--mode", "prompt"], "none", "prompt"),
        (["--adapter", "none", "--mode", "prompt"], "none", "prompt"),
    ):
        engine.scored.clear()
        measured = call("evaluate", "refusal", "--data", rows, *options, "--json").document
        assert (measured["adapter"], measured["mode"]) == (adapter, mode), options
        asked = {request.adapter for request in engine.scored}
        assert asked == {None if adapter == "none" else f"refusal@{version}"}, options


def test_the_order_of_search_is_measured_without_a_reranker(call: Call):
    rows = write("rows.jsonl", RANKED)
    measured = call("evaluate", "rerank", "--data", rows, "--json").document
    assert (measured["adapter"], measured["mode"]) == ("none", "hybrid_order")
    assert measured["metrics"].keys() == {"ndcg_at_10", "mrr"}
    text = call("evaluate", "rerank", "--data", rows).out
    assert text.startswith("rerank, adapter hybrid_order: 1 rows, 1 judged.")
    assert "ndcg_at_10" in text


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        (["--adapter", "production", "--mode", "prompt"], "usage"),
        (["--adapter", "3f2a9c04be17"], "adapter_missing"),
        (["--adapter", "latest"], "adapter_missing"),
        (["--limit", "0"], "usage"),
        (["--mode", "zero_shot"], "usage"),
    ],
)
def test_what_cannot_be_measured_is_refused_with_a_remedy(call: Call, options: list[str], kind: str):
    done = call("evaluate", "refusal", "--data", write("rows.jsonl", *REFUSALS), *options, "--json")
    assert (done.code, done.document["error"]["kind"]) == (2, kind)
    assert done.document["error"]["remedy"]


def test_rerank_has_no_mode(call: Call):
    done = call("evaluate", "rerank", "--data", write("rows.jsonl", RANKED), "--mode", "prompt", "--json")
    assert (done.code, done.document["error"]["kind"]) == (2, "usage")


def test_rows_of_another_behaviour_are_refused_with_their_line(call: Call):
    done = call("evaluate", "citation", "--data", write("rows.jsonl", *REFUSALS), "--json")
    assert done.document["error"]["kind"] == "rows_invalid"
    assert "rows.jsonl, line 1" in done.document["error"]["message"]


def test_a_limit_draws_rows_by_the_seed_and_keeps_their_order():
    rows = list(range(100))
    drawn = sampled(rows, 10, seed=3)
    assert drawn == sampled(rows, 10, seed=3) == sorted(drawn)
    assert drawn != sampled(rows, 10, seed=4)
    assert sampled(rows, None, seed=3) == sampled(rows, 1000, seed=3) == rows


def test_a_limit_is_counted(call: Call):
    measured = call("evaluate", "refusal", "--data", write("rows.jsonl", *REFUSALS), "--limit", "4", "--json")
    assert measured.document["rows"] == 4


def test_rows_of_our_own_can_be_measured(call: Call):
    for behaviour in ("refusal", "rerank"):
        rows = ROOT / "tests" / "rows" / f"{behaviour}.jsonl"
        assert call("evaluate", behaviour, "--data", str(rows), "--limit", "5", "--json").document["judged"] == 5
