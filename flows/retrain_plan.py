"""What a retraining goes by, read and frozen before anything is trained: charter, recipe, thresholds of the gate.

The name of a run is the digest of everything that decides its outcome. So a killed run is found again and goes on, and
thresholds that were changed after training began belong to another run: nobody fits the gate to a result.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.errors import RowsUnnamed
from serving.interface.behaviours import Behaviour

if TYPE_CHECKING:
    from flows.settings import Settings
    from tuning.charter import Charter
    from tuning.errors import TuningError
    from tuning.recipe import Recipe
    from tuning.recipe_rerank import RerankRecipe
    from tuning.thresholds import GateThresholds

__all__ = ["Plan", "RetrainRequest", "freeze_plan", "libraries", "run_name"]

_TUNING = Path(__file__).parents[1] / "tuning"
_LIBRARIES = ("accelerate", "peft", "sentence-transformers", "tokenizers", "torch", "transformers", "trl")


@dataclass(frozen=True)
class RetrainRequest:
    """What a user asks for; paths that are None mean the files that come with the project."""

    behaviour: Behaviour
    data: tuple[Path, ...] = ()
    """Files of rows; empty means those of the settings."""
    charter: Path | None = None
    recipe: Path | None = None
    gate: Path | None = None
    promote: bool = False
    """Serve the adapter if the gate passes it."""
    seed: int = 0


@dataclass(frozen=True)
class Plan:
    """Everything that was decided before training."""

    request: RetrainRequest
    data: tuple[Path, ...]
    charter: Charter
    recipe: Recipe | RerankRecipe
    thresholds: GateThresholds

    @property
    def behaviour(self) -> Behaviour:
        """The behaviour that is trained."""
        return self.request.behaviour

    @property
    def seed(self) -> int:
        """Of the split, the training and the intervals."""
        return self.request.seed


def freeze_plan(settings: Settings, request: RetrainRequest, *, today: date) -> Plan:
    """Reads charter, recipe and thresholds, each for the behaviour that is asked for.

    Raises TrainingNotAdvised on a no, RowsUnnamed, CharterInvalid, RecipeInvalid, ThresholdsInvalid.
    """
    from tuning.charter import advise, read_charter, require_yes
    from tuning.errors import CharterInvalid, RecipeInvalid, ThresholdsInvalid
    from tuning.recipe import read_recipe
    from tuning.recipe_rerank import read_rerank_recipe
    from tuning.thresholds import read_thresholds

    wanted = request.behaviour
    charter = read_charter(request.charter or _packaged("charters", wanted))
    _require_same(wanted, charter.behaviour, "charter", CharterInvalid)
    require_yes(advise(charter, today=today))
    read = read_rerank_recipe if wanted is Behaviour.RERANK else read_recipe
    recipe = read(request.recipe or _packaged("recipes", wanted))
    _require_same(wanted, recipe.behaviour, "recipe", RecipeInvalid)
    thresholds = read_thresholds(request.gate or _packaged("gates", wanted))
    _require_same(wanted, thresholds.behaviour, "gate", ThresholdsInvalid)
    return Plan(request, _data(settings, request), charter, recipe, thresholds)


def run_name(plan: Plan, snapshot_id: str, base: Sequence[str]) -> str:
    """The first 16 hex digits over what decides a run: rows, contract, recipe, thresholds, seed, base and libraries."""
    from tuning.recipe import recipe_digest
    from tuning.thresholds import gate_digest

    digests = [recipe_digest(plan.recipe), gate_digest(plan.thresholds)]
    decides: list[Any] = [snapshot_id, *digests, plan.seed, *base, libraries()]
    return hashlib.sha256(json.dumps(decides).encode()).hexdigest()[:16]


def libraries() -> dict[str, str]:
    """The version of each library that takes part in a training."""
    return {name: version(name) for name in _LIBRARIES}


def _require_same(wanted: Behaviour, found: Behaviour, what: str, error: type[TuningError]) -> None:
    if found is not wanted:
        raise error(
            f"The {what} is for {found}, and {wanted} is to be trained.",
            remedy=f"Give the file for {wanted} with --{what}, or leave it out for the project's own.",
        )


def _data(settings: Settings, request: RetrainRequest) -> tuple[Path, ...]:
    data = request.data or settings.training_data.get(request.behaviour, ())
    if not data:
        raise RowsUnnamed(
            f"No rows of {request.behaviour} were named.",
            remedy=f"Name files with --data, or in groundskeeper.toml: [training_data] {request.behaviour} = [...].",
        )
    return tuple(data)


def _packaged(room: str, behaviour: Behaviour) -> Path:
    return _TUNING / room / f"{behaviour}.yaml"
