"""Starters become ordinary adapters, once, and never take the place of what somebody chose."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from serving.interface.behaviours import Behaviour
from serving.registry.adapters import AdapterStore
from serving.registry.channels import Channel, Channels
from serving.registry.errors import AdapterDamaged
from serving.registry.starter import Adopted, Refused, adopt_starters
from tests.serving.registry.made_adapters import (
    BASE,
    BASES,
    CONTRACT,
    CONTRACTS,
    FAILED,
    NOON,
    OTHER_WEIGHTS,
    draft,
    write_source,
)

PRODUCTION, REFUSAL, RERANK = Channel.PRODUCTION, Behaviour.REFUSAL, Behaviour.RERANK


@dataclass(frozen=True)
class House:
    root: Path

    @property
    def starters(self) -> Path:
        return self.root / "starter"

    @property
    def store(self) -> AdapterStore:
        return AdapterStore(self.root / "var" / "adapters")

    @property
    def channels(self) -> Channels:
        return Channels(self.root / "var" / "channels.json")

    def bring(self, behaviour: Behaviour, *, weight: int = 1, **changes: Any) -> str:
        """Put a starter into the project as a maintainer does: registered elsewhere, then copied."""
        made = AdapterStore(self.root / "maintainer")
        manifest = made.register(
            write_source(self.root / f"run-{behaviour}-{weight}", weight=weight, statements=("recipe.yaml",)),
            draft(behaviour, **changes),
        )
        shutil.rmtree(self.starters / behaviour, ignore_errors=True)
        shutil.copytree(self.root / "maintainer" / behaviour / manifest.version, self.starters / behaviour)
        return manifest.version

    def adopt(self, bases: Any = BASES, contracts: Any = CONTRACTS) -> list[Adopted | Refused]:
        return adopt_starters(self.starters, self.store, self.channels, bases=bases, contracts=contracts, at=NOON)

    def value(self, behaviour: Behaviour = REFUSAL) -> str | None:
        return self.channels.value(PRODUCTION, behaviour)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def test_the_first_use_copies_and_serves_and_the_second_does_nothing(house: House):
    first, second = house.bring(REFUSAL), house.bring(RERANK)
    assert house.adopt() == [Adopted(REFUSAL, first, True, True), Adopted(RERANK, second, True, True)]
    assert (house.value(), house.value(RERANK)) == (first, second)
    assert house.adopt() == [Adopted(REFUSAL, first, False, False), Adopted(RERANK, second, False, False)]
    assert len(house.channels.history(PRODUCTION, REFUSAL)) == 1


def test_without_starters_nothing_happens(house: House):
    assert house.adopt() == []
    assert not (house.root / "var").exists()


def test_nothing_loads_from_the_folder_of_the_starters(house: House):
    version = house.bring(REFUSAL)
    house.adopt()
    shutil.rmtree(house.starters)
    opened = house.store.open(REFUSAL, version, base=BASE, contract=CONTRACT)
    assert opened.folder == house.root / "var" / "adapters" / "refusal" / version
    assert (opened.folder / "recipe.yaml").is_file()


@pytest.mark.parametrize("choice", ["few_shot", "prompt"])
def test_what_somebody_chose_stays(house: House, choice: str):
    house.channels.promote(PRODUCTION, REFUSAL, choice, at=NOON, check=lambda *_: None)
    version = house.bring(REFUSAL)
    assert house.adopt() == [Adopted(REFUSAL, version, True, False)]
    assert house.value() == choice


def test_a_newer_starter_takes_the_place_of_an_older_one_that_nobody_chose(house: House):
    first = house.bring(REFUSAL)
    house.adopt()
    newer = house.bring(REFUSAL, weight=2)
    assert house.adopt() == [Adopted(REFUSAL, newer, True, True)]
    assert house.adopt() == [Adopted(REFUSAL, newer, False, False)]
    assert house.value() == newer != first


def test_what_was_rolled_back_to_stays(house: House):
    first = house.bring(REFUSAL)
    house.adopt()
    house.channels.promote(PRODUCTION, REFUSAL, "prompt", at=NOON, check=lambda *_: None)
    house.channels.rollback(PRODUCTION, REFUSAL, at=NOON, check=lambda *_: None)
    newer = house.bring(REFUSAL, weight=2)
    assert house.adopt() == [Adopted(REFUSAL, newer, True, False)]
    assert house.value() == first != newer


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"base_model": OTHER_WEIGHTS}, "made for the base model package:other"),
        ({"contract": "e" * 64}, "made for the contract eeeeeeeeeeee"),
        ({"verdict": FAILED}, "gate did not pass"),
    ],
    ids=["base", "contract", "gate"],
)
def test_a_starter_that_does_not_fit_is_told_and_left_where_it_is(house: House, changes: dict[str, Any], said: str):
    version, other = house.bring(REFUSAL, **changes), house.bring(RERANK)
    refused, adopted = house.adopt()
    assert isinstance(refused, Refused)
    assert (refused.behaviour, refused.version) == (REFUSAL, version)
    assert said in refused.reason
    assert refused.remedy
    assert adopted == Adopted(RERANK, other, True, True)
    assert house.value() is None
    assert not house.store.holds(REFUSAL, version)


def test_a_starter_of_a_behaviour_that_is_not_asked_for_waits(house: House):
    house.bring(REFUSAL)
    version = house.bring(RERANK)
    assert house.adopt(bases={RERANK: BASE}) == [Adopted(RERANK, version, True, True)]


each_file = pytest.mark.parametrize(
    "name", ["adapter_model.safetensors", "adapter_config.json", "recipe.yaml", "manifest.json", "manifest.json.sha256"]
)


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


@each_file
def test_a_damaged_starter_is_an_error_with_a_remedy_of_its_own(house: House, name: str):
    version = house.bring(REFUSAL)
    damage(house.starters / "refusal" / name)
    with pytest.raises(AdapterDamaged, match=rf"refusal.*\(a starter\) is damaged: .*{name}") as caught:
        house.adopt()
    assert "as the project brings it" in caught.value.remedy
    assert not house.store.holds(REFUSAL, version)
    assert house.value() is None


@each_file
def test_a_damaged_starter_stops_nobody_who_serves_something_else(house: House, name: str):
    version = house.bring(REFUSAL)
    house.channels.promote(PRODUCTION, REFUSAL, "few_shot", at=NOON, check=lambda behaviour, value: None)
    damage(house.starters / "refusal" / name)
    (refused,) = house.adopt()
    assert isinstance(refused, Refused)
    assert re.search(rf"is damaged: .*{name}", refused.reason)
    assert not house.store.holds(REFUSAL, version)
    assert house.value() == "few_shot"


@each_file
def test_a_damaged_starter_that_is_served_and_lost_its_copy_is_an_error(house: House, name: str):
    house.bring(REFUSAL)
    house.adopt()
    shutil.rmtree(house.root / "var" / "adapters")
    damage(house.starters / "refusal" / name)
    with pytest.raises(AdapterDamaged, match=name):
        house.adopt()


@each_file
def test_a_newer_starter_that_is_damaged_is_not_left_out_without_a_word(house: House, name: str):
    first = house.bring(REFUSAL)
    house.adopt()
    house.bring(REFUSAL, weight=2)
    damage(house.starters / "refusal" / name)
    with pytest.raises(AdapterDamaged, match=name):
        house.adopt()
    assert house.value() == first


def test_a_starter_in_the_place_of_another_is_an_error(house: House):
    house.bring(REFUSAL)
    (house.starters / "refusal").rename(house.starters / "rerank")
    with pytest.raises(AdapterDamaged, match="holds an adapter of another behaviour"):
        house.adopt()


def test_a_copy_that_was_deleted_comes_back(house: House):
    version = house.bring(REFUSAL)
    house.adopt()
    shutil.rmtree(house.root / "var" / "adapters")
    assert house.adopt() == [Adopted(REFUSAL, version, True, False)]
    assert house.store.verify(REFUSAL, version)


def test_a_kill_between_copying_and_serving_is_made_good(house: House):
    version = house.bring(REFUSAL)
    house.store.adopt(house.starters / "refusal", "it")
    assert house.adopt() == [Adopted(REFUSAL, version, False, True)]
    assert house.value() == version


def test_a_damaged_copy_is_not_put_into_production(house: House):
    version = house.bring(REFUSAL)
    house.store.adopt(house.starters / "refusal", "it")
    (house.root / "var" / "adapters" / "refusal" / version / "recipe.yaml").unlink()
    with pytest.raises(AdapterDamaged, match=r"recipe\.yaml is gone"):
        house.adopt()
    assert house.value() is None
