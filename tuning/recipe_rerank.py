"""The reranker's recipe: every number of its training run, in a YAML file under version control.

    recipe = read_rerank_recipe(Path("tuning/recipes/rerank.yaml"))

Like every recipe its digest (`recipe.recipe_digest`) is part of the manifest of an adapter trained by it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from serving.interface.behaviours import Behaviour
from tuning.errors import RecipeInvalid
from tuning.recipe import LoraRecipe, refuse_other_behaviours
from tuning.strict_yaml import read_yaml

__all__ = ["RerankRecipe", "read_rerank_recipe"]


class RerankRecipe(BaseModel):
    """How a cross-encoder is trained on questions with ranked passages."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    behaviour: Literal[Behaviour.RERANK]
    lora: LoraRecipe
    loss: Literal["list_net", "lambda"]
    """Over a question's passages at once: `list_net` (Cao et al. 2007) or `lambda` (NDCG-Loss2++, Wang et al. 2018)."""
    passages_per_question: int = Field(ge=2, le=100)
    """Of which one is the best, the others are drawn anew each epoch from those that are less relevant."""
    passage_tokens: int = Field(ge=16)
    """What of a passage is read, in training and in serving."""
    questions_per_step: int = Field(ge=1)
    learning_rate: float = Field(gt=0, lt=1)
    warmup: float = Field(0.05, ge=0, lt=1)
    """Share of the steps over which the rate rises; then it falls as a cosine to 0."""
    weight_decay: float = Field(0.0, ge=0)
    max_gradient_norm: float = Field(1.0, gt=0)
    epochs: int = Field(ge=1, le=100)
    checkpoint_seconds: float = Field(120.0, gt=0)
    """A run that is killed loses at most so much work."""
    held_out_rows: int = Field(400, ge=1)
    """At most so many rows are kept for the gate."""
    calibration_rows: int = Field(400, ge=1)
    """At most so many rows of the calibration split choose the weight of the scores against the hybrid order."""

    @model_validator(mode="before")
    @classmethod
    def _is_of_the_reranker(cls, values: Any) -> Any:
        return refuse_other_behaviours(values, [Behaviour.RERANK])


def read_rerank_recipe(path: Path) -> RerankRecipe:
    """The recipe in a YAML file. Raises RecipeInvalid, which names the file, the line and the key."""
    return read_yaml(path, RerankRecipe, error=RecipeInvalid, remedy="Compare it with tuning/recipes/rerank.yaml.")
