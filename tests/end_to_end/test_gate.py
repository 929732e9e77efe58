"""The real gate says no: to an adapter that does nothing, to one that always refuses, and to one that remembers.

Real base model, real trainings of a minute, the project's own rows about a tool that does not exist.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from flows.calibrating import calibrated
from flows.judging import Judged, decide_on, measure_baselines
from flows.production import Adapters
from flows.retrain_plan import Plan, RetrainRequest, freeze_plan
from flows.settings import load_settings
from flows.systems import Bench
from flows.wiring import open_bench
from serving.interface.behaviours import Behaviour
from serving.interface.refusal import Answerability
from serving.registry.models import ModelFolder
from serving.registry.tokenizer import open_template, open_tokenizer
from tuning.evaluation import Evaluation
from tuning.examples import build_examples
from tuning.recipe import LoraRecipe, Recipe
from tuning.rows import RefusalRow, read_rows
from tuning.snapshot import Snapshot, make_snapshot
from tuning.split import Share, SplitRule
from tuning.thresholds import GateThresholds
from tuning.train_generative import train_generative

pytestmark = [
    pytest.mark.models,
    pytest.mark.filterwarnings("ignore:.*gradient_checkpointing.*:FutureWarning"),  # peft and trl read the old name
]

ROWS = Path(__file__).parents[1] / "rows" / "refusal.jsonl"
DOCUMENTS = 6
FEW = {"rows": {"least_judged": 12}, "content_leak": {"least_judged": 4}}
"""How many rows the gate asks for at least, here; all that it asks of them is as in tuning/gates."""


def unwatched(stage: str, done: int, total: int) -> None:
    """Nobody is watching."""


@dataclass(frozen=True)
class Court:
    """Everything that a candidate meets, set up once."""

    bench: Bench
    adapters: Adapters
    plan: Plan
    snapshot: Snapshot
    baselines: dict[str, Evaluation]

    def judge(self, adapter: Path) -> Judged:
        running = calibrated(self.bench, self.adapters, self.plan, self.snapshot, adapter, progress=unwatched)
        return decide_on(self.bench, self.plan, self.snapshot, running, self.baselines, progress=unwatched)

    def rows(self) -> list[RefusalRow]:
        """What a candidate is calibrated on and judged by: what it should never have seen."""
        return [*self.snapshot.rows("calibration"), *self.snapshot.rows("held_out")]  # type: ignore[list-item]


@pytest.fixture(scope="module")
def court(models_root: Path, base_model: ModelFolder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Court]:
    home = tmp_path_factory.mktemp("court")
    (home / "none").mkdir()
    settings = load_settings(home=home, models=models_root, starter=home / "none")
    plan = freeze_plan(settings, RetrainRequest(Behaviour.REFUSAL, (ROWS,)), today=date(2026, 11, 25))
    plan = replace(plan, thresholds=of_few_rows(plan.thresholds))
    with open_bench(settings, lambda text: None) as (bench, adapters):
        contract = adapters.fit.contracts[Behaviour.REFUSAL]
        rule = SplitRule(calibration=Share(share=0.3), held_out=Share(share=0.35))
        snapshot = make_snapshot(
            Behaviour.REFUSAL, few_rows(), root=home, contract=contract, seed=0, synthetic_cap=1.0, rule=rule
        )
        baselines = measure_baselines(bench, adapters, plan, snapshot, progress=unwatched)
        yield Court(bench, adapters, plan, snapshot, baselines)


def of_few_rows(packaged: GateThresholds) -> GateThresholds:
    parts = {name: getattr(packaged, name).model_copy(update=least) for name, least in FEW.items()}
    return packaged.model_copy(update=parts)


def few_rows() -> list[RefusalRow]:
    """Questions about some pages, each with its page alone, answered or not."""
    rows = [
        row
        for row in read_rows(ROWS, RefusalRow)
        if len(row.passages) == 1 and not row.history and row.label is not Answerability.UNDERSPECIFIED
    ]
    pages = sorted({row.origin.document for row in rows if row.origin.document.startswith("harbour")})[:DOCUMENTS]
    return [row for row in rows if row.origin.document in pages]


def trained(court: Court, base: ModelFolder, rows: Sequence[RefusalRow], folder: Path, **changes: Any) -> Path:
    recipe = Recipe(
        behaviour="refusal",
        lora=LoraRecipe(rank=16, alpha=32, upper_layers=0.67),
        examples_per_sequence=8,
        tokens_per_sequence=1024,
        sequences_per_step=1,
        **{"learning_rate": 1e-3, "epochs": 1, **changes},
    )
    built = build_examples(rows, open_template(base.path), open_tokenizer(base.path))
    return train_generative(recipe, base, built.examples, folder, seed=0).folder


def test_an_adapter_that_does_nothing_gains_nothing(court: Court, base_model: ModelFolder, tmp_path: Path) -> None:
    zero = trained(court, base_model, court.rows()[:2], tmp_path, learning_rate=1e-12)
    verdict = court.judge(zero).verdict
    assert not verdict.passed
    assert any("balanced_accuracy" in reason and "prompt" in reason for reason in verdict.reasons)


def test_an_adapter_that_always_refuses_gains_nothing(court: Court, base_model: ModelFolder, tmp_path: Path) -> None:
    refusing = [row.model_copy(update={"label": Answerability.UNANSWERABLE, "answering": None}) for row in court.rows()]
    verdict = court.judge(trained(court, base_model, refusing, tmp_path)).verdict
    assert not verdict.passed
    assert any("balanced_accuracy" in reason for reason in verdict.reasons)


def test_an_adapter_that_remembers_is_told_by_other_passages(
    court: Court, base_model: ModelFolder, tmp_path: Path
) -> None:
    """It has seen every question it is judged by, and learnt the answer whatever passage it is shown."""
    judged = court.judge(trained(court, base_model, list(remembered(court.rows())), tmp_path, epochs=8))
    assert judged.candidate.metrics["balanced_accuracy"].value > 0.8
    assert not judged.verdict.passed
    assert any("follows_context" in reason for reason in judged.verdict.reasons)


def remembered(rows: Sequence[RefusalRow]) -> Iterator[RefusalRow]:
    """Each question with its own page and with another, and the same label."""
    pages = sorted({row.passages[0].id: row.passages[0] for row in rows}.items())
    for row, (_, other) in zip(rows, itertools.cycle(pages), strict=False):
        yield row
        answering = other.id if row.label is Answerability.ANSWERABLE else None
        yield row.model_copy(update={"passages": (other,), "answering": answering})
