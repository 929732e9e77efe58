"""A plan is read whole before anything is trained, and every file of it must be for the behaviour asked for."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

import flows.retrain_plan
from flows.errors import RowsUnnamed
from flows.retrain_plan import Plan, RetrainRequest, freeze_plan, run_name
from flows.settings import load_settings
from serving.interface.behaviours import Behaviour
from tests.architecture.tree import ROOT
from tuning.errors import CharterInvalid, RecipeInvalid, ThresholdsInvalid, TuningError

TUNING = ROOT / "tuning"
TODAY = date(2026, 11, 25)


def plan(behaviour: Behaviour = Behaviour.REFUSAL, **asked: object) -> Plan:
    request = RetrainRequest(**{"behaviour": behaviour, "data": (Path("rows.jsonl"),)} | asked)  # type: ignore[arg-type]
    return freeze_plan(load_settings(), request, today=TODAY)


@pytest.mark.parametrize("behaviour", Behaviour)
def test_the_project_has_a_plan_for_every_behaviour(behaviour: Behaviour) -> None:
    made = plan(behaviour)
    assert {made.charter.behaviour, made.recipe.behaviour, made.thresholds.behaviour} == {behaviour}


OTHERS: dict[str, tuple[str, type[TuningError]]] = {
    "charter": ("charters", CharterInvalid),
    "recipe": ("recipes", RecipeInvalid),
    "gate": ("gates", ThresholdsInvalid),
}


@pytest.mark.parametrize(("what", "room", "error"), [(what, *of) for what, of in OTHERS.items()], ids=OTHERS)
def test_a_file_for_another_behaviour_is_refused_before_training(
    what: str, room: str, error: type[TuningError]
) -> None:
    with pytest.raises(error, match=f"The {what} is for citation, and refusal is to be trained") as refused:
        plan(**{what: TUNING / room / "citation.yaml"})
    assert f"--{what}" in refused.value.remedy


def test_rows_are_those_that_were_named_else_those_of_the_settings() -> None:
    with pytest.raises(RowsUnnamed, match="No rows of refusal"):
        plan(data=())
    Path("groundskeeper.toml").write_text('[training_data]\nrefusal = ["mine.jsonl"]\n', "utf-8")
    assert plan(data=()).data == (Path("mine.jsonl"),)
    assert plan().data == (Path("rows.jsonl"),)


def test_everything_that_decides_a_run_is_in_its_name_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    first = plan()
    name = run_name(first, "a", ["w", "t"])
    assert run_name(plan(promote=True, data=(Path("other.jsonl"),)), "a", ["w", "t"]) == name
    others = [
        run_name(first, "b", ["w", "t"]),
        run_name(first, "a", ["v", "t"]),
        run_name(plan(seed=1), "a", ["w", "t"]),
        run_name(replace(first, recipe=first.recipe.model_copy(update={"epochs": 2})), "a", ["w", "t"]),
        run_name(replace(first, thresholds=first.thresholds.model_copy(update={"floors": {}})), "a", ["w", "t"]),
    ]
    monkeypatch.setattr(flows.retrain_plan, "libraries", lambda: {"torch": "9.9"})
    assert len({name, *others, run_name(first, "a", ["w", "t"])}) == 7
