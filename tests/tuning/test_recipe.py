"""A recipe is of one behaviour, and of another it is told so, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from serving.interface.behaviours import GENERATIVE, Behaviour
from tests.architecture.tree import ROOT
from tuning.errors import RecipeInvalid
from tuning.recipe import LoraRecipe, chosen_modules, read_recipe
from tuning.recipe_rerank import read_rerank_recipe

Read = Callable[[Path], BaseModel]
RERANK = Behaviour.RERANK


def own(behaviour: Behaviour) -> Path:
    return ROOT / "tuning" / "recipes" / f"{behaviour}.yaml"


def complaint(read: Read, path: Path) -> str:
    with pytest.raises(RecipeInvalid) as refused:
        read(path)
    return str(refused.value).removeprefix(f"{path}: line ")


def test_a_recipe_of_the_reranker_is_no_recipe_of_a_generative_behaviour():
    told = "the recipe is for rerank, not for query_rewrite or refusal or citation."
    assert complaint(read_recipe, own(RERANK)) == f"2: the file: Value error, {told}"


@pytest.mark.parametrize("behaviour", GENERATIVE)
def test_a_recipe_of_a_generative_behaviour_is_no_recipe_of_the_reranker(behaviour: Behaviour):
    told = f"the file: Value error, the recipe is for {behaviour}, not for rerank."
    assert complaint(read_rerank_recipe, own(behaviour)).partition(": ")[2] == told


OTHERS: dict[str, Any] = {"no behaviour at all": "behaviour: tone", "a list of them": "behaviour: [rerank]"}


@pytest.mark.parametrize("written", OTHERS.values(), ids=OTHERS)
@pytest.mark.parametrize(("read", "behaviour"), [(read_recipe, Behaviour.REFUSAL), (read_rerank_recipe, RERANK)])
def test_what_is_no_behaviour_is_named_by_its_line(tmp_path: Path, read: Read, behaviour: Behaviour, written: str):
    path = tmp_path / "recipe.yaml"
    path.write_text(own(behaviour).read_text("utf-8").replace(f"behaviour: {behaviour}", written), "utf-8")
    assert complaint(read, path).startswith("2: behaviour: Input should be")


WRONG = {
    "a yes for a number": ("lora: {rank: 16", "lora: {rank: yes", "lora.rank"),
    "a weight that is no number": ("weight: 8.0", "weight: .inf", "beginning.weight"),
    "words for a number": ("learning_rate: 5.0e-4", 'learning_rate: "5.0e-4"', "learning_rate"),
}


@pytest.mark.parametrize(("old", "new", "key"), WRONG.values(), ids=WRONG)
def test_a_value_of_another_kind_is_refused_by_its_key(tmp_path: Path, old: str, new: str, key: str):
    path, text = tmp_path / "recipe.yaml", own(Behaviour.CITATION).read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")
    assert f": {key}: Input should be a" in complaint(read_recipe, path)


@pytest.mark.parametrize("written", ["5e-4", "+5E-4", "0.5e-3", "5.e-4", ".0005"])
def test_a_small_number_may_be_written_as_everybody_writes_it(tmp_path: Path, written: str):
    path, text = tmp_path / "recipe.yaml", own(Behaviour.CITATION).read_text("utf-8")
    path.write_text(text.replace("learning_rate: 5.0e-4", f"learning_rate: {written}"), "utf-8")
    assert read_recipe(path) == read_recipe(own(Behaviour.CITATION))


def test_a_matrix_that_the_base_does_not_have_is_named_with_those_that_it_has():
    with pytest.raises(RecipeInvalid, match=r"names q_prjo; the base model has k_proj, q_proj\."):
        chosen_modules(LoraRecipe(rank=2, alpha=4, modules=("q_prjo", "k_proj")), ["q_proj", "k_proj"])
    with pytest.raises(RecipeInvalid, match="names no matrix"):
        chosen_modules(LoraRecipe(rank=2, alpha=4, modules=()), ["q_proj"])
    assert chosen_modules(LoraRecipe(rank=2, alpha=4, modules=("k_proj",)), ["q_proj", "k_proj"]) == ["k_proj"]
