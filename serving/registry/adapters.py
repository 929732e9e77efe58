"""The adapters on this machine: registered whole or not at all, and verified on every load.

    <root>/<behaviour>/<version>/     one adapter, see `adapter_folder`
    <root>/.staging                   the one that is being registered; rubbish to everyone else
    <root>/.lock                      held while registering

An adapter is copied into `.staging`, synced, sealed by its manifest, and renamed to its place. A kill before the
rename leaves rubbish that the next registration sweeps; after it, a whole adapter. Folders are never changed
afterwards: other contents have another version.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from serving.interface.behaviours import Behaviour
from serving.registry.adapter_folder import (
    adapter_files,
    copy_adapter,
    read_manifest,
    require_adapter,
    seal,
    verify_folder,
)
from serving.registry.channels import Channel, Channels
from serving.registry.errors import AdapterDamaged, AdapterMissing, RegistryError
from serving.registry.files import locked, make_folder, storage_told, sync_folder
from serving.registry.manifest import (
    AdapterDraft,
    AdapterManifest,
    BaseIdentity,
    RegisteredAdapter,
    is_version,
    require_fit,
    require_passed,
)

__all__ = ["AdapterStore", "ListedAdapter", "promotion_check"]


@dataclass(frozen=True)
class ListedAdapter:
    """One version, as a list shows it."""

    behaviour: Behaviour
    version: str
    manifest: AdapterManifest | None
    """None where there is a problem."""
    problem: RegistryError | None
    """What is wrong with it, as far as was looked."""
    channels: tuple[Channel, ...]
    """Where it is in use."""


class AdapterStore:
    """All registered adapters below one folder, which appears with the first of them."""

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()

    def register(self, source: Path, draft: AdapterDraft) -> AdapterManifest:
        """Copy the adapter in `source` under its version; what is registered already stays as it is.

        Raises `AdapterUnusable`, `ModelStorageFull`, or `RegistryError` for a root that cannot be written to.
        """
        names = require_adapter(source, draft.base_model.reference)
        with self._staging() as staging:
            copy_adapter(source, staging, names)
            return self._place(staging, seal(staging, draft, names))

    def adopt(self, source: Path, adapter: str) -> AdapterManifest:
        """Copy a folder that was registered elsewhere, manifest and all; `adapter` names it in messages.

        Raises `AdapterDamaged` if it is not what its manifest says; else as `register`.
        """
        names = adapter_files(verify_folder(source, adapter))
        with self._staging() as staging:
            copy_adapter(source, staging, names)
            sync_folder(staging)
            return self._place(staging, verify_folder(staging, adapter))

    def open(self, behaviour: Behaviour, version: str, *, base: BaseIdentity, contract: str) -> RegisteredAdapter:
        """An adapter to load now: every file verified, made for this base model and this contract.

        Raises `AdapterMissing`, `AdapterDamaged` or `AdapterMismatch`.
        """
        manifest = self.verify(behaviour, version)
        require_fit(manifest, base=base, contract=contract)
        return RegisteredAdapter(self._folder(behaviour, version), manifest)

    def show(self, behaviour: Behaviour, version: str) -> AdapterManifest:
        """The manifest of an adapter, its files unread; raises `AdapterMissing` or `AdapterDamaged`."""
        return self._looked_at(behaviour, version, read_manifest)

    def verify(self, behaviour: Behaviour, version: str) -> AdapterManifest:
        """The manifest, after every file was read in full; raises `AdapterMissing` or `AdapterDamaged`."""
        return self._looked_at(behaviour, version, verify_folder)

    def holds(self, behaviour: Behaviour, version: str) -> bool:
        """Whether there is such a version, sound or not."""
        return is_version(version) and os.path.lexists(self._folder(behaviour, version))

    def list(self, channels: Channels | None = None, *, verify: bool = False) -> Sequence[ListedAdapter]:
        """Every version that is registered or that a channel names, by behaviour and time of creation.

        With `verify` every file is read; else only the manifests are. What is wrong is told, not raised.
        """
        with storage_told(self._root, "list the adapters"):
            return [
                entry
                for behaviour in Behaviour
                for entry in sorted(self._listed_all(behaviour, channels, verify=verify), key=_age)
            ]

    def _listed_all(self, behaviour: Behaviour, channels: Channels | None, *, verify: bool) -> Sequence[ListedAdapter]:
        named = channels.versions(behaviour) if channels else ()
        versions = {*self._versions(behaviour), *named}
        return [self._listed(behaviour, version, channels, verify=verify) for version in versions]

    def _listed(self, behaviour: Behaviour, version: str, channels: Channels | None, *, verify: bool) -> ListedAdapter:
        users = channels.users(behaviour, version) if channels else ()
        try:
            manifest = self.verify(behaviour, version) if verify else self.show(behaviour, version)
        except RegistryError as problem:
            return ListedAdapter(behaviour, version, None, problem, users)
        return ListedAdapter(behaviour, version, manifest, None, users)

    def _looked_at(
        self, behaviour: Behaviour, version: str, look: Callable[[Path, str], AdapterManifest]
    ) -> AdapterManifest:
        with storage_told(self._root, "read an adapter"):
            if not self.holds(behaviour, version):
                raise self._missing(behaviour, version)
            folder, name = self._folder(behaviour, version), f"{behaviour}@{version}"
            try:
                manifest = look(folder, name)
            except FileNotFoundError as cause:  # deleted, or replaced, while it was read
                raise self._missing(behaviour, version) from cause
            if manifest.name != name:
                raise AdapterDamaged(
                    f"The folder {folder} holds another adapter, {manifest.name}.",
                    remedy=f"Delete the folder {folder} and register its adapter again.",
                )
            return manifest

    def _missing(self, behaviour: Behaviour, version: str) -> AdapterMissing:
        there = self._versions(behaviour)
        return AdapterMissing(
            f"There is no version {version!r} of {behaviour}; registered are: {', '.join(there) or 'none'}.",
            remedy=f"Name one that is registered, or train one: `groundskeeper retrain {behaviour}`. If production"
            " names it, promote another or an un-tuned mode first; a starter comes back by itself with an answer.",
        )

    @contextmanager
    def _staging(self) -> Iterator[Path]:
        """An empty place for one adapter, with the lock held; gone at the end, whatever happens."""
        rubbish = self._root / ".staging"
        with storage_told(self._root, "register an adapter"), locked(self._root / ".lock"):
            _remove(rubbish)  # left by a registration that was killed
            rubbish.mkdir()
            try:
                yield rubbish / "new"
            finally:
                _remove(rubbish)

    def _place(self, staging: Path, manifest: AdapterManifest) -> AdapterManifest:
        """Rename a sealed folder to its place; an equal one that is sound stays, a damaged one gives way."""
        target = self._folder(manifest.behaviour, manifest.version)
        make_folder(target.parent)
        if self.holds(manifest.behaviour, manifest.version):
            try:
                return self.verify(manifest.behaviour, manifest.version)
            except AdapterDamaged:
                target.rename(staging.with_name("damaged"))
        staging.rename(target)
        sync_folder(target.parent)
        return manifest

    def _versions(self, behaviour: Behaviour) -> tuple[str, ...]:
        folder = self._root / behaviour
        names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
        return tuple(sorted(filter(is_version, names)))

    def _folder(self, behaviour: Behaviour, version: str) -> Path:
        return self._root / Behaviour(behaviour) / version


def promotion_check(
    store: AdapterStore, *, bases: Mapping[Behaviour, BaseIdentity], contracts: Mapping[Behaviour, str]
) -> Callable[[Behaviour, str], None]:
    """What speaks against serving a version: raises what `AdapterStore.open` does, or `SwitchRefused`."""

    def check(behaviour: Behaviour, version: str) -> None:
        opened = store.open(behaviour, version, base=bases[behaviour], contract=contracts[behaviour])
        require_passed(opened.manifest)

    return check


def _age(entry: ListedAdapter) -> tuple[float, str]:
    """Oldest first; what cannot be read comes first of all."""
    return (entry.manifest.created.timestamp() if entry.manifest else float("-inf"), entry.version)


def _remove(path: Path) -> None:
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path)
