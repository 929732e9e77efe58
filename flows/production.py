"""What production serves: starters taken over on first use, adapters verified and loaded, all else un-tuned.

    adapters = adapters_of(settings, engine, model, say)
    adopt(settings, adapters, say, at=now)
    running = adapters.production()         behaviour -> Running

An adapter that was made for another base model or another contract, or that is damaged, is an error with its remedy:
nothing falls back. Only a *starter* that does not fit is left where it is, and said so, since nobody chose it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from flows.rerankers import Rerankers
from flows.starters import look_at_starters, manifest_of, starter_folder
from serving.interface.behaviours import GENERATIVE, Behaviour, UntunedMode

if TYPE_CHECKING:
    from pathlib import Path

    from flows.settings import Settings
    from serving.assistant.engine import Engine
    from serving.assistant.running import Running
    from serving.interface.template import ChatTemplate
    from serving.registry.adapters import AdapterStore
    from serving.registry.channels import Channels, Check
    from serving.registry.manifest import BaseIdentity, RegisteredAdapter
    from serving.registry.models import ModelFolder

__all__ = [
    "Adapters",
    "Fit",
    "Registry",
    "adapters_of",
    "adopt",
    "fit_to",
    "open_registry",
    "require_sound",
    "reranker_base",
    "reranks",
    "serving_check",
    "untuned",
]

Say = Callable[[str], None]


@dataclass(frozen=True)
class Registry:
    """The adapters on this machine, and which of them are served."""

    store: AdapterStore
    channels: Channels

    def value(self, behaviour: Behaviour) -> str:
        """What production serves: a version, or the un-tuned mode where nobody has chosen."""
        from serving.registry.channels import Channel

        return self.channels.value(Channel.PRODUCTION, behaviour) or untuned(behaviour)


@dataclass(frozen=True)
class Fit:
    """What an adapter must have been made for, so that it may run here."""

    bases: Mapping[Behaviour, BaseIdentity]
    """`rerank` is absent where no reranker is at hand."""
    contracts: Mapping[Behaviour, str]

    def open(self, store: AdapterStore, behaviour: Behaviour, version: str) -> RegisteredAdapter:
        """A version, verified and made for what runs here. Raises what `AdapterStore.open` raises."""
        from serving.registry.errors import AdapterMismatch

        if behaviour not in self.bases:
            raise AdapterMismatch(
                f"{behaviour}@{version} came into service while the models were opened.",
                remedy="Start again; its base model is opened then.",
            )
        return store.open(behaviour, version, base=self.bases[behaviour], contract=self.contracts[behaviour])


@dataclass(frozen=True)
class Adapters:
    """The registry with the engine that its adapters run in."""

    registry: Registry
    fit: Fit
    engine: Engine
    rerankers: Rerankers

    def load(self, behaviour: Behaviour, value: str) -> Running:
        """Make a version callable, or name the un-tuned mode. Raises what `AdapterStore.open` and engines raise."""
        from serving.assistant.running import Running
        from serving.registry.channels import untuned_modes

        if value in untuned_modes(behaviour):
            return Running(value)
        opened = self.fit.open(self.registry.store, behaviour, value)
        return self._loaded(behaviour, opened.folder, Running(value, opened.manifest.calibration))

    def try_out(self, behaviour: Behaviour, folder: Path, calibration: Mapping[str, float] | None = None) -> Running:
        """Make an adapter callable that is not registered yet, under a name that its weights decide."""
        from serving.assistant.running import Running
        from serving.registry.digests import file_digest
        from serving.registry.manifest import WEIGHTS

        name = f"candidate-{file_digest(folder / WEIGHTS)[:12]}"
        return self._loaded(behaviour, folder, Running(name, calibration or {}))

    def production(self) -> dict[Behaviour, Running]:
        """Everything that production serves, loaded."""
        return {behaviour: self.load(behaviour, self.registry.value(behaviour)) for behaviour in Behaviour}

    def _loaded(self, behaviour: Behaviour, folder: Path, running: Running) -> Running:
        if behaviour is Behaviour.RERANK:
            self.rerankers.load(running, folder)
        else:
            self.engine.load_adapter(f"{behaviour}@{running.mode}", folder)
        return running


def untuned(behaviour: Behaviour) -> str:
    """How a behaviour runs as long as nobody has chosen."""
    from serving.registry.channels import HYBRID_ORDER

    return HYBRID_ORDER if behaviour is Behaviour.RERANK else UntunedMode.FEW_SHOT.value


def open_registry(settings: Settings) -> Registry:
    """The registry of the home folder; nothing is read yet."""
    from serving.registry.adapters import AdapterStore
    from serving.registry.channels import Channels

    return Registry(AdapterStore(settings.adapters_root), Channels(settings.channels_path))


def adapters_of(
    settings: Settings, engine: Engine, model: ModelFolder, say: Say, *, tries_rerankers: bool = False
) -> Adapters:
    """The registry beside an engine that runs `model`; the reranker's base is prepared where one is used.

    `tries_rerankers`: one will be used that is neither served nor a starter.
    """
    registry = open_registry(settings)
    encoder = reranker_base(settings, say) if tries_rerankers or reranks(settings, registry) else None
    rerankers = Rerankers(encoder.path if encoder else None, settings.threads)
    return Adapters(registry, fit_to(engine.template, model, encoder), engine, rerankers)


def fit_to(template: ChatTemplate, model: ModelFolder, encoder: ModelFolder | None) -> Fit:
    """What adapters must have been made for, given the chat template, the base model and the reranker's base."""
    from serving.interface.fingerprint import fingerprint
    from serving.registry.manifest import BaseIdentity

    bases = dict.fromkeys(GENERATIVE, BaseIdentity.of(model))
    if encoder is not None:
        bases[Behaviour.RERANK] = BaseIdentity.of(encoder)
    return Fit(bases, {behaviour: fingerprint(behaviour, template) for behaviour in Behaviour})


def reranker_base(settings: Settings, say: Say) -> ModelFolder:
    """The encoder that reranking adapters are made over. Raises what preparing it raises."""
    from serving.registry.models import prepare_model

    return prepare_model(settings.reranker_base, settings.models, progress=say)


def serving_check(settings: Settings, registry: Registry, say: Say) -> Check:
    """What speaks against serving a version; no model is prepared before one is looked at."""
    from serving.registry.adapters import promotion_check
    from serving.registry.models import prepare_model
    from serving.registry.tokenizer import open_template

    def check(behaviour: Behaviour, version: str) -> None:
        manifest_of(settings, registry, behaviour, version)  # a mistyped version needs no model to be told
        model = prepare_model(settings.base_model, settings.models, progress=say)
        encoder = reranker_base(settings, say) if behaviour is Behaviour.RERANK else None
        fit = fit_to(open_template(model.path), model, encoder)
        promotion_check(registry.store, bases=fit.bases, contracts=fit.contracts)(behaviour, version)

    return check


def adopt(settings: Settings, adapters: Adapters, say: Say, *, at: datetime) -> None:
    """Take the starters over, once; says which are new, and why one is not taken where nobody chose another.

    Raises SettingsInvalid, and what `adopt_starters` does.
    """
    from serving.registry.channels import Channel
    from serving.registry.starter import Refused, adopt_starters

    registry, fit = adapters.registry, adapters.fit
    root, store, channels = starter_folder(settings), registry.store, registry.channels
    starters = adopt_starters(root, store, channels, bases=fit.bases, contracts=fit.contracts, at=at)
    for starter in starters:
        free = channels.value(Channel.PRODUCTION, starter.behaviour) is None
        if isinstance(starter, Refused) and free:
            say(
                f"{starter.behaviour} runs {untuned(starter.behaviour)}; its starter is not used. {starter.reason}"
                f" {starter.remedy}"
            )
        elif not isinstance(starter, Refused) and starter.promoted:
            say(f"Took the starter {starter.behaviour}@{starter.version} into service.")


def require_sound(settings: Settings, behaviour: Behaviour) -> None:
    """What production serves of a behaviour is whole, or will be: asked before what takes hours.

    Raises what `AdapterStore.verify` does, AdapterDamaged for a starter of any behaviour that would come into service,
    and SettingsInvalid.
    """
    from serving.registry.channels import untuned_modes

    registry = open_registry(settings)
    coming = [one for one in Behaviour if _may_come(settings, registry, one)]
    for problem in look_at_starters(settings, registry, coming, verify=True).problems:
        raise problem
    value = registry.value(behaviour)
    if behaviour not in coming and value not in untuned_modes(behaviour):
        registry.store.verify(behaviour, value)


def _may_come(settings: Settings, registry: Registry, behaviour: Behaviour) -> bool:
    """Whether a starter that is not in the store would come into service, or damage hides that it would not."""
    from serving.registry.channels import Channel

    starters = look_at_starters(settings, registry, [behaviour])
    unchosen = registry.channels.is_free(Channel.PRODUCTION, behaviour, "")
    returning = f"{behaviour}@{registry.value(behaviour)}" in starters.waiting
    return returning or (unchosen and bool(starters.problems or starters.waiting))


def reranks(settings: Settings, registry: Registry) -> bool:
    """Whether a reranking adapter is served, or a starter may come to be."""
    starter: Path = settings.starter_root / Behaviour.RERANK
    return starter.is_dir() or registry.value(Behaviour.RERANK) != untuned(Behaviour.RERANK)
