"""What a retraining survives: kills between its steps, full disks, damage, and other retrainings beside it."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

import flows.judging
import flows.reports
import flows.retrain_adapter as steps
import flows.training
from flows.retrain_adapter import Retrained
from flows.retrain_plan import RetrainRequest, freeze_plan
from flows.settings import load_settings
from serving.registry import adapter_folder, files
from serving.registry.errors import AdapterDamaged, AdapterUnusable, ModelStorageFull, SwitchRefused
from tests.flows.retraining.workshop import (
    GATE,
    OWN_ROWS,
    REFUSAL,
    Killed,
    ReadingEngine,
    other_gate,
    registered,
    retrain,
    served,
)
from tests.serving.registry.made_adapters import NOON, write_source

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


def test_an_adapter_in_production_that_is_lost_is_told_before_anything_is_trained(trained: list[Path]) -> None:
    served_once = retrain(promote=True).manifest
    (Path("var/adapters/refusal") / served_once.version / "adapter_model.safetensors").unlink()
    trained.clear()
    with pytest.raises(AdapterDamaged, match="safetensors is gone"):
        retrain(gate=other_gate())
    assert trained == []


def flip(weights: Path) -> None:
    weights.write_bytes(weights.read_bytes()[:-1] + b"!")


def lose(weights: Path) -> None:
    shutil.rmtree(weights.parent)


@pytest.mark.parametrize("change", [flip, Path.unlink, lose], ids=["a byte", "the file", "the folder"])
def test_weights_that_change_while_they_are_judged_are_not_registered(
    change: Callable[[Path], None], trained: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = flows.judging.judge

    def judge_while_the_disk_fails(*given: Any, **named: Any) -> Any:
        judged = judge(*given, **named)
        change(trained[0] / "adapter" / "adapter_model.safetensors")
        return judged

    monkeypatch.setattr(flows.judging, "judge", judge_while_the_disk_fails)
    with pytest.raises(AdapterUnusable, match=r"adapter_model\.safetensors in .*changed while the gate judged"):
        retrain(promote=True)
    assert registered() == []
    assert served() == "few_shot"


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
