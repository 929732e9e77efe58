"""What the gate asks of a candidate: thresholds in YAML, frozen and digested before training starts.

    thresholds = read_thresholds(packaged_thresholds(Behaviour.REFUSAL))
    gate_digest(thresholds)                               into the adapter's manifest

Metrics are named as evaluations name them; their fields say which end of an interval is looked at.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from serving.interface.behaviours import Behaviour
from serving.registry.channels import untuned_modes
from tuning.errors import ThresholdsInvalid
from tuning.evaluation import Metric
from tuning.metrics import citation, query_rewrite, refusal, rerank
from tuning.strict_yaml import read_yaml

__all__ = [
    "COPY",
    "MEASURES",
    "PRODUCTION",
    "Enough",
    "GateThresholds",
    "Headline",
    "Leak",
    "NotLose",
    "OverRefusal",
    "SliceRules",
    "gate_digest",
    "packaged_thresholds",
    "read_thresholds",
]

MEASURES: Mapping[Behaviour, Sequence[Metric]] = MappingProxyType(
    {
        Behaviour.QUERY_REWRITE: query_rewrite.METRICS,
        Behaviour.REFUSAL: refusal.METRICS,
        Behaviour.CITATION: citation.METRICS,
        Behaviour.RERANK: rerank.METRICS,
    }
)
"""What can be asked of each behaviour."""
PRODUCTION = "production"
"""The one baseline that may be absent: before the first promotion there is none."""
COPY = "copy"
"""The rewriter that returns the question: a baseline of `query_rewrite` that needs no model."""

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]
Margin = Annotated[float, Field(ge=0)]
_STRICT = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Headline(BaseModel):
    """The metric that training is for. Its gain is real when the low end of the paired interval is above the margin."""

    model_config = _STRICT

    metric: str
    least_gain: Mapping[str, Margin] = Field(min_length=1)
    """Baseline -> margin."""


class NotLose(BaseModel):
    """A metric that must stay: against each baseline, the low end of the paired gain is above `-tolerance`."""

    model_config = _STRICT

    metric: str
    tolerance: Margin
    against: tuple[str, ...] = Field((), strict=False)
    """Baselines; all of the headline's if empty."""


class SliceRules(BaseModel):
    """Rules for every part of the rows that has at least `least_rows` judged rows; smaller ones are only named."""

    model_config = _STRICT

    least_rows: Count
    largest_loss: Margin | None = None
    """Of the headline's metric against every baseline, where it can be compared: the gain itself, not its low end, is
    above `-largest_loss`."""
    floors: Mapping[str, float] = {}
    """Metric -> least value."""


class OverRefusal(BaseModel):
    """How many answerable questions may be refused."""

    model_config = _STRICT

    budget: Share
    """The high end of `false_refusal_rate` is within it."""
    aim: Share
    """What choosing a threshold keeps to, on calibration rows; lower than the budget, to leave room for chance."""

    @model_validator(mode="after")
    def _the_aim_lies_within_the_budget(self) -> Self:
        if self.aim > self.budget:
            raise ValueError(f"the aim {self.aim} is above the budget {self.budget}")
        return self


class Leak(BaseModel):
    """How far the candidate must follow swapped facts."""

    model_config = _STRICT

    floor: Share
    """The low end of `follows_context` is not below it."""
    least_judged: Count


class Enough(BaseModel):
    """How many rows make a verdict possible."""

    model_config = _STRICT

    least_judged: Count
    """Of the candidate's rows, and of the pairs of each comparison."""
    largest_unjudged_share: Share


class GateThresholds(BaseModel):
    """Everything the gate asks of a candidate of one behaviour."""

    model_config = _STRICT

    behaviour: Behaviour = Field(strict=False)
    headline: Headline
    must_not_lose: tuple[NotLose, ...] = Field((), strict=False)
    floors: Mapping[str, float] = {}
    """Metric -> least value."""
    ceilings: Mapping[str, float] = {}
    """Metric -> largest value, for metrics of which less is better."""
    slices: SliceRules | None = None
    over_refusal: OverRefusal | None = None
    content_leak: Leak
    rows: Enough

    @model_validator(mode="after")
    def _metrics_and_baselines_are_known(self) -> Self:
        named = {self.headline.metric, *self.floors, *self.ceilings, *(self.slices.floors if self.slices else ())}
        named |= {rule.metric for rule in self.must_not_lose}
        unknown = named - {metric.name for metric in MEASURES[self.behaviour]}
        if unknown:
            raise ValueError(f"these are no metrics of {self.behaviour}: {', '.join(sorted(unknown))}")
        unknown = {name for rule in self.must_not_lose for name in rule.against} - self.headline.least_gain.keys()
        if unknown:
            raise ValueError(f"must_not_lose names baselines that the headline lacks: {', '.join(sorted(unknown))}")
        return self

    @model_validator(mode="after")
    def _what_is_to_gain_is_better_when_it_is_more(self) -> Self:
        gained = {self.headline.metric, *(rule.metric for rule in self.must_not_lose), *self.floors}
        gained |= set(self.slices.floors if self.slices else ())
        wrong = gained & {metric.name for metric in MEASURES[self.behaviour] if metric.less_is_better}
        if wrong:
            raise ValueError(f"of these less is better, so they go under ceilings: {', '.join(sorted(wrong))}")
        return self

    @model_validator(mode="after")
    def _baselines_can_be_measured(self) -> Self:
        known = {*untuned_modes(self.behaviour), PRODUCTION}
        known |= {COPY} if self.behaviour is Behaviour.QUERY_REWRITE else set()
        unknown = self.headline.least_gain.keys() - known
        if unknown:
            raise ValueError(f"these are no baselines of {self.behaviour}: {', '.join(sorted(unknown))}")
        return self

    @model_validator(mode="after")
    def _refusal_has_a_budget(self) -> Self:
        if (self.behaviour is Behaviour.REFUSAL) != (self.over_refusal is not None):
            raise ValueError("over_refusal belongs to the thresholds of refusal, and to no others")
        return self


def read_thresholds(path: Path) -> GateThresholds:
    """The thresholds of a YAML file. Raises ThresholdsInvalid, naming line and key."""
    remedy = "Compare it with the thresholds that come with Groundskeeper, in tuning/gates."
    return read_yaml(path, GateThresholds, error=ThresholdsInvalid, remedy=remedy)


def packaged_thresholds(behaviour: Behaviour) -> Path:
    """The file of the thresholds that come with Groundskeeper."""
    return Path(__file__).with_name("gates") / f"{behaviour}.yaml"


def gate_digest(thresholds: GateThresholds) -> str:
    """sha256 over the thresholds: equal for equal thresholds, however their file is written."""
    canonical = json.dumps(thresholds.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
