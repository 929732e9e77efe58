"""What is known of an adapter: what it was made for, made from, how it did, and what its files are.

    draft = AdapterDraft(behaviour=..., base_model=..., contract=..., ...)     what a training run knows
    manifest = registered(draft, files)                                        with the version and the digests

The version is derived from what decides an answer (behaviour, contract, base model, weights, configuration, the
numbers chosen at calibration) and from the gate's outcome: one name never stands for two contents, and an adapter
that failed does not keep the name when it passes later. Statements (recipe, data statement, gate report) and the
remaining fields do not enter it, so training the same thing twice gives one version.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from serving.interface.behaviours import Behaviour
from serving.registry.errors import AdapterMismatch, SwitchRefused
from serving.registry.models import ModelFolder

__all__ = [
    "CONFIG",
    "STATEMENTS",
    "WEIGHTS",
    "AdapterDraft",
    "AdapterManifest",
    "BaseIdentity",
    "GateVerdict",
    "Instant",
    "RegisteredAdapter",
    "Score",
    "is_file_name",
    "is_version",
    "registered",
    "require_fit",
    "require_passed",
]

WEIGHTS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"
"""With the weights, all that is ever loaded from an adapter's folder."""
STATEMENTS = (".json", ".md", ".txt", ".yaml")
"""How the names of all other files end: text for people, nothing that a loader could run."""
_FILE_NAME = re.compile(
    rf"^({re.escape(WEIGHTS)}|[A-Za-z0-9_][A-Za-z0-9_.-]*({'|'.join(map(re.escape, STATEMENTS))}))$"
)


def _in_utc(at: datetime) -> datetime:
    try:
        return at.astimezone(UTC)
    except OverflowError as cause:
        raise ValueError(f"{at} is no moment of the calendar in UTC") from cause


Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Version = Annotated[str, Field(pattern=r"^[0-9a-f]{12}$")]
FileName = Annotated[str, Field(pattern=_FILE_NAME.pattern)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Instant = Annotated[AwareDatetime, AfterValidator(_in_utc)]
"""A moment, kept in UTC: written and read back it is the same on every machine."""

_STRICT = ConfigDict(frozen=True, extra="forbid", strict=True)
_CALIBRATED = {Behaviour.REFUSAL: {"threshold"}, Behaviour.RERANK: {"passage_tokens", "weight"}}
"""Keys that serving cannot do without."""


class BaseIdentity(BaseModel):
    """A base model: how it is referred to, and the two digests that decide whether it is the same."""

    model_config = _STRICT

    reference: str = Field(min_length=1)
    """For people; equal weights under another reference are the same base."""
    weights_digest: Digest
    tokenizer_digest: Digest

    @classmethod
    def of(cls, model: ModelFolder) -> BaseIdentity:
        """The identity of a prepared model; for the reranker, that of the embedder it was made from."""
        return cls(
            reference=model.reference, weights_digest=model.weights_digest, tokenizer_digest=model.tokenizer_digest
        )

    def is_same(self, other: BaseIdentity) -> bool:
        """Whether an adapter of one base may run on the other."""
        return (self.weights_digest, self.tokenizer_digest) == (other.weights_digest, other.tokenizer_digest)

    def __str__(self) -> str:
        return f"{self.reference} (weights {self.weights_digest[:12]}, tokenizer {self.tokenizer_digest[:12]})"


class Score(BaseModel):
    """A metric with its 95% interval. What could not be judged has no score: its name is left out."""

    model_config = _STRICT

    value: Number
    low: Number
    high: Number


class GateVerdict(BaseModel):
    """What the gate said, and why."""

    model_config = _STRICT

    passed: bool
    reasons: tuple[str, ...]


class AdapterDraft(BaseModel):
    """What a training run knows of its adapter when it asks for it to be registered."""

    model_config = _STRICT

    format: Literal[1] = 1
    behaviour: Behaviour
    base_model: BaseIdentity
    contract: Digest
    """Fingerprint of the behaviour."""
    snapshot_id: str = Field(min_length=1)
    recipe_digest: Digest
    gate_digest: Digest
    """Of the thresholds, frozen before training started."""
    seed: int = Field(ge=0)
    libraries: dict[str, str]
    """Version of each library that takes part in training."""
    calibration: dict[str, Number] = Field(default_factory=dict)
    """Numbers chosen on the calibration split; `threshold` of refusal is one, a probability."""
    scores: dict[str, Score]
    """On the held-out split, by the names of `evaluate`."""
    baselines: dict[str, dict[str, Score]]
    """The same scores of what the gate compared with: `prompt`, `few_shot`, `production`."""
    verdict: GateVerdict
    created: Instant

    @model_validator(mode="after")
    def _is_calibrated(self) -> AdapterDraft:
        if missing := _CALIBRATED.get(self.behaviour, set()) - self.calibration.keys():
            raise ValueError(f"calibration lacks {', '.join(sorted(missing))}, without which it cannot be served")
        if not 0 <= self.calibration.get("threshold", 0) <= 1:
            raise ValueError("the calibrated threshold is no probability")
        return self


class AdapterManifest(AdapterDraft):
    """`manifest.json` of a registered adapter."""

    version: Version
    files: dict[FileName, Digest]
    """sha256 (hex) of every file of the folder but the manifest and its digest."""

    @property
    def name(self) -> str:
        """`<behaviour>@<version>`: what engines and answers call it."""
        return f"{self.behaviour}@{self.version}"

    @model_validator(mode="after")
    def _is_named_after_its_content(self) -> AdapterManifest:
        if lacking := {WEIGHTS, CONFIG} - self.files.keys():
            raise ValueError(f"it lists no {min(lacking)}")
        if self.version != _version(self, self.files):
            raise ValueError("its version does not follow from its content")
        return self


@dataclass(frozen=True)
class RegisteredAdapter:
    """An adapter whose every file was just verified."""

    folder: Path
    """Holds `adapter_model.safetensors` and `adapter_config.json`."""
    manifest: AdapterManifest


def registered(draft: AdapterDraft, files: Mapping[str, str]) -> AdapterManifest:
    """The manifest of `draft` with these files (name -> sha256 hex)."""
    return AdapterManifest(**dict(draft), version=_version(draft, files), files=dict(files))


def is_file_name(text: str) -> bool:
    """Whether a registered adapter may hold a file of this name: the weights, or text for people."""
    return _FILE_NAME.fullmatch(text) is not None


def is_version(text: str) -> bool:
    """Whether `text` has the form of a version: twelve hexadecimal digits."""
    return len(text) == 12 and set(text) <= set("0123456789abcdef")


def require_fit(manifest: AdapterManifest, *, base: BaseIdentity, contract: str) -> None:
    """Raise `AdapterMismatch` unless the adapter was made for this base model and this contract."""
    made_for = manifest.base_model
    if not made_for.is_same(base):
        back = f"; or set the model back to {made_for.reference}" if made_for.reference != base.reference else ""
        raise _mismatch(manifest, "base model", str(made_for), str(base), back)
    if manifest.contract != contract:
        raise _mismatch(manifest, "contract", manifest.contract[:12], contract[:12])


def require_passed(manifest: AdapterManifest) -> None:
    """Raise `SwitchRefused` if the gate did not pass this adapter."""
    if not manifest.verdict.passed:
        raise SwitchRefused(
            f"The gate did not pass {manifest.name}: {'; '.join(manifest.verdict.reasons) or 'no reason given'}.",
            remedy="Serve another version or an un-tuned mode, or train again with more or other data.",
        )


def _mismatch(manifest: AdapterManifest, what: str, made_for: str, in_use: str, way_back: str = "") -> AdapterMismatch:
    return AdapterMismatch(
        f"The adapter {manifest.name} was made for the {what} {made_for}; in use is {in_use}.",
        remedy=f"Train it for what is in use (`groundskeeper retrain {manifest.behaviour} --promote`), promote"
        f" a version that fits, or an un-tuned mode{way_back}.",
    )


def _version(draft: AdapterDraft, files: Mapping[str, str]) -> str:
    content = {
        "format": "groundskeeper-adapter-1",
        "behaviour": draft.behaviour,
        "contract": draft.contract,
        "base": [draft.base_model.weights_digest, draft.base_model.tokenizer_digest],
        "files": [files.get(WEIGHTS), files.get(CONFIG)],
        "calibration": draft.calibration,
        "gate": [draft.gate_digest, draft.verdict.passed],
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]
