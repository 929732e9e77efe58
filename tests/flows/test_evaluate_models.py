"""`evaluate` with the real models, un-tuned, on rows of our own: the way from the command line to the figures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from serving.registry.models import ModelFolder
from tests.architecture.tree import ROOT
from tests.flows.calls import Command

Call = Callable[..., Command]

FIGURES = {
    "query_rewrite": {"rouge1_f1", "rouge1_f1_copy", "rouge1_recall", "exact_match"},
    "refusal": {"balanced_accuracy", "auc", "accuracy_answerable", "accuracy_unanswerable", "false_refusal_rate"},
    "citation": {"citations_resolve", "sentence_correct", "answer_f1"},
    "rerank": {"ndcg_at_10", "mrr"},
}


@pytest.mark.models
@pytest.mark.parametrize(("behaviour", "figures"), FIGURES.items(), ids=FIGURES)
def test_a_behaviour_is_measured_un_tuned(
    call: Call,
    base_model: ModelFolder,
    models_root: Path,
    monkeypatch: pytest.MonkeyPatch,
    behaviour: str,
    figures: set[str],
):
    monkeypatch.setenv("GROUNDSKEEPER_MODELS", str(models_root))
    Path("no-starters").mkdir()
    monkeypatch.setenv("GROUNDSKEEPER_STARTER", "no-starters")
    rows = str(ROOT / "tests" / "rows" / f"{behaviour}.jsonl")
    measured = call("evaluate", behaviour, "--data", rows, "--adapter", "none", "--limit", "8", "--json").document
    assert (measured["rows"], measured["judged"], measured["adapter"]) == (8, 8, "none")
    assert measured["metrics"].keys() >= figures
    assert all(0 <= figure["low"] <= figure["value"] <= figure["high"] for figure in measured["metrics"].values())
    if behaviour == "citation":
        assert measured["metrics"]["citations_resolve"]["value"] == 1.0
