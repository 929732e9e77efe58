"""`evaluate BEHAVIOUR`: an adapter, or an un-tuned mode, on rows that say what is right."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from flows.production import untuned
from flows.wiring import open_bench
from serving.interface.behaviours import Behaviour

if TYPE_CHECKING:
    from flows.production import Adapters
    from flows.settings import Settings
    from flows.systems import Bench
    from serving.assistant.running import Running
    from tuning.evaluation import Evaluation
    from tuning.systems import Progress

__all__ = ["NONE", "PRODUCTION", "BehaviourEvaluation", "Choice", "evaluate_behaviour", "measure", "sampled"]

PRODUCTION, NONE = "production", "none"

Row = TypeVar("Row")


@dataclass(frozen=True)
class Choice:
    """What is measured."""

    adapter: str = PRODUCTION
    """A version, `production`, or `none`."""
    mode: str | None = None
    """How it runs with `none`: `prompt` or `few_shot`; None for the mode that is served un-tuned."""


@dataclass(frozen=True)
class BehaviourEvaluation:
    """The figures, and how the behaviour ran."""

    evaluation: Evaluation
    running: Running

    def as_json(self) -> dict[str, Any]:
        """As every evaluation; without an adapter it is `none`, and `mode` says how the behaviour ran."""
        untuned = {"adapter": NONE, "mode": self.running.mode}
        return self.evaluation.as_json() | ({"mode": None} if self.running.tuned else untuned)

    def as_text(self) -> str:
        """A table: a row a metric, a column for all rows and one a slice."""
        return self.evaluation.as_text()


def evaluate_behaviour(
    settings: Settings,
    behaviour: Behaviour,
    data: Path,
    choice: Choice,
    *,
    limit: int | None = None,
    say: Callable[[str], None],
    progress: Callable[[str, int, int], None],
) -> BehaviourEvaluation:
    """Measures on all rows of `data`, or on `limit` of them drawn with the settings' seed.

    Raises RowsInvalid, and what opening models and adapters raises.
    """
    from tuning.rows import ROWS, read_rows

    rows = sampled(read_rows(data, ROWS[behaviour]), limit, settings.seed)
    with open_bench(settings, say, tries_rerankers=behaviour is Behaviour.RERANK) as (bench, adapters):
        running = _running(adapters, behaviour, choice)
        shown = partial(progress, f"evaluate {behaviour}")
        return BehaviourEvaluation(
            measure(bench, behaviour, rows, running, seed=settings.seed, progress=shown), running
        )


def sampled(rows: Sequence[Row], limit: int | None, seed: int) -> Sequence[Row]:
    """At most `limit` rows, drawn at random, in their order."""
    if limit is None or limit >= len(rows):
        return rows
    return [rows[place] for place in sorted(random.Random(seed).sample(range(len(rows)), limit))]


def measure(
    bench: Bench, behaviour: Behaviour, rows: Sequence[Any], running: Running, *, seed: int, progress: Progress
) -> Evaluation:
    """The figures of one way to run a behaviour, on rows of that behaviour."""
    from flows import systems
    from tuning.metrics.citation import evaluate_citation
    from tuning.metrics.query_rewrite import evaluate_query_rewrite
    from tuning.metrics.refusal import evaluate_refusal
    from tuning.metrics.rerank import evaluate_rerank

    options: dict[str, Any] = {"seed": seed, "adapter": running.mode, "progress": progress}
    match behaviour:
        case Behaviour.QUERY_REWRITE:
            return evaluate_query_rewrite(rows, systems.rewrite_system(bench, running, seed=seed), **options)
        case Behaviour.REFUSAL:
            judge = systems.refusal_system(bench, running)
            return evaluate_refusal(rows, judge, threshold=systems.SERVED_THRESHOLD, **options)
        case Behaviour.CITATION:
            return evaluate_citation(rows, systems.citation_system(bench, running), **options)
        case Behaviour.RERANK:
            return evaluate_rerank(rows, systems.rerank_system(bench, running), **options)


def _running(adapters: Adapters, behaviour: Behaviour, choice: Choice) -> Running:
    if choice.adapter == NONE:
        return adapters.load(behaviour, choice.mode or untuned(behaviour))
    value = adapters.registry.value(behaviour) if choice.adapter == PRODUCTION else choice.adapter
    return adapters.load(behaviour, value)
