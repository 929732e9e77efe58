"""The adapters that the project brings, taken over on first use.

    <starter_root>/<behaviour>/       one registered adapter, as `AdapterStore` keeps it

They are ordinary adapters: verified, copied into the store, and served where nobody has chosen anything yet. Nothing
is ever loaded from the starters' folder, and what a user promoted or rolled back stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from serving.interface.behaviours import Behaviour
from serving.registry.adapter_folder import read_manifest, verify_folder
from serving.registry.adapters import AdapterStore
from serving.registry.channels import Channel, Channels
from serving.registry.errors import AdapterDamaged, AdapterMismatch, SwitchRefused
from serving.registry.files import storage_told
from serving.registry.manifest import AdapterManifest, BaseIdentity, require_fit, require_passed

__all__ = ["Adopted", "Refused", "adopt_starters", "read_starters"]

_SERVED = Channel.PRODUCTION


@dataclass(frozen=True)
class Adopted:
    """A starter that lies in the store."""

    behaviour: Behaviour
    version: str
    copied: bool
    """Whether this call copied it."""
    promoted: bool
    """Whether this call put it into production."""


@dataclass(frozen=True)
class Refused:
    """A starter that does not fit this machine's models or contract, or did not pass its gate.

    Also one that is damaged where somebody chose something else.
    """

    behaviour: Behaviour
    version: str
    """Empty where damage hides it."""
    reason: str
    remedy: str


def adopt_starters(
    starter_root: Path,
    store: AdapterStore,
    channels: Channels,
    *,
    bases: Mapping[Behaviour, BaseIdentity],
    contracts: Mapping[Behaviour, str],
    at: datetime,
) -> list[Adopted | Refused]:
    """Take over the starters of the behaviours in `bases`; where one is missing there is no entry.

    Costs one small file each when nothing is left to do. Raises `AdapterDamaged` for a starter that is not what its
    manifest says where it is to be served, or nobody has chosen anything; else what `AdapterStore.adopt` and
    `Channels.adopt` do.
    """
    there = [b for b in Behaviour if b in bases and (starter_root / b).is_dir()]
    return [_adopted(starter_root / b, b, store, channels, bases[b], contracts[b], at) for b in there]


def read_starters(
    starter_root: Path, behaviours: Iterable[Behaviour] = tuple(Behaviour), *, verify: bool = False
) -> list[AdapterManifest]:
    """The manifests of the starters that are there; with `verify` every file is read. Raises `AdapterDamaged`."""
    return [_starter(starter_root / b, b, verify=verify) for b in behaviours if (starter_root / b).is_dir()]


def _adopted(
    folder: Path,
    behaviour: Behaviour,
    store: AdapterStore,
    channels: Channels,
    base: BaseIdentity,
    contract: str,
    at: datetime,
) -> Adopted | Refused:
    version = ""
    try:
        manifest = _starter(folder, behaviour)
        version = manifest.version
        require_fit(manifest, base=base, contract=contract)
        require_passed(manifest)
        copied = _copied(folder, store, manifest)
    except (AdapterDamaged, AdapterMismatch, SwitchRefused) as refusal:
        served = channels.value(_SERVED, behaviour)
        if isinstance(refusal, AdapterDamaged) and (served == version or channels.is_free(_SERVED, behaviour, version)):
            raise
        return Refused(behaviour, version, str(refusal), refusal.remedy)
    free = channels.is_free(_SERVED, behaviour, version)
    return Adopted(behaviour, version, copied, promoted=free and _serve(store, channels, manifest, at))


def _copied(folder: Path, store: AdapterStore, manifest: AdapterManifest) -> bool:
    """Whether it was not in the store before, in which it is now."""
    missing = not store.holds(manifest.behaviour, manifest.version)
    if missing:
        with _told_as_starter(folder):
            store.adopt(folder, f"{manifest.name} (a starter)")
    return missing


def _starter(folder: Path, behaviour: Behaviour, *, verify: bool = False) -> AdapterManifest:
    look = verify_folder if verify else read_manifest
    with storage_told(folder, "read a starter"), _told_as_starter(folder):
        manifest = look(folder, f"{behaviour} (a starter)")
        if manifest.behaviour is not behaviour:
            raise AdapterDamaged(f"{folder} holds an adapter of another behaviour, {manifest.name}.", remedy="")
        return manifest


@contextmanager
def _told_as_starter(folder: Path) -> Iterator[None]:
    """What is mended in the project's own folder has another remedy than what is mended in the store."""
    try:
        yield
    except AdapterDamaged as cause:
        remedy = f"Restore the folder {folder} as the project brings it: check it out, or install the project, again."
        raise AdapterDamaged(str(cause), remedy=remedy) from cause


def _serve(store: AdapterStore, channels: Channels, manifest: AdapterManifest, at: datetime) -> bool:
    store.verify(manifest.behaviour, manifest.version)
    return channels.adopt(_SERVED, manifest.behaviour, manifest.version, at=at)
