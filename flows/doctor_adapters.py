"""The doctor's look at adapters: are they sound, does what is served fit the models in use, and what of the starters?

Nothing is taken over, promoted or rolled back here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from flows.checks import Check, checked
from flows.production import Registry, open_registry, serving_check
from flows.starters import look_at_starters
from serving.interface.behaviours import Behaviour

if TYPE_CHECKING:
    from flows.settings import Settings
    from serving.registry.errors import RegistryError

__all__ = ["examine_adapters"]


def examine_adapters(settings: Settings, *, models: bool) -> Iterator[Check]:
    """One check of all registered adapters, one a behaviour of what is served, one of the starters.

    `models`: whether base model and reranker's base can be used without fetching or converting anything.
    """
    registry = open_registry(settings)
    yield checked("adapters", partial(_registered, registry))
    for behaviour in Behaviour:
        yield checked(f"production of {behaviour}", partial(_served, settings, registry, behaviour, models))
    yield checked("starters", partial(_starters, settings, registry))


def _registered(registry: Registry) -> Check:
    listed = registry.store.list(registry.channels, verify=True)
    if wrong := [adapter.problem for adapter in listed if adapter.problem]:
        return _wrong("adapters", wrong)
    return Check("adapters", True, f"{len(listed)} registered, every file as its manifest says" if listed else "none")


def _served(settings: Settings, registry: Registry, behaviour: Behaviour, models: bool) -> Check:
    from serving.registry.channels import untuned_modes

    name, value = f"production of {behaviour}", registry.value(behaviour)
    if value in untuned_modes(behaviour):
        return Check(name, True, f"{value}, un-tuned")
    if not models:
        return Check(name, True, f"{value}; not compared with the models, which are not prepared yet")
    serving_check(settings, registry, lambda text: None)(behaviour, value)
    return Check(name, True, f"{value}, made for the models in use")


def _starters(settings: Settings, registry: Registry) -> Check:
    """Whether they are whole, and which of them wait."""
    starters = look_at_starters(settings, registry, Behaviour, verify=True)
    if starters.problems:
        return _wrong("starters", starters.problems)
    waiting = "; ".join(f"{name}: {prospect}" for name, prospect in starters.waiting.items())
    return Check("starters", True, waiting or f"none waits in {settings.starter_root}")


def _wrong(name: str, problems: Sequence[RegistryError]) -> Check:
    """Everything that is wrong, and how to mend the first."""
    return Check(name, False, "; ".join(map(str, problems)), problems[0].remedy)
