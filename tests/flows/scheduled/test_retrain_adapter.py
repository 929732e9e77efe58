"""The retraining as a Prefect flow: the same steps in the same order, and what a schedule gives becomes a request.

That a real server records it, and that its errors reach the user plainly, is shown in `test_run`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flows.retrain_adapter import Candidate
from flows.retrain_plan import RetrainRequest
from serving.interface.behaviours import Behaviour

pytestmark = pytest.mark.filterwarnings("ignore")  # Prefect's own, at import


CANDIDATE = Candidate("version", since=())


class Described:
    def as_json(self) -> dict[str, Any]:
        return {"version": "v"}


@pytest.fixture
def flow(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The flow's module; its tasks are called as plain functions, over steps that only tell what they were given."""
    from flows.scheduled import retrain_adapter as module

    for name in ("take_snapshot", "train_candidate", "register_candidate", "promote_passed"):
        monkeypatch.setattr(module, name, getattr(module, name).fn)
    return module


@pytest.fixture
def done(flow: Any, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """Each step by its name, with what it was given from the step before."""
    seen: list[tuple[str, Any]] = []

    def step(name: str, at: int, result: Any) -> None:
        def run(*given: Any, **named: Any) -> Any:
            seen.append((name, given[at] if at < len(given) else named))
            return result

        monkeypatch.setattr(flow.steps, name, run)

    step("take_snapshot", 1, "snapshot")
    step("train_candidate", 2, Path("run"))
    step("register_candidate", 3, CANDIDATE)
    step("promote_passed", 2, True)
    step("describe", 3, Described())
    return seen


def test_each_step_is_given_the_name_that_the_one_before_it_gave(flow: Any, done: list[tuple[str, Any]]) -> None:
    found = flow.retrain_adapter_flow.fn("refusal", data=("rows.jsonl",))
    assert [name for name, _ in done] == [
        "take_snapshot", "train_candidate", "register_candidate", "promote_passed", "describe",
    ]  # fmt: skip
    assert [given for _, given in done][1:] == ["snapshot", Path("run"), CANDIDATE, "version"]
    assert found["version"] == "v"
    assert "flow_run" in found


def test_a_schedule_retrains_with_the_seed_of_the_settings(
    flow: Any, done: list[tuple[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GROUNDSKEEPER_SEED", "5")
    flow.retrain_adapter_flow.fn("refusal", data=("rows.jsonl",), promote=True)
    assert done[0][1].request == RetrainRequest(Behaviour.REFUSAL, (Path("rows.jsonl"),), promote=True, seed=5)


def test_a_request_is_taken_as_it_is(flow: Any, done: list[tuple[str, Any]]) -> None:
    asked = RetrainRequest(Behaviour.CITATION, (Path("rows.jsonl"),), seed=3)
    flow.retrain_adapter_flow.fn("citation", request=asked)
    assert done[0][1].request == asked
