"""Judging a candidate: choose its numbers, measure it beside what runs without it, swap the facts, decide.

Everything is measured through the systems of `flows.systems`, so what is judged is what would be served. The decision
itself is `tuning.gate`, which sees scores only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.evaluate_behaviour import measure
from flows.systems import (
    SERVED_THRESHOLD,
    Bench,
    citation_system,
    odds_system,
    refusal_system,
    rerank_system,
    rewrite_system,
    signals_of,
)
from serving.interface.behaviours import Behaviour
from serving.interface.refusal import Answerability

if TYPE_CHECKING:
    from flows.production import Adapters
    from flows.retrain_plan import Plan
    from serving.assistant.running import Running
    from serving.registry.manifest import AdapterDraft
    from tuning.evaluation import Evaluation
    from tuning.gate import Verdict
    from tuning.snapshot import Snapshot

__all__ = ["Judged", "judge"]

Progress = Callable[[str, int, int], None]

COPY = "copy"
"""The rewriter that returns the question: a baseline that needs no model."""
LIBRARIES = ("accelerate", "peft", "sentence-transformers", "tokenizers", "torch", "transformers", "trl")


@dataclass(frozen=True)
class Judged:
    """A candidate's verdict and everything that it rests on."""

    calibration: Mapping[str, float]
    candidate: Evaluation
    baselines: Mapping[str, Evaluation]
    content_leak: Evaluation
    verdict: Verdict

    def draft(self, plan: Plan, adapters: Adapters, snapshot_id: str, at: datetime) -> AdapterDraft:
        """What is to be registered."""
        from serving.registry.manifest import AdapterDraft, GateVerdict
        from tuning.recipe import recipe_digest
        from tuning.thresholds import gate_digest

        return AdapterDraft(
            behaviour=plan.behaviour,
            base_model=adapters.fit.bases[plan.behaviour],
            contract=adapters.fit.contracts[plan.behaviour],
            snapshot_id=snapshot_id,
            recipe_digest=recipe_digest(plan.recipe),
            gate_digest=gate_digest(plan.thresholds),
            seed=plan.seed,
            libraries={name: version(name) for name in LIBRARIES},
            calibration=dict(self.calibration),
            scores=_scores(self.candidate),
            baselines={name: _scores(baseline) for name, baseline in self.baselines.items()},
            verdict=GateVerdict(passed=self.verdict.passed, reasons=self.verdict.reasons),
            created=at,
        )


def judge(
    bench: Bench, adapters: Adapters, plan: Plan, snapshot: Snapshot, adapter: Path, *, progress: Progress
) -> Judged:
    """The verdict on the stored files in `adapter`."""
    from tuning.gate import decide

    running = adapters.try_out(plan.behaviour, adapter)
    running = replace(running, calibration=_calibrate(bench, plan, snapshot, running, progress))
    rows = snapshot.rows("held_out")
    candidate = _measure(bench, plan, rows, running, "candidate", progress)
    baselines = {
        name: baseline
        for name in plan.thresholds.headline.least_gain
        if (baseline := _baseline(bench, adapters, plan, rows, name, progress)) is not None
    }
    leak = _leak(bench, plan, rows, running, progress)
    verdict = decide(candidate, baselines, plan.thresholds, content_leak=leak, seed=plan.seed)
    return Judged(running.calibration, candidate, baselines, leak, verdict)


def _calibrate(
    bench: Bench, plan: Plan, snapshot: Snapshot, running: Running, progress: Progress
) -> Mapping[str, float]:
    """The numbers that serving decides by, chosen on rows that are neither trained on nor judged by."""
    if plan.behaviour is Behaviour.REFUSAL:
        return _calibrate_refusal(bench, plan, snapshot.rows("calibration"), running, progress)
    return {}


def _calibrate_refusal(
    bench: Bench, plan: Plan, rows: Sequence[Any], running: Running, progress: Progress
) -> Mapping[str, float]:
    """The threshold of the odds alone, and the weights of odds and signals together."""
    from serving.assistant.refusal import log_odds
    from tuning.calibration import fit_decision
    from tuning.metrics.refusal import choose_threshold

    budget = plan.thresholds.over_refusal
    assert budget is not None  # thresholds of refusal have one
    told = partial(progress, "calibrate refusal")
    judged = cache(odds_system(bench, running))
    chosen = choose_threshold(rows, judged, over_refusal_budget=budget.aim, progress=told)
    classed = [row for row in rows if row.label is not Answerability.UNDERSPECIFIED]
    signals = [signals_of(bench, row) for row in classed]
    decision = fit_decision(
        [log_odds(judged(row).answerable) - log_odds(chosen.threshold) for row in classed],
        [(signal.coverage, signal.similarity) for signal in signals],
        [row.label is Answerability.ANSWERABLE for row in classed],
        over_refusal_budget=budget.aim,
    )
    coverage, similarity = decision.signals
    return {
        "threshold": chosen.threshold,
        "bias": decision.bias,
        "odds": decision.odds,
        "coverage": coverage,
        "similarity": similarity,
    }


def _measure(
    bench: Bench, plan: Plan, rows: Sequence[Any], running: Running, name: str, progress: Progress
) -> Evaluation:
    return measure(bench, plan.behaviour, rows, running, seed=plan.seed, progress=partial(progress, f"measure {name}"))


def _baseline(
    bench: Bench, adapters: Adapters, plan: Plan, rows: Sequence[Any], name: str, progress: Progress
) -> Evaluation | None:
    """What the thresholds call `name`; None for production where nothing but an un-tuned mode is served."""
    from tuning.metrics.query_rewrite import evaluate_query_rewrite
    from tuning.systems import copy_question
    from tuning.thresholds import PRODUCTION

    if name == COPY:
        return evaluate_query_rewrite(rows, copy_question, seed=plan.seed, adapter=COPY)
    value = adapters.registry.value(plan.behaviour) if name == PRODUCTION else name
    running = adapters.load(plan.behaviour, value)
    if name == PRODUCTION and not running.tuned:
        return None
    return _measure(bench, plan, rows, running, name, progress)


def _leak(bench: Bench, plan: Plan, rows: Sequence[Any], running: Running, progress: Progress) -> Evaluation:
    """Whether the candidate goes along when the facts of its context are exchanged."""
    from tuning import content_leak as leak

    told = partial(progress, "swap facts")
    options: dict[str, Any] = {"seed": plan.seed, "adapter": running.mode, "progress": told}
    match plan.behaviour:
        case Behaviour.QUERY_REWRITE:
            return leak.leak_query_rewrite(rows, rewrite_system(bench, running, seed=plan.seed), **options)
        case Behaviour.REFUSAL:
            return leak.leak_refusal(rows, refusal_system(bench, running), threshold=SERVED_THRESHOLD, **options)
        case Behaviour.CITATION:
            return leak.leak_citation(rows, citation_system(bench, running), **options)
        case Behaviour.RERANK:
            return leak.leak_rerank(rows, rerank_system(bench, running), **options)


def _scores(evaluation: Evaluation) -> dict[str, Any]:
    from serving.registry.manifest import Score

    return {
        name: Score(value=interval.value, low=interval.low, high=interval.high)
        for name, interval in evaluation.metrics.items()
    }
