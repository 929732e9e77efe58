"""`retrain-adapter` as a Prefect flow: scheduled and recorded; the steps are those of `flows.retrain_adapter`.

    from flows.scheduled.retrain_adapter import retrain_adapter_flow
    retrain_adapter_flow.serve("quarterly", cron="0 3 1 1,4,7,10 *", parameters={"behaviour": "refusal"})

Between tasks go names: the id of a snapshot, the folder of a run, the version of an adapter with the switches of
production before it was judged. A run that was killed is started again with the same parameters and goes on where
it was.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.runtime import flow_run

from flows import retrain_adapter as steps
from flows.retrain_plan import Plan, RetrainRequest, freeze_plan
from flows.settings import Settings, load_settings
from flows.wiring import make_home
from serving.interface.behaviours import Behaviour

__all__ = ["promote_passed", "register_candidate", "retrain_adapter_flow", "take_snapshot", "train_candidate"]

Progress = Callable[[str, int, int], None]
Say = Callable[[str], None]


@task(name="take-snapshot", cache_policy=NO_CACHE)
def take_snapshot(settings: Settings, plan: Plan, say: Say) -> str:
    """The id of the snapshot that holds the rows."""
    return steps.take_snapshot(settings, plan, say)


@task(name="train-candidate", cache_policy=NO_CACHE)
def train_candidate(settings: Settings, plan: Plan, snapshot: str, say: Say, progress: Progress) -> Path:
    """The folder of the run that trained the candidate."""
    return steps.train_candidate(settings, plan, snapshot, say, progress)


@task(name="register-candidate", cache_policy=NO_CACHE)
def register_candidate(
    settings: Settings, plan: Plan, snapshot: str, run: Path, say: Say, progress: Progress
) -> steps.Candidate:
    """The candidate, registered with the gate's verdict in its manifest."""
    return steps.register_candidate(settings, plan, snapshot, run, say, progress)


@task(name="promote-passed", cache_policy=NO_CACHE)
def promote_passed(settings: Settings, plan: Plan, candidate: steps.Candidate, say: Say) -> bool:
    """Whether the candidate is served now."""
    return steps.promote_passed(settings, plan, candidate, say)


@flow(name="retrain-adapter", validate_parameters=False)
def retrain_adapter_flow(
    behaviour: str,
    data: tuple[Path, ...] = (),
    promote: bool = False,
    home: Path | None = None,
    request: RetrainRequest | None = None,
    say: Say | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """The retraining as JSON, with the name under which Prefect recorded it.

    A schedule gives `behaviour`, `data` and `promote`; the command line gives a whole `request`.
    """
    settings = load_settings(home=home)
    make_home(settings)
    scheduled = RetrainRequest(Behaviour(behaviour), tuple(map(Path, data)), promote=promote, seed=settings.seed)
    asked = request or scheduled
    tell, show = say or _unsaid, progress or _unseen
    plan = freeze_plan(settings, asked, today=steps.now().date())
    snapshot = take_snapshot(settings, plan, tell)
    run = train_candidate(settings, plan, snapshot, tell, show)
    candidate = register_candidate(settings, plan, snapshot, run, tell, show)
    promoted = promote_passed(settings, plan, candidate, tell)
    retrained = steps.describe(settings, plan, snapshot, candidate.version, promoted=promoted)
    return {**retrained.as_json(), "flow_run": flow_run.get_name()}


def _unsaid(text: str) -> None:
    """Nobody is listening."""


def _unseen(stage: str, done: int, total: int) -> None:
    """Nobody is watching."""
