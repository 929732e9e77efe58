"""Judging a candidate: calibrate it, measure it beside what runs without it, swap the facts, decide.

Everything is measured through the systems of `flows.systems`, so what is judged is what would be served. The decision
itself is `tuning.gate`, which sees scores only.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.calibrating import calibrate_refusal, calibrated
from flows.evaluate_behaviour import measure
from flows.systems import (
    SERVED_THRESHOLD,
    Bench,
    citation_system,
    refusal_system,
    rerank_system,
    rewrite_system,
)
from serving.interface.behaviours import Behaviour

if TYPE_CHECKING:
    from flows.production import Adapters
    from flows.retrain_plan import Plan
    from serving.assistant.running import Running
    from serving.registry.manifest import AdapterDraft
    from tuning.evaluation import Evaluation
    from tuning.gate import Verdict
    from tuning.snapshot import Snapshot

__all__ = ["Judged", "decide_on", "judge", "measure_baselines"]

Progress = Callable[[str, int, int], None]
Told = Callable[[int, int], None]

LEAK_ROWS = 100
"""Rows whose facts are swapped, at most."""


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
        from flows.retrain_plan import libraries
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
            libraries=libraries(),
            calibration=dict(self.calibration),
            scores=_scores(self.candidate),
            baselines={name: _scores(baseline) for name, baseline in self.baselines.items()},
            verdict=GateVerdict(passed=self.verdict.passed, reasons=self.verdict.reasons),
            created=at,
        )


def judge(
    bench: Bench, adapters: Adapters, plan: Plan, snapshot: Snapshot, adapter: Path, *, progress: Progress
) -> Judged:
    """The verdict on the stored files in `adapter`, on rows that were held out of its training.

    What is in production already is not asked to be better than itself: a run that was killed after its adapter was
    promoted, or is repeated, comes to the verdict and the version that it had.
    """
    from tuning.thresholds import PRODUCTION

    running = calibrated(bench, adapters, plan, snapshot, adapter, progress=progress)
    without = (PRODUCTION,) if _is_served(adapters, plan.behaviour, adapter, running) else ()
    baselines = measure_baselines(bench, adapters, plan, snapshot, progress=progress, without=without)
    return decide_on(bench, plan, snapshot, running, baselines, progress=progress)


def measure_baselines(
    bench: Bench,
    adapters: Adapters,
    plan: Plan,
    snapshot: Snapshot,
    *,
    progress: Progress,
    without: Collection[str] = (),
) -> dict[str, Evaluation]:
    """What the thresholds compare a candidate with, measured on the same rows.

    Un-tuned modes of refusal are calibrated on the same rows as the candidate, so that what it gains is the adapter's.
    """
    asked = [name for name in plan.thresholds.headline.least_gain if name not in without]
    measured = {name: _baseline(bench, adapters, plan, snapshot, name, progress) for name in asked}
    return {name: baseline for name, baseline in measured.items() if baseline is not None}


def decide_on(
    bench: Bench,
    plan: Plan,
    snapshot: Snapshot,
    running: Running,
    baselines: Mapping[str, Evaluation],
    *,
    progress: Progress,
) -> Judged:
    """Measure a candidate, swap the facts of its context, and let the gate decide."""
    from tuning.gate import decide

    rows = snapshot.rows("held_out")
    candidate = _measure(bench, plan, rows, running, "candidate", progress)
    leak = _leak(bench, plan, snapshot, running, progress)
    verdict = decide(candidate, baselines, plan.thresholds, content_leak=leak, seed=plan.seed)
    return Judged(running.calibration, candidate, baselines, leak, verdict)


def _measure(
    bench: Bench, plan: Plan, rows: Sequence[Any], running: Running, name: str, progress: Progress
) -> Evaluation:
    return measure(bench, plan.behaviour, rows, running, seed=plan.seed, progress=partial(progress, f"measure {name}"))


def _baseline(
    bench: Bench, adapters: Adapters, plan: Plan, snapshot: Snapshot, name: str, progress: Progress
) -> Evaluation | None:
    """What the thresholds call `name`; None for production where no adapter is served."""
    from tuning.metrics.query_rewrite import evaluate_query_rewrite
    from tuning.systems import copy_question
    from tuning.thresholds import COPY, PRODUCTION

    rows: Sequence[Any] = snapshot.rows("held_out")
    if name == COPY:
        return evaluate_query_rewrite(rows, copy_question, seed=plan.seed, adapter=COPY)
    running = _served(adapters, plan.behaviour) if name == PRODUCTION else adapters.load(plan.behaviour, name)
    if running is None:
        return None
    if plan.behaviour is Behaviour.REFUSAL and not running.tuned:
        told = partial(progress, f"calibrate {name}")
        running = calibrate_refusal(bench, plan, snapshot, running, told)
    return _measure(bench, plan, rows, running, name, progress)


def _served(adapters: Adapters, behaviour: Behaviour) -> Running | None:
    """The adapter in production; None for an un-tuned mode, and for one made for another base model or contract.

    Such a one answers nobody, and training anew is the way out of it. Raises AdapterDamaged, AdapterMissing.
    """
    from serving.registry.errors import AdapterMismatch

    try:
        running = adapters.load(behaviour, adapters.registry.value(behaviour))
    except AdapterMismatch:
        return None
    return running if running.tuned else None


def _is_served(adapters: Adapters, behaviour: Behaviour, adapter: Path, running: Running) -> bool:
    """Whether production serves these weights with these numbers."""
    from serving.registry.channels import untuned_modes
    from serving.registry.digests import file_digest
    from serving.registry.manifest import CONFIG, WEIGHTS

    value = adapters.registry.value(behaviour)
    if value in untuned_modes(behaviour):
        return False
    manifest = adapters.registry.store.show(behaviour, value)
    same = all(manifest.files[name] == file_digest(adapter / name) for name in (WEIGHTS, CONFIG))
    return same and manifest.calibration == running.calibration


def _leak(bench: Bench, plan: Plan, snapshot: Snapshot, running: Running, progress: Progress) -> Evaluation:
    """Whether the candidate goes along when the facts of its context are exchanged."""
    from tuning import content_leak as leak

    rows: Sequence[Any] = snapshot.rows("held_out")
    told = partial(progress, "swap facts")
    options: dict[str, Any] = {"seed": plan.seed, "adapter": running.mode, "most": LEAK_ROWS, "progress": told}
    match plan.behaviour:
        case Behaviour.QUERY_REWRITE:
            return leak.leak_query_rewrite(rows, rewrite_system(bench, running, seed=plan.seed), **options)
        case Behaviour.REFUSAL:
            options |= {"threshold": SERVED_THRESHOLD, "beside": snapshot.rows("train")}
            return leak.leak_refusal(rows, refusal_system(bench, running), **options)
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
