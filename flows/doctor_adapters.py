"""The doctor's look at adapters: are they sound, does what is served fit the models in use, and what of the starters?

Nothing is taken over, promoted or rolled back here.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from flows.checks import Check, checked
from flows.production import Registry, open_registry, serving_check, waiting_starters
from serving.interface.behaviours import Behaviour

if TYPE_CHECKING:
    from flows.settings import Settings

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
    wrong = [adapter for adapter in listed if adapter.problem]
    if wrong:
        mend = wrong[0].problem.remedy if wrong[0].problem else ""
        return Check("adapters", False, "; ".join(str(adapter.problem) for adapter in wrong), mend)
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
    """Which starters wait; the first answer takes over those that fit."""
    waiting = ", ".join(starter.name for starter in waiting_starters(settings, registry))
    if waiting:
        return Check("starters", True, f"{waiting} to be taken over by the first answer, where they fit")
    return Check("starters", True, f"none waits in {settings.starter_root}")
