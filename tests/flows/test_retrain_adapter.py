"""A retraining's story: it asks before it trains, survives a kill between any two steps, and serves only what passed.

Charter, recipe, rows and, but for the baseline few_shot, which takes long, the gate are the project's own; the
training and the model behind it are written here.
"""

from __future__ import annotations

import errno
import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

import flows.calibrating
import flows.judging
import flows.reports
import flows.retrain_adapter as steps
import flows.training
import flows.wiring
from flows.production import Adapters, adapters_of, open_registry
from flows.retrain_adapter import Retrained, retrain_adapter
from flows.retrain_plan import RetrainRequest, freeze_plan
from flows.settings import Settings, load_settings
from flows.systems import Bench, make_bench
from serving.assistant.engine import ScoreRequest
from serving.assistant.errors import PromptTooLong
from serving.assistant.remembering_engine import RememberingEngine
from serving.interface.behaviours import Behaviour
from serving.interface.refusal import TASK
from serving.interface.standalone import wordings
from serving.registry import adapter_folder, files
from serving.registry.channels import Channel
from serving.registry.errors import AdapterDamaged, AdapterUnusable, ModelStorageFull, SwitchRefused
from serving.registry.manifest import AdapterManifest
from tests.architecture.tree import ROOT
from tests.flows.fake_models import LoadingEngine, prepare_tiny_model
from tests.retrieval.readable import ReadableEncoder
from tests.serving.registry.made_adapters import NOON, OTHER_WEIGHTS, draft, write_source
from tuning.errors import TrainingNotAdvised
from tuning.rows import RefusalRow, read_rows
from tuning.snapshot import open_snapshot
from tuning.thresholds import packaged_thresholds

REFUSAL = Behaviour.REFUSAL
OWN_ROWS = ROOT / "tests" / "rows" / "refusal.jsonl"
GATE = Path("gate.yaml")
YES, NO = (0.0, -9.0, -9.0), (-9.0, 0.0, -9.0)


class Killed(BaseException):
    """Nothing in the code may catch it, as nothing catches a kill."""


def letters(text: str) -> str:
    return re.sub(r"\W+", "", text)


class Skill(StrEnum):
    """What an adapter does in this engine."""

    READS = "says yes where the passage that answers is shown"
    REMEMBERS = "says yes to questions that some passage answers, whichever is shown"
    NOTHING = "says yes, as the engine does without one"


class ReadingEngine(LoadingEngine):
    """Judges the project's own rows."""

    def __init__(self) -> None:
        super().__init__()
        self.skill, self.too_long = Skill.READS, ""
        self.asked: list[ScoreRequest] = []
        self.killed_after: int | None = None
        self.answering: dict[str, list[str]] = {}
        for row in read_rows(OWN_ROWS, RefusalRow):
            texts = [letters(p.text)[:80] for p in row.passages if p.id == row.answering]
            for asked in wordings(row.question, row.history, len):
                self.answering.setdefault(letters(asked), []).extend(texts)

    def score(self, requests: Sequence[ScoreRequest]) -> list[tuple[float, ...]]:
        if self.killed_after is not None and len(self.asked) >= self.killed_after:
            raise Killed
        scores = [self.judge(self.prompt(request), tuned=request.adapter is not None) for request in requests]
        self.asked += requests
        return scores

    def judge(self, prompt: str, *, tuned: bool) -> tuple[float, ...]:
        asked = letters(prompt.split("Question:")[-1].split(TASK)[0])
        if asked == self.too_long:
            raise PromptTooLong("It needs 9000 tokens.", remedy="none")
        if not tuned or self.skill is Skill.NOTHING:
            return YES
        known = self.answering[asked]
        return YES if any(self.skill is Skill.REMEMBERS or text in letters(prompt) for text in known) else NO


@pytest.fixture
def engine() -> ReadingEngine:
    return ReadingEngine()


@pytest.fixture
def trained() -> list[Path]:
    """Folders of the runs that were trained, in order."""
    return []


@pytest.fixture
def trained_on() -> list[Sequence[Any]]:
    """The rows of each training."""
    return []


@pytest.fixture(autouse=True)
def workshop(
    engine: ReadingEngine,
    trained: list[Path],
    trained_on: list[Sequence[Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Stands in for models and training."""
    model = prepare_tiny_model(tmp_path / "tiny", monkeypatch)

    @contextmanager
    def opened(
        settings: Settings, say: Callable[[str], None], *, tries_rerankers: bool, answers: Path
    ) -> Iterator[tuple[Bench, Adapters]]:
        assert not tries_rerankers
        remembering = RememberingEngine(engine, answers)
        adapters = adapters_of(settings, remembering, model, say)
        yield make_bench(remembering, ReadableEncoder(), adapters.rerankers), adapters

    def train(plan: Any, rows: Sequence[Any], base: Any, run: Path, **told: Any) -> None:
        trained.append(run)
        trained_on.append(rows)
        if not (run / "adapter").exists():
            write_source(run / "adapter")

    monkeypatch.setattr(flows.wiring, "open_bench", opened)
    monkeypatch.setattr(flows.training, "train", train)
    monkeypatch.setenv("GROUNDSKEEPER_STARTER", "none")
    quick = packaged_thresholds(REFUSAL).read_text("utf-8").replace("few_shot: 0.05, ", "")
    GATE.write_text(quick, "utf-8")


def retrain(**asked: Any) -> Retrained:
    request = RetrainRequest(**{"behaviour": REFUSAL, "data": (OWN_ROWS,), "gate": GATE} | asked)
    return retrain_adapter(load_settings(), request, clock=lambda: NOON)


def registered() -> list[AdapterManifest | None]:
    return [listed.manifest for listed in open_registry(load_settings()).store.list()]


def served() -> str:
    return open_registry(load_settings()).value(REFUSAL)


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


KILLS = {
    "before training": (flows.training, "train"),
    "before the gate": (flows.judging, "judge"),
    "before registration": (flows.reports, "write_statements"),
    "before the report": (flows.reports, "write_report"),
    "before promotion": (steps, "promote_passed"),
    "after promotion": (steps, "describe"),
}


@pytest.mark.parametrize(("module", "step"), KILLS.values(), ids=KILLS)
def test_a_run_that_is_killed_between_two_steps_is_found_again(
    module: Any, step: str, trained: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill(*given: Any, **named: Any) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(module, step, kill)
        with pytest.raises(Killed):
            retrain(promote=True)
    made = retrain(promote=True)
    assert made.manifest.verdict.passed, made.manifest.verdict.reasons
    assert served() == made.manifest.version
    assert registered() == [made.manifest]
    assert len(set(trained)) == 1
    assert made.report.is_file()
    assert len([path for path in Path("var/snapshots/refusal").iterdir() if path.is_dir()]) == 1


def test_a_judging_that_is_killed_goes_on_with_what_the_model_answered(engine: ReadingEngine) -> None:
    retrain(seed=1)
    whole = len(engine.asked)
    engine.asked.clear()
    engine.killed_after = whole // 2
    with pytest.raises(Killed):
        retrain()
    engine.killed_after = None
    assert retrain().manifest.verdict.passed
    assert len(engine.asked) == len(set(engine.asked))


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


def test_of_two_retrainings_that_end_together_the_second_is_not_served_unless_compared_with_the_first(
    trained: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def train(plan: Any, rows: Any, base: Any, run: Path, **told: Any) -> None:
        trained.append(run)
        if not (run / "adapter").exists():
            write_source(run / "adapter", weight=len(trained))

    def judge_while_another_ends(*given: Any, **named: Any) -> Any:
        judged = judge(*given, **named)
        monkeypatch.setattr(flows.judging, "judge", judge)
        others.append(retrain(gate=other_gate(), promote=True))
        return judged

    others: list[Retrained] = []
    judge = flows.judging.judge
    monkeypatch.setattr(flows.training, "train", train)
    monkeypatch.setattr(flows.judging, "judge", judge_while_another_ends)
    with pytest.raises(SwitchRefused, match="while refusal@") as refused:
        retrain(promote=True)
    (first,) = others
    assert served() == first.manifest.version
    (second,) = [manifest for manifest in registered() if manifest != first.manifest]
    assert second is not None
    assert second.verdict.passed
    assert second.name in str(refused.value)
    assert first.manifest.version in str(refused.value)
    assert "again" in refused.value.remedy
    made = retrain(promote=True)
    assert any("against production: +0.000" in reason for reason in made.manifest.verdict.reasons)
    assert served() == first.manifest.version


def other_gate() -> Path:
    text = GATE.read_text("utf-8")
    assert "budget: 0.4," in text
    Path("other.yaml").write_text(text.replace("budget: 0.4,", "budget: 0.41,"), "utf-8")
    return Path("other.yaml")


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


def test_an_adapter_in_production_that_is_lost_is_told_before_anything_is_trained(trained: list[Path]) -> None:
    served_once = retrain(promote=True).manifest
    (Path("var/adapters/refusal") / served_once.version / "adapter_model.safetensors").unlink()
    trained.clear()
    with pytest.raises(AdapterDamaged, match="safetensors is gone"):
        retrain(gate=other_gate())
    assert trained == []


def test_weights_that_change_while_they_are_judged_are_not_registered(
    trained: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = flows.judging.judge

    def judge_while_the_disk_fails(*given: Any, **named: Any) -> Any:
        judged = judge(*given, **named)
        weights = trained[0] / "adapter" / "adapter_model.safetensors"
        weights.write_bytes(weights.read_bytes()[:-1] + b"!")
        return judged

    monkeypatch.setattr(flows.judging, "judge", judge_while_the_disk_fails)
    with pytest.raises(AdapterUnusable, match=r"adapter_model\.safetensors in .* changed while the gate judged"):
        retrain(promote=True)
    assert registered() == []
    assert served() == "few_shot"


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


@pytest.mark.parametrize(
    ("place", "doing"),
    [
        ("registering/adapter_model", "write the statements of an adapter"),
        ("registering/gate_report", "write the statements of an adapter"),
        ("reports/refusal-", "write the report of an adapter"),
    ],
)
def test_a_disk_that_is_full_when_an_adapter_is_reported_on_is_told_and_nothing_half_written_is_left(
    place: str, doing: str, trained: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_there(write: Callable[[Any, Any], None], path: Path, given: tuple[Any, Any]) -> None:
        if place in path.as_posix():
            raise OSError(errno.ENOSPC, "No space left on device")
        write(*given)

    def copy(source: Path, target: Path) -> None:
        full_there(files.copy_synced, target, (source, target))

    def replace(path: Path, content: bytes) -> None:
        full_there(files.replace_file, path, (path, content))

    with monkeypatch.context() as patched:
        patched.setattr(adapter_folder, "copy_synced", copy)
        patched.setattr(flows.reports, "replace_file", replace)
        with pytest.raises(ModelStorageFull, match=f"too full to {doing}") as caught:
            retrain(promote=True)
    assert "Free some space and try again" in caught.value.remedy
    assert served() == "few_shot"
    assert {path.name for path in trained[0].iterdir()} == {".lock", "adapter", "answers.sqlite"}
    assert retrain(promote=True).report.is_file()


def test_nothing_of_a_registration_is_left_in_the_run(trained: list[Path]) -> None:
    retrain()
    assert {path.name for path in trained[0].iterdir()} == {".lock", "adapter", "answers.sqlite"}


def test_a_second_retraining_of_the_same_run_says_that_it_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    settings, waits = load_settings(), Event()
    plan = freeze_plan(settings, RetrainRequest(REFUSAL, (OWN_ROWS,), gate=GATE), today=NOON.date())
    snapshot = steps.take_snapshot(settings, plan, lambda text: None)

    def train(say: Callable[[str], None]) -> None:
        steps.train_candidate(settings, plan, snapshot, say, lambda stage, done, total: None)

    def tell(text: str) -> None:
        assert text == "Another retraining of the same run is at work; waiting for it."
        waits.set()

    def train_while_another_comes(*given: Any, **told: Any) -> None:
        monkeypatch.setattr(flows.training, "train", lambda *given, **told: None)
        second.start()
        assert waits.wait(60)

    second = Thread(target=train, args=(tell,))
    monkeypatch.setattr(flows.training, "train", train_while_another_comes)
    train(lambda text: None)
    second.join(60)
    assert not second.is_alive()
