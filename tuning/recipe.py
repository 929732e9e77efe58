"""Recipes: every number of a training run, in a YAML file under version control.

    recipe = read_recipe(Path("tuning/recipes/refusal.yaml"))

The recipe's digest is part of the manifest of every adapter trained by it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from serving.interface.behaviours import GENERATIVE, Behaviour
from tuning.errors import RecipeInvalid
from tuning.strict_yaml import read_yaml

__all__ = [
    "Beginning",
    "LoraRecipe",
    "Recipe",
    "chosen_modules",
    "read_recipe",
    "recipe_digest",
    "refuse_other_behaviours",
]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class LoraRecipe(_Frozen):
    """The size and the place of the adapter."""

    rank: int = Field(ge=1, le=256)
    alpha: int = Field(ge=1)
    dropout: float = Field(0.0, ge=0, lt=1)
    upper_layers: float = Field(1.0, gt=0, le=1)
    """Share of the base model's layers, counted from the top, that are adapted."""
    modules: Annotated[tuple[str, ...], Field(strict=False)] | Literal["all-linear"] = "all-linear"


class Beginning(_Frozen):
    """Of each completion, which counts more: there a model chooses what to say, and the rest mostly follows from it."""

    tokens: int = Field(2, ge=1)
    weight: float = Field(1.0, gt=0)


class Recipe(_Frozen):
    """How an adapter of a generative behaviour is trained."""

    behaviour: Literal[Behaviour.QUERY_REWRITE, Behaviour.REFUSAL, Behaviour.CITATION]
    lora: LoraRecipe
    learning_rate: float = Field(gt=0, lt=1)
    warmup: float = Field(0.05, ge=0, lt=1)
    """Share of the steps over which the rate rises; then it falls as a cosine to 0."""
    weight_decay: float = Field(0.0, ge=0)
    max_gradient_norm: float = Field(1.0, gt=0)
    epochs: float = Field(gt=0, le=100)
    examples_per_sequence: int = Field(ge=1)
    tokens_per_sequence: int = Field(ge=16)
    """Examples that begin alike share a sequence up to these bounds."""
    sequences_per_step: int = Field(ge=1)
    beginning: Beginning = Beginning()
    checkpoint_seconds: float = Field(120.0, gt=0)
    """A run that is killed loses at most so much work."""
    calibration_rows: int = Field(400, ge=1)
    """At most so many rows choose the thresholds."""
    held_out_rows: int = Field(400, ge=1)
    """At most so many rows are kept for the gate."""

    @model_validator(mode="before")
    @classmethod
    def _is_of_a_generative_behaviour(cls, values: Any) -> Any:
        return refuse_other_behaviours(values, GENERATIVE)


def chosen_modules(lora: LoraRecipe, there: Sequence[str]) -> list[str]:
    """Names of the matrices to adapt, of those that are `there`. Raises RecipeInvalid for one that is not."""
    if lora.modules == "all-linear":
        return list(there)
    unknown = sorted(set(lora.modules) - set(there))
    if unknown or not lora.modules:
        raise RecipeInvalid(
            f"lora.modules names {', '.join(unknown) or 'no matrix'}; the base model has {', '.join(sorted(there))}.",
            remedy="Name some of these in the recipe, or all-linear.",
        )
    return list(lora.modules)


def refuse_other_behaviours(values: Any, expected: Sequence[Behaviour]) -> Any:
    """The values of a recipe, as they are.

    Raises ValueError for a recipe of another behaviour, of which else every key would be a fault.
    """
    found = values.get("behaviour") if isinstance(values, dict) else None
    if any(found == behaviour for behaviour in Behaviour if behaviour not in expected):
        raise ValueError(f"the recipe is for {found}, not for {' or '.join(expected)}")
    return values


def read_recipe(path: Path) -> Recipe:
    """The recipe in a YAML file. Raises RecipeInvalid, which names the line and the key."""
    return read_yaml(path, Recipe, error=RecipeInvalid, remedy="Compare it with the files in tuning/recipes.")


def recipe_digest(recipe: BaseModel) -> str:
    """sha256 (hex) over the recipe's values."""
    return hashlib.sha256(recipe.model_dump_json().encode()).hexdigest()
