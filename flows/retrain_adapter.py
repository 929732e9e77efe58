"""One retraining of an adapter: the page to read for how form is kept.

    retrained = retrain_adapter(load_settings(), RetrainRequest(Behaviour.REFUSAL, (Path("rows.jsonl"),)))

    charter says yes -> snapshot -> train -> gate -> register -> promote

Each step takes names and gives a name: the id of a snapshot, the folder of a run, the version of an adapter. A run that
was killed, in training or in judging, is called again with the same arguments and goes on where it was. What the gate
refuses is registered too, with its reasons, so that it can be looked at; it cannot be promoted. What it passes is
promoted over nothing but what it was judged against: of two runs that end together, the second is told to be judged
again.
`flows.scheduled.retrain_adapter` runs the same steps as a Prefect flow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.exit_codes import DONE, NOT_SO
from flows.retrain_plan import Plan, RetrainRequest, freeze_plan, run_name
from flows.wiring import make_home
from serving.interface.behaviours import Behaviour

if TYPE_CHECKING:
    from flows.settings import Settings
    from serving.registry.channels import Switch
    from serving.registry.manifest import AdapterManifest

__all__ = [
    "Candidate",
    "Retrained",
    "describe",
    "now",
    "promote_passed",
    "recall",
    "register_candidate",
    "retrain_adapter",
    "take_snapshot",
    "train_candidate",
]

Say = Callable[[str], None]
Progress = Callable[[str, int, int], None]
Clock = Callable[[], datetime]

ANSWERS = "answers.sqlite"
"""In a run's folder: what the model answered while a candidate was judged, for a judging that goes on. A reranker
answers fast and is judged anew."""


def now() -> datetime:
    """The moment, in UTC: a retraining takes hours, and each event has its own."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Candidate:
    """A registered adapter, and how production stood when the gate judged it."""

    version: str
    since: tuple[Switch, ...]
    """Every switch of production before the candidate was judged."""


@dataclass(frozen=True)
class Retrained:
    """What came of it."""

    manifest: AdapterManifest
    snapshot_rows: dict[str, int]
    report: Path
    promoted: bool

    @property
    def code(self) -> int:
        """The exit code: what the gate refused is not so."""
        return DONE if self.manifest.verdict.passed else NOT_SO

    def as_json(self) -> dict[str, Any]:
        """The verdict with its reasons, and where everything lies."""
        manifest = self.manifest
        return {
            "behaviour": str(manifest.behaviour),
            "version": manifest.version,
            "passed": manifest.verdict.passed,
            "reasons": list(manifest.verdict.reasons),
            "promoted": self.promoted,
            "snapshot": manifest.snapshot_id,
            "rows": self.snapshot_rows,
            "calibration": manifest.calibration,
            "metrics": {name: score.model_dump() for name, score in manifest.scores.items()},
            "report": str(self.report),
        }

    def as_text(self) -> str:
        """For people: the report of the gate, then what it means."""
        name = self.manifest.name
        promote = f"groundskeeper adapters promote {self.manifest.behaviour} {self.manifest.version}"
        served = f"{name} is served now." if self.promoted else f"Serve it with: {promote}"
        end = served if self.manifest.verdict.passed else f"{name} is registered but cannot be promoted."
        return f"{self.report.with_suffix('.txt').read_text('utf-8')}\n{end}"


def retrain_adapter(
    settings: Settings,
    request: RetrainRequest,
    *,
    say: Say = lambda text: None,
    progress: Progress = lambda stage, done, total: None,
    clock: Clock = now,
) -> Retrained:
    """From rows to a registered adapter with its verdict; served if `request.promote` and the gate says so.

    Raises TrainingNotAdvised when the charter says no, SwitchRefused when production was switched while the gate
    judged, and what reading rows, training and the registry raise.
    """
    make_home(settings)
    plan = freeze_plan(settings, request, today=clock().date())
    snapshot = take_snapshot(settings, plan, say)
    run = train_candidate(settings, plan, snapshot, say, progress)
    candidate = register_candidate(settings, plan, snapshot, run, say, progress, clock=clock)
    promoted = promote_passed(settings, plan, candidate, say, clock=clock)
    return describe(settings, plan, snapshot, candidate.version, promoted=promoted)


def take_snapshot(settings: Settings, plan: Plan, say: Say) -> str:
    """The id of the snapshot that holds the plan's rows, made or found."""
    from serving.interface.fingerprint import fingerprint
    from serving.registry.models import prepare_model
    from serving.registry.tokenizer import open_template
    from tuning.rows import ROWS, read_rows
    from tuning.snapshot import make_snapshot
    from tuning.split import Split

    recipe = plan.recipe
    rows = [row for path in plan.data for row in read_rows(path, ROWS[plan.behaviour])]
    model = prepare_model(settings.base_model, settings.models, progress=say)
    snapshot = make_snapshot(
        plan.behaviour,
        rows,
        root=settings.snapshots_root,
        contract=fingerprint(plan.behaviour, open_template(model.path)),
        seed=plan.seed,
        synthetic_cap=plan.charter.rows.synthetic_cap,
        most={Split.CALIBRATION: recipe.calibration_rows, Split.HELD_OUT: recipe.held_out_rows},
    )
    counts = ", ".join(f"{count} {split}" for split, count in snapshot.manifest.rows.items())
    say(f"Snapshot {snapshot.id[:12]} of {len(rows)} rows: {counts}; removed: {_removed(snapshot.manifest.removed)}.")
    return snapshot.id


def train_candidate(settings: Settings, plan: Plan, snapshot_id: str, say: Say, progress: Progress) -> Path:
    """The folder of the run, in which `adapter/` is a trained candidate.

    Raises TrainingNotAdvised for too few rows, and what `require_sound` does for what the gate will compare with.
    """
    from flows.production import require_sound
    from flows.training import base_of, train
    from tuning.charter import advise, require_yes
    from tuning.enough import require_enough

    snapshot = _open(settings, plan, snapshot_id)
    # The plan asked for today's date when it was frozen; a run that goes on tomorrow is the same run.
    require_yes(advise(plan.charter, today=plan.charter.review_date, rows=sum(snapshot.manifest.rows.values())))
    require_enough(plan.thresholds, snapshot, seed=plan.seed)
    require_sound(settings, plan.behaviour)
    base = base_of(settings, plan.behaviour, say)
    name = run_name(plan, snapshot_id, [base.weights_digest, base.tokenizer_digest])
    run: Path = settings.runs_root / plan.behaviour / name
    with _alone_in(run, say):
        train(plan, snapshot.rows("train"), base, run, threads=settings.threads, say=say, progress=progress)
    return run


def register_candidate(
    settings: Settings, plan: Plan, snapshot_id: str, run: Path, say: Say, progress: Progress, *, clock: Clock = now
) -> Candidate:
    """The candidate, registered with the gate's verdict in its manifest."""
    from flows.judging import judge
    from flows.reports import folder_files, write_report, write_statements
    from flows.wiring import open_bench
    from serving.registry.channels import Channel

    snapshot, reranks = _open(settings, plan, snapshot_id), plan.behaviour is Behaviour.RERANK
    opened = open_bench(settings, say, tries_rerankers=reranks, answers=None if reranks else run / ANSWERS)
    with _alone_in(run, say), opened as (bench, adapters):
        since = adapters.registry.channels.history(Channel.PRODUCTION, plan.behaviour)
        files = folder_files(run / "adapter")
        judged = judge(bench, adapters, plan, snapshot, run / "adapter", progress=progress)
        with write_statements(run, plan, snapshot, judged, files) as statements:
            manifest = adapters.registry.store.register(statements, judged.draft(plan, adapters, snapshot_id, clock()))
    write_report(settings, manifest, judged)
    say(f"Registered {manifest.name}: {'passed' if manifest.verdict.passed else 'refused'} by the gate.")
    return Candidate(manifest.version, since)


def promote_passed(settings: Settings, plan: Plan, candidate: Candidate, say: Say, *, clock: Clock = now) -> bool:
    """Serve the candidate if the plan asks for it and the gate passed it; whether it is served now.

    Raises SwitchRefused if it was judged against what is served no more.
    """
    from flows.adapters import promote_adapter
    from flows.production import open_registry

    passed = open_registry(settings).store.show(plan.behaviour, candidate.version).verdict.passed
    if plan.request.promote and passed:
        promote_adapter(settings, plan.behaviour, candidate.version, say, at=clock(), since=candidate.since)
    return plan.request.promote and passed


def describe(settings: Settings, plan: Plan, snapshot_id: str, version: str, *, promoted: bool) -> Retrained:
    """What came of a retraining whose adapter is registered."""
    from flows.production import open_registry
    from flows.reports import report_path

    manifest = open_registry(settings).store.show(plan.behaviour, version)
    rows = {str(split): count for split, count in _open(settings, plan, snapshot_id).manifest.rows.items()}
    return Retrained(manifest, rows, report_path(settings, manifest), promoted)


def recall(settings: Settings, behaviour: Behaviour, told: Mapping[str, Any]) -> Retrained:
    """What came of a retraining that ended elsewhere and told it as JSON."""
    from flows.production import open_registry

    manifest = open_registry(settings).store.show(behaviour, told["version"])
    return Retrained(manifest, told["rows"], Path(told["report"]), told["promoted"])


def _alone_in(run: Path, say: Say) -> AbstractContextManager[None]:
    """One retraining at a time works in a run's folder; the next says that it waits."""
    from serving.registry.files import locked

    told = "Another retraining of the same run is at work; waiting for it."
    return locked(run / ".lock", waiting=lambda: say(told))


def _open(settings: Settings, plan: Plan, snapshot_id: str) -> Any:
    from tuning.snapshot import open_snapshot

    return open_snapshot(settings.snapshots_root / plan.behaviour / snapshot_id)


def _removed(removed: Any) -> str:
    return ", ".join(f"{count} {why}" for why, count in removed.items() if count) or "none"
