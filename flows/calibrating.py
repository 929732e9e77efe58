"""The numbers that an adapter is served with, chosen on rows that are neither trained on nor judged by.

    running = calibrated(bench, adapters, plan, snapshot, adapter_folder, progress=progress)

Refusal gets a threshold and the weights of retrieval's signals beside the odds, citation the weight of the adapter's
preference beside the evidence, reranking the weight of its scores beside the order of search. What they mean is said
where they are read, in `serving.assistant`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.systems import (
    Bench,
    Choices,
    choice_system,
    found_order,
    odds_system,
    relevance,
    reranked_system,
    signals_of,
)
from serving.interface.behaviours import Behaviour
from serving.interface.errors import QuestionTooLong
from serving.interface.refusal import Answerability
from serving.registry.channels import HYBRID_ORDER

if TYPE_CHECKING:
    from flows.production import Adapters
    from flows.retrain_plan import Plan
    from serving.assistant.running import Running
    from tuning.evaluation import Evaluation
    from tuning.rows import CitationRow, RefusalRow
    from tuning.snapshot import Snapshot
    from tuning.systems import RefusalSystem
    from tuning.thresholds import GateThresholds

__all__ = ["calibrate_refusal", "calibrated"]

Progress = Callable[[str, int, int], None]
Told = Callable[[int, int], None]

WEIGHTS = tuple(step / 10 for step in range(11))
"""Of a reranker beside the order of search, from which the best on calibration rows is taken."""


def calibrated(
    bench: Bench, adapters: Adapters, plan: Plan, snapshot: Snapshot, adapter: Path, *, progress: Progress
) -> Running:
    """The adapter, callable, with the numbers that serving decides by."""
    from tuning.recipe_rerank import RerankRecipe

    told = partial(progress, f"calibrate {plan.behaviour}")
    if isinstance(plan.recipe, RerankRecipe):
        running = adapters.try_out(plan.behaviour, adapter, {"passage_tokens": float(plan.recipe.passage_tokens)})
        return _with(running, _rerank(bench, plan, snapshot.rows("calibration"), running, told))
    running = adapters.try_out(plan.behaviour, adapter)
    if plan.behaviour is Behaviour.REFUSAL:
        return calibrate_refusal(bench, plan, snapshot, running, told)
    if plan.behaviour is Behaviour.CITATION:
        return _with(running, _citation(bench, snapshot.rows("calibration"), running, told))
    return running


def calibrate_refusal(bench: Bench, plan: Plan, snapshot: Snapshot, running: Running, told: Told) -> Running:
    """How the odds decide, of an adapter or of the base alone."""
    return _with(running, _refusal(bench, plan, snapshot.rows("calibration"), running, told))


def _citation(bench: Bench, rows: Sequence[Any], running: Running, told: Told) -> Mapping[str, float]:
    """The weight of the adapter's preference. Weighed so, what it wrote needs no margin over what it did not.

    Nothing where a preference is no help, or no row tells: serving's own margin stands for such an adapter.
    """
    from tuning.calibration import fit_preference

    found = list(_choices(rows, choice_system(bench, running), told))
    weight = fit_preference([one.options for one in found], [one.right for one in found])
    return {"preference": weight, "margin": 0.0} if weight else {}


def _choices(rows: Sequence[CitationRow], system: Callable[[CitationRow], Choices], told: Told) -> Iterator[Choices]:
    from tuning.errors import NotJudged
    from tuning.evaluation import by_passages

    for done, place in enumerate(by_passages(rows)):
        told(done, len(rows))
        try:
            yield system(rows[place])
        except (NotJudged, QuestionTooLong):
            continue  # as in a measurement; of no rows at all nothing is concluded
    told(len(rows), len(rows))


def _rerank(bench: Bench, plan: Plan, rows: Sequence[Any], running: Running, told: Told) -> Mapping[str, float]:
    """The weight of a reranker's scores beside the order that search found; each row is searched and scored once.

    Raises RowsInvalid without a row that could be judged.
    """
    from tuning.errors import RowsInvalid
    from tuning.metrics.rerank import evaluate_rerank

    reranker = bench.rerankers.of(running)
    assert reranker is not None  # it was just opened
    found, scored = cache(found_order(bench)), cache(relevance(reranker))
    measured = {
        weight: evaluate_rerank(rows, reranked_system(found, scored, weight), seed=0, progress=told, resamples=1)
        for weight in WEIGHTS
    }
    if not measured[0.0].judged:
        raise RowsInvalid(
            f"A reranker's weight is chosen on calibration rows; none of {len(rows)} could be judged.",
            remedy="Add rows whose passages differ in relevance, or look at why rows could not be judged.",
        )
    return {"weight": _best_weight(measured, plan.thresholds, plan.seed)}


def _best_weight(measured: Mapping[float, Evaluation], thresholds: GateThresholds, seed: int) -> float:
    """The best over all rows, of those by which the gate will hardly find a part that loses; the least of equals.

    The best of all would lie where a part just bears it here, and on other rows does not: so chance is counted in.
    Parts of few calibration rows have no say.
    """
    metric = thresholds.headline.metric
    kept = [weight for weight in measured if not weight or _is_borne(measured[weight], measured[0.0], thresholds, seed)]
    return max(kept, key=lambda weight: (measured[weight].metrics[metric].value, -weight))


def _is_borne(reranked: Evaluation, found: Evaluation, thresholds: GateThresholds, seed: int) -> bool:
    from tuning.comparison import compare
    from tuning.statistics import RESAMPLES

    rules, metric = thresholds.slices, thresholds.headline.metric
    if rules is None or rules.largest_loss is None:
        return True
    parts = [name for name, part in found.slices.items() if part.judged >= rules.least_rows]
    gains = [compare(reranked, found, metric, HYBRID_ORDER, name, seed, RESAMPLES) for name in parts]
    return all(gain.gain.low > -rules.largest_loss for gain in gains if gain)


def _refusal(bench: Bench, plan: Plan, rows: Sequence[Any], running: Running, told: Told) -> Mapping[str, float]:
    """The threshold of the odds alone, and the weights of odds and signals together."""
    from serving.assistant.refusal import log_odds
    from tuning.calibration import fit_decision
    from tuning.metrics.refusal import choose_threshold

    budget = plan.thresholds.over_refusal
    assert budget is not None  # thresholds of refusal have one
    judged = cache(odds_system(bench, running))
    chosen = choose_threshold(rows, judged, over_refusal_budget=budget.aim, progress=told)
    classed = list(_classed(rows, judged))
    signals = [signals_of(bench, row) for row, _ in classed]
    decision = fit_decision(
        [log_odds(answerable) - log_odds(chosen.threshold) for _, answerable in classed],
        [(signal.coverage, signal.similarity) for signal in signals],
        [row.label is Answerability.ANSWERABLE for row, _ in classed],
        [row.origin.source for row, _ in classed],
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


def _classed(rows: Sequence[RefusalRow], system: RefusalSystem) -> Iterator[tuple[RefusalRow, float]]:
    """The rows that choosing a threshold looks at, with their odds: of either class, and possible to judge."""
    from tuning.errors import NotJudged

    for row in rows:
        if row.label is not Answerability.UNDERSPECIFIED:
            try:
                answerable = system(row).answerable
            except (NotJudged, QuestionTooLong):
                continue  # as in `choose_threshold`, which is refused when too few are left
            if math.isfinite(answerable):
                yield row, answerable


def _with(running: Running, chosen: Mapping[str, float]) -> Running:
    """An adapter with its numbers, rounded.

    A version is named after them, and a judging that was killed and went on computes the last digits otherwise: other
    beginnings of prompts are at hand then.
    """
    rounded = {name: _rounded(number) for name, number in chosen.items()}
    return replace(running, calibration={**running.calibration, **rounded})


def _rounded(number: float) -> float:
    """Three digits, of what is near 1 those of the distance: a threshold of .99996 is no 1."""
    return 1 - _rounded(1 - number) if 0.5 < number < 1 else float(f"{number:.3g}")
