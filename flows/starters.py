"""The starters in their folder: which of them wait, what the first answer does with them, and which are damaged.

    starters = look_at_starters(settings, registry, Behaviour, verify=True)
    starters.waiting, starters.problems

Nothing is taken over here; that is `flows.production.adopt`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flows.errors import SettingsInvalid

if TYPE_CHECKING:
    from pathlib import Path

    from flows.production import Registry
    from flows.settings import Settings
    from serving.interface.behaviours import Behaviour
    from serving.registry.errors import RegistryError
    from serving.registry.manifest import AdapterManifest

__all__ = ["Starters", "look_at_starters", "manifest_of", "starter_folder"]


@dataclass(frozen=True)
class Starters:
    """What lies in the folder of the starters."""

    waiting: Mapping[str, str]
    """Name of each that is not registered yet -> what the first answer does with it."""
    problems: tuple[RegistryError, ...]
    """One for each that is not what its manifest says."""


def starter_folder(settings: Settings) -> Path:
    """Where they lie. The project's own need not be there, a folder that was set must be. Raises SettingsInvalid."""
    if settings.starter is not None and not settings.starter.is_dir():
        raise SettingsInvalid(
            f"`starter` = {settings.starter} is no folder.",
            remedy="Name the folder of your starters, or an empty one to begin without any; or unset it for those of"
            " the project. `groundskeeper doctor` lists the settings in force.",
        )
    return settings.starter_root


def look_at_starters(
    settings: Settings, registry: Registry, behaviours: Iterable[Behaviour], *, verify: bool = False
) -> Starters:
    """The starters of these behaviours; with `verify` every file of them is read, else the manifests alone.

    Raises SettingsInvalid.
    """
    from serving.registry.errors import RegistryError
    from serving.registry.starter import read_starters

    folder, waiting, problems = starter_folder(settings), dict[str, str](), list[RegistryError]()
    for behaviour in behaviours:
        try:
            found = read_starters(folder, [behaviour], verify=verify)
        except RegistryError as problem:
            problems.append(problem)
            continue
        waiting |= {one.name: _prospect(registry, one) for one in found if not _is_registered(registry, one)}
    return Starters(waiting, tuple(problems))


def manifest_of(settings: Settings, registry: Registry, behaviour: Behaviour, version: str) -> AdapterManifest:
    """The manifest of a registered version.

    Raises AdapterDamaged, and AdapterMissing, which says so of a starter that waits; else as `look_at_starters`.
    """
    from serving.registry.errors import AdapterMissing

    name = f"{behaviour}@{version}"
    if not registry.store.holds(behaviour, version):
        waiting = look_at_starters(settings, registry, [behaviour]).waiting
        if name in waiting:
            raise AdapterMissing(
                f"{name} is a starter, and not registered yet: {waiting[name]}.",
                remedy="Ask a question (`groundskeeper ask`), then name it again.",
            )
    return registry.store.show(behaviour, version)


def _is_registered(registry: Registry, starter: AdapterManifest) -> bool:
    return registry.store.holds(starter.behaviour, starter.version)


def _prospect(registry: Registry, starter: AdapterManifest) -> str:
    """What the first answer does with a starter that waits."""
    from serving.registry.channels import Channel

    served = registry.value(starter.behaviour)
    free = registry.channels.is_free(Channel.PRODUCTION, starter.behaviour, starter.version)
    if free or served == starter.version:
        return "the first answer takes it over if it fits"
    return f"the first answer registers it if it fits, and production goes on with {served}, which was chosen"
