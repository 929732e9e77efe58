"""Thresholds are read strictly, and their digest freezes what they say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

from serving.interface.behaviours import Behaviour
from tuning.errors import ThresholdsInvalid
from tuning.metrics import assistant
from tuning.thresholds import (
    MEASURES,
    PRODUCTION,
    GateThresholds,
    gate_digest,
    packaged_thresholds,
    read_thresholds,
)

REFUSAL = packaged_thresholds(Behaviour.REFUSAL).read_text("utf-8")


def changed(tmp_path: Path, old: str, new: str) -> Path:
    assert old in REFUSAL
    path = tmp_path / "mine.yaml"
    path.write_text(REFUSAL.replace(old, new), "utf-8")
    return path


@pytest.mark.parametrize("behaviour", Behaviour)
def test_every_behaviour_comes_with_thresholds(behaviour: Behaviour):
    thresholds = read_thresholds(packaged_thresholds(behaviour))
    assert thresholds.behaviour is behaviour
    assert PRODUCTION in thresholds.headline.least_gain
    assert len(thresholds.headline.least_gain) > 1
    assert thresholds.headline.metric in {metric.name for metric in MEASURES[behaviour]}


WRONG = {
    "an unknown key": ("floors:", "flors:", "flors"),
    "an unknown metric": ("{balanced_accuracy: 0.65", "{balanced_acuracy: 0.65", "balanced_acuracy"),
    "a metric of another behaviour": ("metric: auc", "metric: mrr", "mrr"),
    "a share above 1": ("budget: 0.4", "budget: 40", "budget"),
    "an aim above the budget": ("aim: 0.06", "aim: 0.5", "aim"),
    "a negative margin": ("prompt: 0.05", "prompt: -0.05", "prompt"),
    "no budget for refusal": ("over_refusal: {budget: 0.4, aim: 0.06}\n", "", "over_refusal"),
    "another behaviour": ("behaviour: refusal", "behaviour: rerank", "no metrics of rerank"),
    "a baseline that is not compared": ("tolerance: 0.03", "tolerance: 0.03, against: [copy]", "copy"),
    "a baseline that cannot be measured": ("few_shot: 0.05", "few_shots: 0.05", "no baselines of refusal: few_shots"),
    "a gain of what should be less": ("metric: auc", "metric: false_refusal_rate", "ceilings: false_refusal_rate"),
    "a floor that nothing reaches": ("balanced_accuracy: 0.65", "balanced_accuracy: .nan", "finite"),
    "a share in words": ("budget: 0.4,", 'budget: "0.4",', "valid number"),
    "a key twice": ("\nrows:", "\nbehaviour: refusal\nrows:", "second time"),
}


@pytest.mark.parametrize(("old", "new", "named"), WRONG.values(), ids=WRONG)
def test_wrong_thresholds_are_refused_by_their_key(tmp_path: Path, old: str, new: str, named: str):
    with pytest.raises(ThresholdsInvalid, match=named) as refused:
        read_thresholds(changed(tmp_path, old, new))
    assert "tuning/gates" in refused.value.remedy


def test_a_missing_file_is_refused(tmp_path: Path):
    with pytest.raises(ThresholdsInvalid, match="cannot be read"):
        read_thresholds(tmp_path / "none.yaml")


def test_the_digest_is_of_what_the_thresholds_say_and_not_of_how_they_are_written(tmp_path: Path):
    original = gate_digest(read_thresholds(packaged_thresholds(Behaviour.REFUSAL)))
    rewritten = changed(tmp_path, "budget: 0.4, aim: 0.06", "aim: 0.060, budget: 0.40")
    assert gate_digest(read_thresholds(rewritten)) == original
    assert gate_digest(read_thresholds(changed(tmp_path, "budget: 0.4", "budget: 0.41"))) != original


PAGE = (Path(__file__).resolve().parents[2] / "docs" / "gate.md").read_text("utf-8")


def test_the_page_about_the_gate_shows_thresholds_that_are_read(tmp_path: Path):
    (shown,) = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    path = tmp_path / "shown.yaml"
    path.write_text(shown, "utf-8")
    assert read_thresholds(path).behaviour is Behaviour.REFUSAL


def test_the_page_about_the_gate_names_every_metric_and_every_key():
    measures = {metric.name for metrics in (*MEASURES.values(), assistant.METRICS) for metric in metrics}
    named = set(re.findall(r"^\| `(\w+)` \| `\w+` \|", PAGE, re.MULTILINE))
    assert named == {name for name in measures if not name.startswith("raw_")}
    keys = set(re.findall(r"^\| `([\w.]+)` \| [^`|]+", PAGE, re.MULTILINE))
    assert [key for key in leaf_keys(GateThresholds) if key not in keys] == []


def leaf_keys(model: type[BaseModel], before: str = "") -> list[str]:
    """Keys of the thresholds by their paths."""
    found: list[str] = []
    for name, field in model.model_fields.items():
        parts = [part for part in (field.annotation, *get_args(field.annotation)) if isinstance(part, type)]
        below = [part for part in parts if issubclass(part, BaseModel)]
        found += [key for part in below for key in leaf_keys(part, f"{before}{name}.")] or [before + name]
    return [key for key in found if key != "behaviour"]
