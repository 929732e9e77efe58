"""`advise` and `retrain` on the command line: what is handed on, what is shown, and the exit code."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flows.commands.tuning import retrain
from flows.retrain_adapter import Retrained
from flows.retrain_plan import RetrainRequest
from serving.interface.behaviours import Behaviour
from serving.registry.manifest import registered
from tests.flows.calls import Command
from tests.serving.registry.made_adapters import FAILED, draft

Call = Callable[..., Command]
FILES = {"adapter_model.safetensors": "a" * 64, "adapter_config.json": "b" * 64}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[RetrainRequest]:
    """Requests of retrainings, each of which trains nothing; with seed 13 the gate refuses what came of it."""
    requests: list[RetrainRequest] = []

    def train(settings: Any, request: RetrainRequest, *, say: Any, progress: Any) -> Retrained:
        requests.append(request)
        say("Training.")
        progress("train", 1, 2)
        made = draft(request.behaviour, **({"verdict": FAILED} if request.seed == 13 else {}))
        report = Path("report.json")
        report.with_suffix(".txt").write_text("what the gate said")
        return Retrained(registered(made, FILES), {"train": 9}, report, promoted=request.promote)

    monkeypatch.setattr("flows.retrain_adapter.retrain_adapter", train)
    return requests


def test_everything_that_is_asked_for_is_handed_on(call: Call, asked: list[RetrainRequest]):
    done = call(
        *("retrain", "refusal", "--data", "a.jsonl", "--data", "b.jsonl", "--recipe", "r.yaml", "--charter", "c.yaml"),
        *("--gate", "g.yaml", "--promote", "--seed", "7", "--json"),
    )
    assert (done.code, done.document["passed"], done.document["promoted"]) == (0, True, True)
    assert done.err == "Training.\n"
    data = (Path("a.jsonl"), Path("b.jsonl"))
    named = (Path("c.yaml"), Path("r.yaml"), Path("g.yaml"))
    assert asked == [RetrainRequest(Behaviour.REFUSAL, data, *named, promote=True, seed=7)]


def test_what_is_not_asked_for_is_left_to_the_project_and_the_settings(
    call: Call, asked: list[RetrainRequest], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("GROUNDSKEEPER_SEED", "5")
    assert "what the gate said" in call("retrain", "citation").out
    assert asked == [RetrainRequest(Behaviour.CITATION, seed=5)]


def test_what_the_gate_refuses_is_not_so_and_is_told_with_its_reasons(call: Call, asked: list[RetrainRequest]):
    done = call("retrain", "refusal", "--seed", "13", "--json")
    assert (done.code, done.document["passed"]) == (1, False)
    assert done.document["reasons"] == list(FAILED.reasons)


def test_as_a_flow_the_same_request_goes_to_prefect(call: Call, monkeypatch: pytest.MonkeyPatch):
    requests: list[RetrainRequest] = []

    def run(settings: Any, request: RetrainRequest, say: Any, progress: Any) -> tuple[dict[str, Any], Retrained]:
        requests.append(request)
        Path("report.txt").write_text("what the gate said")
        made = registered(draft(request.behaviour, verdict=FAILED), FILES)
        retrained = Retrained(made, {"train": 9}, Path("report.json"), promoted=False)
        return {**retrained.as_json(), "flow_run": "brave-otter"}, retrained

    monkeypatch.setattr("flows.scheduled.run.run_retrain_flow", run)
    done = call("retrain", "refusal", "--data", "a.jsonl", "--flow", "--json")
    assert (done.code, done.document["flow_run"]) == (1, "brave-otter")
    shown = call("retrain", "refusal", "--data", "a.jsonl", "--flow").out
    assert "what the gate said" in shown
    assert "cannot be promoted" in shown
    assert requests == [RetrainRequest(Behaviour.REFUSAL, (Path("a.jsonl"),))] * 2


def test_a_charter_may_be_named_by_its_behaviour_or_by_its_path(call: Call):
    own = call("advise", "refusal", "--json")
    assert (own.code, own.document["behaviour"], own.document["verdict"]) == (0, "refusal", "yes")
    copy = Path("mine.yaml")
    copy.write_text(
        Path(own.document["charter"]).read_text("utf-8").replace("owner: maintainers", 'owner: ""'), "utf-8"
    )
    mine = call("advise", "mine.yaml")
    assert mine.code == 1
    assert "Verdict: no." in mine.out


def test_a_charter_that_says_no_ends_a_retraining_before_it_begins(call: Call):
    own = call("advise", "refusal", "--json").document["charter"]
    Path("mine.yaml").write_text(Path(own).read_text("utf-8").replace("owner: maintainers", 'owner: ""'), "utf-8")
    done = call("retrain", "refusal", "--data", "rows.jsonl", "--charter", "mine.yaml", "--json")
    assert (done.code, done.document["error"]["kind"]) == (1, "training_not_advised")
    assert "Next step" in done.document["error"]["remedy"]
    assert not list(Path("var").rglob("*.jsonl"))


def test_the_help_of_retrain_is_its_docstring(call: Call):
    shown = " ".join(call("retrain", "--help").out.split())
    assert " ".join((retrain.__doc__ or "-").split()) in shown
