"""`adapters list, show, promote, rollback, verify`: what is registered, and what production serves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from flows.exit_codes import DONE, NOT_SO
from flows.production import open_registry, serving_check
from flows.starters import Starters, look_at_starters, manifest_of
from flows.tables import columns, scores
from serving.interface.behaviours import Behaviour

if TYPE_CHECKING:
    from flows.settings import Settings
    from serving.registry.adapters import ListedAdapter
    from serving.registry.channels import Switch
    from serving.registry.errors import RegistryError
    from serving.registry.manifest import AdapterManifest

__all__ = ["Listing", "Shown", "Switched", "list_adapters", "promote_adapter", "rollback_adapter", "show_adapter"]

Say = Callable[[str], None]
PRODUCTION = "production"


@dataclass(frozen=True)
class Listing:
    """Every version, and what production serves of each behaviour."""

    adapters: tuple[ListedAdapter, ...]
    production: dict[Behaviour, str]
    starters: Starters
    verified: bool
    """Whether every file was read, and not the manifests alone."""

    @property
    def code(self) -> int:
        """A damaged or missing adapter, or a damaged starter, is not so."""
        return NOT_SO if self._problems() else DONE

    def as_json(self) -> dict[str, Any]:
        """Whether all is well, `production` by behaviour, the versions, oldest first, and the starters."""
        production = {str(behaviour): value for behaviour, value in self.production.items()}
        listed = [_listed(adapter) for adapter in self.adapters]
        damaged = [_problem(problem) for problem in self.starters.problems]
        head = {"healthy": self.code == DONE, "production": production, "adapters": listed}
        return head | {"waiting_starters": list(self.starters.waiting), "damaged_starters": damaged}

    def as_text(self) -> str:
        """What is served, then a line a version, below them what is wrong, and the starters that wait."""
        served = [["behaviour", "in production"], *([str(b), value] for b, value in self.production.items())]
        rows = [["version", "behaviour", "created", "gate", "in use"], *(_line(adapter) for adapter in self.adapters)]
        listed = columns(rows) if self.adapters else ["No adapter is registered."]
        told = [f"WRONG: {problem}\n  {problem.remedy}" for problem in self._problems()]
        if self.verified and not told:
            told = ["Every file of every adapter and starter is what its manifest says."]
        waiting = [f"{name} is a starter; {prospect}." for name, prospect in self.starters.waiting.items()]
        return "\n".join([*columns(served), "", *listed, *told, *waiting])

    def _problems(self) -> list[RegistryError]:
        return [*(adapter.problem for adapter in self.adapters if adapter.problem), *self.starters.problems]


@dataclass(frozen=True)
class Shown:
    """One behaviour: what is asked about, and how it came into service."""

    behaviour: Behaviour
    value: str
    manifest: AdapterManifest | None
    """None for an un-tuned mode."""
    history: tuple[Switch, ...]

    def as_json(self) -> dict[str, Any]:
        """The manifest as it is registered, and the switches of production, oldest first."""
        manifest = self.manifest.model_dump(mode="json") if self.manifest else None
        history = [switch.model_dump(mode="json") for switch in self.history]
        return {"behaviour": str(self.behaviour), "value": self.value, "manifest": manifest, "history": history}

    def as_text(self) -> str:
        """Where it comes from, its scores beside those it was compared with, the gate's reasons, the history."""
        history = [f"{s.at:%Y-%m-%d %H:%M} {s.action}: {s.value}" for s in self.history] or ["never switched"]
        body = _manifest(self.manifest) if self.manifest else [f"{self.behaviour} runs un-tuned: {self.value}."]
        return "\n".join([*body, "", "Production:", *(f"  {line}" for line in history)])


@dataclass(frozen=True)
class Switched:
    """A switch of production."""

    behaviour: Behaviour
    before: str
    switch: Switch

    def as_json(self) -> dict[str, Any]:
        """What was served before, and what is from now on."""
        head = {"behaviour": str(self.behaviour), "channel": PRODUCTION, "before": self.before}
        return head | self.switch.model_dump(mode="json")

    def as_text(self) -> str:
        """One sentence."""
        if self.before == self.switch.value:
            return f"Production serves {self.switch.value} for {self.behaviour} already."
        return f"Production serves {self.switch.value} for {self.behaviour} from now on; before, {self.before}."


def list_adapters(settings: Settings, *, verify: bool = False, behaviour: Behaviour | None = None) -> Listing:
    """Every version and every starter; with `verify` each file of each is read. What is wrong with one is told.

    Raises ChannelsDamaged, and SettingsInvalid for a `starter` that is no folder.
    """
    registry = open_registry(settings)
    listed = registry.store.list(registry.channels, verify=verify)
    asked = [one for one in Behaviour if behaviour in (None, one)]
    return Listing(
        tuple(adapter for adapter in listed if adapter.behaviour in asked),
        {one: registry.value(one) for one in asked},
        look_at_starters(settings, registry, asked, verify=verify),
        verify,
    )


def show_adapter(settings: Settings, behaviour: Behaviour, value: str) -> Shown:
    """A version or `production`. Raises AdapterMissing, AdapterDamaged."""
    from serving.registry.channels import Channel, untuned_modes

    registry = open_registry(settings)
    value = registry.value(behaviour) if value == PRODUCTION else value
    manifest = None if value in untuned_modes(behaviour) else manifest_of(settings, registry, behaviour, value)
    return Shown(behaviour, value, manifest, registry.channels.history(Channel.PRODUCTION, behaviour))


def promote_adapter(
    settings: Settings,
    behaviour: Behaviour,
    value: str,
    say: Say,
    *,
    at: datetime,
    since: Sequence[Switch] | None = None,
) -> Switched:
    """Serve a version, or an un-tuned mode; `since` as in `Channels.promote`.

    Raises SwitchRefused for one that the gate did not pass or judged against another, and as `open`.
    """
    from serving.registry.channels import Channel

    registry = open_registry(settings)
    before = registry.value(behaviour)
    check = serving_check(settings, registry, say)
    switch = registry.channels.promote(Channel.PRODUCTION, behaviour, value, at=at, check=check, since=since)
    return Switched(behaviour, before, switch)


def rollback_adapter(settings: Settings, behaviour: Behaviour, say: Say, *, at: datetime) -> Switched:
    """Serve what was served before. Raises SwitchRefused if there is nothing, and as `promote_adapter`."""
    from serving.registry.channels import Channel

    registry = open_registry(settings)
    before = registry.value(behaviour)
    check = serving_check(settings, registry, say)
    return Switched(behaviour, before, registry.channels.rollback(Channel.PRODUCTION, behaviour, at=at, check=check))


def _listed(adapter: ListedAdapter) -> dict[str, Any]:
    manifest, problem = adapter.manifest, adapter.problem
    return {
        "behaviour": str(adapter.behaviour),
        "version": adapter.version,
        "channels": [str(channel) for channel in adapter.channels],
        "created": manifest.created.isoformat() if manifest else None,
        "base_model": manifest.base_model.reference if manifest else None,
        "passed": manifest.verdict.passed if manifest else None,
        "problem": _problem(problem) if problem else None,
    }


def _problem(problem: RegistryError) -> dict[str, str]:
    return {"kind": problem.kind, "message": str(problem), "remedy": problem.remedy}


def _line(adapter: ListedAdapter) -> list[str]:
    manifest, used = adapter.manifest, ", ".join(adapter.channels) or "-"
    if manifest is None:
        return [adapter.version, str(adapter.behaviour), "unreadable", "unreadable", used]
    gate = "passed" if manifest.verdict.passed else "failed"
    return [adapter.version, str(adapter.behaviour), f"{manifest.created:%Y-%m-%d %H:%M}", gate, used]


def _manifest(manifest: AdapterManifest) -> list[str]:
    calibration = ", ".join(f"{name} {value:g}" for name, value in sorted(manifest.calibration.items()))
    return [
        f"{manifest.name}, made {manifest.created:%Y-%m-%d %H:%M} for {manifest.base_model}",
        f"Contract {manifest.contract[:12]}, snapshot {manifest.snapshot_id[:12]}, recipe "
        f"{manifest.recipe_digest[:12]}, gate {manifest.gate_digest[:12]}, seed {manifest.seed}",
        f"Calibration: {calibration or 'none'}",
        "",
        *scores({"adapter": manifest.scores, **manifest.baselines}),
        "",
        *_verdict(manifest),
    ]


def _verdict(manifest: AdapterManifest) -> list[str]:
    """What the gate said, and the reasons below it where it gave any."""
    verdict = manifest.verdict
    said = f"The gate {'passed' if verdict.passed else 'did not pass'} it{':' if verdict.reasons else '.'}"
    return [said, *(f"  {reason}" for reason in verdict.reasons)]
