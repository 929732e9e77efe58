"""A retraining's story: it asks before it trains, and serves only what passed.

Charter, recipe, rows and, but for the baseline few_shot, which takes long, the gate are the project's own.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import flows.calibrating
import flows.judging
import flows.training
from flows.production import open_registry
from flows.retrain_adapter import retrain_adapter
from flows.retrain_plan import RetrainRequest
from flows.settings import load_settings
from flows.systems import Bench
from serving.interface.behaviours import Behaviour
from serving.registry.channels import Channel
from tests.architecture.tree import ROOT
from tests.flows.retraining.workshop import (
    GATE,
    OWN_ROWS,
    REFUSAL,
    ReadingEngine,
    Skill,
    letters,
    other_gate,
    registered,
    retrain,
    served,
)
from tests.serving.registry.made_adapters import NOON, OTHER_WEIGHTS, draft, write_source
from tuning.errors import TrainingNotAdvised
from tuning.rows import RefusalRow, read_rows
from tuning.snapshot import open_snapshot


def test_what_passes_is_registered_and_waits_to_be_promoted(trained: list[Path]) -> None:
    made = retrain()
    assert made.manifest.verdict.passed, made.manifest.verdict.reasons
    assert (made.code, made.promoted, served()) == (0, False, "few_shot")
    assert registered() == [made.manifest]
    snapshot = open_snapshot(Path("var/snapshots/refusal") / made.manifest.snapshot_id)
    assert made.snapshot_rows == snapshot.manifest.rows
    assert f"groundskeeper adapters promote refusal {made.manifest.version}" in made.as_text()
    assert made.as_json()["metrics"]["balanced_accuracy"]["value"] == 1.0
    assert made.manifest.baselines.keys() == {"prompt"}


def test_what_is_trained_on_is_one_split_and_what_is_judged_by_are_the_others(
    engine: ReadingEngine, trained_on: list[Sequence[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    judged: list[Any] = []
    measure, odds = flows.judging.measure, flows.calibrating.odds_system

    def measuring(bench: Bench, behaviour: Behaviour, rows: Sequence[Any], *given: Any, **named: Any) -> Any:
        judged.append((rows, "held_out"))
        return measure(bench, behaviour, rows, *given, **named)

    def judging(bench: Bench, running: Any) -> Any:
        system = odds(bench, running)
        return lambda row: (judged.append(([row], "calibration")), system(row))[1]

    monkeypatch.setattr(flows.judging, "measure", measuring)
    monkeypatch.setattr(flows.calibrating, "odds_system", judging)
    snapshot = open_snapshot(Path("var/snapshots/refusal") / retrain().manifest.snapshot_id)
    assert trained_on == [snapshot.rows("train")]
    assert {split for _, split in judged} == {"held_out", "calibration"}
    for rows, split in judged:
        assert all(row in snapshot.rows(split) for row in rows)


def test_each_event_has_its_own_time() -> None:
    hours = iter(range(1, 9))
    request = RetrainRequest(REFUSAL, (OWN_ROWS,), gate=GATE, promote=True)
    made = retrain_adapter(load_settings(), request, clock=lambda: NOON + timedelta(hours=next(hours)))
    (switch,) = open_registry(load_settings()).channels.history(Channel.PRODUCTION, REFUSAL)
    assert NOON + timedelta(hours=1) < made.manifest.created < switch.at


def test_what_passes_is_served_when_that_was_asked_for() -> None:
    made = retrain(promote=True)
    assert made.promoted
    assert served() == made.manifest.version
    assert "is served now" in made.as_text()


def test_what_the_gate_refuses_is_registered_with_its_reasons_and_never_served(engine: ReadingEngine) -> None:
    engine.skill = Skill.NOTHING
    made = retrain(promote=True)
    assert (made.code, made.promoted, served()) == (1, False, "few_shot")
    assert registered() == [made.manifest]
    assert any("balanced_accuracy against" in reason for reason in made.manifest.verdict.reasons)
    assert "cannot be promoted" in made.as_text()


def test_a_charter_that_says_no_ends_it_before_anything_is_made(trained: list[Path]) -> None:
    charter = (ROOT / "tuning" / "charters" / "refusal.yaml").read_text("utf-8")
    Path("charter.yaml").write_text(charter.replace("answer: yes", "answer: no", 1), "utf-8")
    with pytest.raises(TrainingNotAdvised, match="says no") as refused:
        retrain(charter=Path("charter.yaml"))
    assert "Next step, prompt" in refused.value.remedy
    assert trained == []
    assert not Path("var/snapshots").exists()


def test_fewer_rows_to_train_on_than_the_charter_asks_for_are_not_trained_on(trained: list[Path]) -> None:
    charter = (ROOT / "tuning" / "charters" / "refusal.yaml").read_text("utf-8")
    Path("charter.yaml").write_text(charter.replace("minimum: 500", "minimum: 5000"), "utf-8")
    with pytest.raises(TrainingNotAdvised, match="the charter asks for 5000"):
        retrain(charter=Path("charter.yaml"))
    assert trained == []


def test_rows_by_which_the_gate_could_pass_nobody_are_not_trained_on(trained: list[Path]) -> None:
    Path("gate.yaml").write_text(GATE.read_text("utf-8").replace("least_judged: 50", "least_judged: 5000"), "utf-8")
    with pytest.raises(TrainingNotAdvised, match="held-out rows that can be judged of at least 5000"):
        retrain(gate=Path("gate.yaml"))
    assert trained == []


def test_a_retraining_that_is_repeated_after_its_promotion_gives_the_version_that_is_served() -> None:
    first, again = retrain(promote=True), retrain()
    assert again.manifest == first.manifest
    assert "Production serves no other adapter" in again.as_text()


def test_another_candidate_is_compared_with_what_is_served(monkeypatch: pytest.MonkeyPatch) -> None:
    retrain(promote=True)

    def train(plan: Any, rows: Any, base: Any, run: Path, **told: Any) -> None:
        write_source(run / "adapter", weight=2)

    monkeypatch.setattr(flows.training, "train", train)
    made = retrain(gate=other_gate(), promote=True)
    assert any("against production: +0.000" in reason for reason in made.manifest.verdict.reasons)
    assert served() != made.manifest.version


def test_changed_thresholds_train_again_on_the_same_snapshot(trained: list[Path]) -> None:
    first = retrain()
    other = retrain(gate=other_gate())
    assert len(set(trained)) == 2
    assert other.manifest.snapshot_id == first.manifest.snapshot_id
    assert other.manifest.gate_digest != first.manifest.gate_digest
    assert other.manifest.version != first.manifest.version


def test_an_adapter_in_production_that_cannot_run_here_any_more_does_not_stop_its_successor() -> None:
    """It was made for another base model; its own message says to train anew."""
    registry = open_registry(load_settings())
    old = registry.store.register(write_source(Path("old"), weight=9), draft(base_model=OTHER_WEIGHTS))
    registry.channels.promote(Channel.PRODUCTION, REFUSAL, old.version, at=NOON, check=lambda behaviour, value: None)
    made = retrain(promote=True)
    assert made.manifest.verdict.passed, made.manifest.verdict.reasons
    assert served() == made.manifest.version


def test_a_calibration_row_that_the_base_cannot_hold_is_left_out_and_ends_nothing(engine: ReadingEngine) -> None:
    made = retrain()
    snapshot = open_snapshot(Path("var/snapshots/refusal") / made.manifest.snapshot_id)
    rows = [row for row in snapshot.rows("calibration") if isinstance(row, RefusalRow)]
    engine.too_long = letters(rows[0].question)
    assert retrain().manifest.verdict.passed


def test_statements_beside_the_weights_hold_no_text_of_rows_and_the_report_only_what_failed(
    engine: ReadingEngine,
) -> None:
    engine.skill = Skill.REMEMBERS
    made = retrain()
    folder = Path("var/adapters/refusal") / made.manifest.version
    stated = "".join(path.read_text("utf-8") for path in folder.iterdir() if path.suffix in (".json", ".yaml"))
    questions = {row.question for row in read_rows(OWN_ROWS, RefusalRow)}
    assert [question for question in questions if question in stated] == []
    statement = json.loads((folder / "data_statement.json").read_text("utf-8"))
    assert statement["sources"][0]["licence"] == "Apache-2.0"
    report = json.loads(made.report.read_text("utf-8"))
    shown = report.pop("leak_failures")
    assert 0 < len(shown) <= 5
    assert all("on a foreign passage" in failure for failure in shown)
    rest = json.dumps(report) + made.report.with_suffix(".txt").read_text("utf-8")
    assert [question for question in questions if question in rest] == []
    assert json.loads((folder / "gate_report.json").read_text("utf-8")).items() <= report.items()
