"""One adapter's folder: which files it may hold, how it is sealed, and how it is verified.

    refusal/3f2a…/adapter_model.safetensors   the weights
                  adapter_config.json         their shape; nothing else is ever loaded
                  recipe.yaml, …              statements for people
                  manifest.json               written last; holds the digest of each file above
                  manifest.json.sha256        the manifest's own digest, as `sha256sum -c` reads it

Covered: any changed, missing or additional byte or file, links, files of other kinds, names that lead elsewhere.
Not covered: somebody who may write to the folder and recomputes every digest; a file that changes between being
verified and being loaded.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from serving.registry.digests import file_digest, file_digests
from serving.registry.errors import AdapterDamaged, AdapterUnusable
from serving.registry.files import copy_synced, sync_folder, write_synced
from serving.registry.manifest import (
    CONFIG,
    STATEMENTS,
    WEIGHTS,
    AdapterDraft,
    AdapterManifest,
    is_file_name,
    registered,
)

__all__ = [
    "adapter_files",
    "copy_adapter",
    "foreign_to_lora",
    "read_manifest",
    "require_adapter",
    "seal",
    "verify_folder",
]

_MANIFEST = "manifest.json"
_SEAL = "manifest.json.sha256"
_PLAIN: Mapping[str, tuple[Any, ...]] = MappingProxyType(
    {
        "init_lora_weights": (None, True, False, "gaussian", "eva", "orthogonal", "mica"),
        "bias": (None, "none"),
        "kasa_config": (None,),
        "layer_replication": (None,),
        "alora_invocation_tokens": (None,),
        "arrow_config": (None,),
    }
)
"""With other values PEFT rewrites the base, under all other adapters too, when it loads the adapter; or the adapter
was trained over a base that is not this one, from a token on that nobody names here, or beside adapters of its own."""


def require_adapter(folder: Path, reference: str) -> list[str]:
    """Names of the files of a folder that is to be registered for the base model `reference`, ordered.

    Raises `AdapterUnusable` for anything but one LoRA in safetensors and statements beside it.
    """
    if not folder.is_dir():
        raise _unusable(folder, "is not there, or no folder")
    names = sorted(path.name for path in folder.iterdir())
    for name in names:
        _require_allowed(folder, name)
    for name in (WEIGHTS, CONFIG):
        if name not in names:
            raise _unusable(folder, f"holds no {name}")
    _require_safetensors(folder)
    _require_lora(folder, reference)
    return names


def foreign_to_lora(config: Mapping[str, Any]) -> str | None:
    """The setting of a LoRA's configuration because of which it must not be loaded, and why; None if there is none."""
    for name, harmless in _PLAIN.items():
        if config.get(name) not in harmless:
            return f"{name} {config[name]!r} in {CONFIG}, which changes the base model itself, or how it is run"
    return None


def copy_adapter(source: Path, target: Path, names: list[str]) -> None:
    """Copy these files into a new folder and wait until the disk has them."""
    target.mkdir()
    for name in names:
        copy_synced(source / name, target / name)


def seal(folder: Path, draft: AdapterDraft, names: list[str]) -> AdapterManifest:
    """Write the manifest over the files of `folder`, last of all; returns it."""
    manifest = registered(draft, file_digests(folder, names))
    content = (manifest.model_dump_json(indent=1) + "\n").encode()
    write_synced(folder / _MANIFEST, content)
    write_synced(folder / _SEAL, _seal_of(content))
    sync_folder(folder)
    return manifest


def adapter_files(manifest: AdapterManifest) -> list[str]:
    """Names of all files of a registered adapter's folder."""
    return [*sorted(manifest.files), _MANIFEST, _SEAL]


def read_manifest(folder: Path, adapter: str) -> AdapterManifest:
    """The manifest in `folder`, checked against its own digest, but not the files that it lists.

    `adapter`: what messages call it. Raises `AdapterDamaged`.
    """
    if folder.is_symlink():
        raise _damaged(folder, adapter, "its folder is a link")
    for name in (_MANIFEST, _SEAL):
        _require_plain(folder, adapter, name)
    content = (folder / _MANIFEST).read_bytes()
    if (folder / _SEAL).read_bytes() != _seal_of(content):
        raise _damaged(folder, adapter, f"{_MANIFEST} is not what {_SEAL} says")
    try:
        return AdapterManifest.model_validate_json(content)
    except ValidationError as cause:
        raise _damaged(folder, adapter, f"{_MANIFEST} cannot be read: {cause.errors()[0]['msg']}") from cause


def verify_folder(folder: Path, adapter: str) -> AdapterManifest:
    """The manifest, after every file was read and found to be what it says; raises `AdapterDamaged`."""
    manifest = read_manifest(folder, adapter)
    found = {path.name for path in folder.iterdir()}
    if extra := sorted(found.difference(adapter_files(manifest))):
        raise _damaged(folder, adapter, f"{extra[0]} does not belong to it")
    for name, expected in sorted(manifest.files.items()):
        _require_plain(folder, adapter, name)
        digest = file_digest(folder / name)
        if digest != expected:
            what = f"{name} is not what it was: its sha256 begins {digest[:12]}, expected {expected[:12]}"
            raise _damaged(folder, adapter, what)
    return manifest


def _require_allowed(folder: Path, name: str) -> None:
    path = folder / name
    if path.is_symlink() or not path.is_file():
        raise _unusable(folder, f"holds {name}, which is a link or no file")
    if name in (_MANIFEST, _SEAL):
        raise _unusable(folder, f"holds a {name}: it is registered already, or was taken from a registry")
    if not is_file_name(name):
        raise _unusable(folder, f"holds {name}; only {WEIGHTS}, {CONFIG} and statements in text are kept")


def _require_safetensors(folder: Path) -> None:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(folder / WEIGHTS), "np") as file:
            tensors = list(file.keys())
    except SafetensorError as cause:
        raise _unusable(folder, f"holds a {WEIGHTS} that is no safetensors file: {cause}") from cause
    if not tensors:
        raise _unusable(folder, f"holds a {WEIGHTS} without a single tensor")


def _require_lora(folder: Path, reference: str) -> None:
    try:
        config = json.loads((folder / CONFIG).read_text("utf-8"))
    except (ValueError, RecursionError) as cause:
        raise _unusable(folder, f"holds a {CONFIG} that is no JSON: {cause}") from cause
    if not isinstance(config, dict) or config.get("peft_type") != "LORA":
        raise _unusable(folder, f"holds a {CONFIG} that describes no LoRA")
    # A path would make the version differ between machines, and some loaders follow it, unverified.
    if config.get("base_model_name_or_path") not in (None, reference):
        raise _unusable(
            folder,
            f"names {config['base_model_name_or_path']!r} as its base in {CONFIG}; expected null or {reference!r}",
        )

    if foreign := foreign_to_lora(config):
        raise _unusable(folder, f"has {foreign}")


def _require_plain(folder: Path, adapter: str, name: str) -> None:
    path = folder / name
    if path.is_symlink():
        raise _damaged(folder, adapter, f"{name} is a link")
    if not path.is_file():
        raise _damaged(folder, adapter, f"{name} is gone")


def _seal_of(content: bytes) -> bytes:
    return f"{hashlib.sha256(content).hexdigest()}  {_MANIFEST}\n".encode()


def _unusable(folder: Path, what: str) -> AdapterUnusable:
    return AdapterUnusable(
        f"The folder {folder} cannot be registered: it {what}.",
        remedy=f"Give a folder with {WEIGHTS}, {CONFIG} and, if you like, statements beside them"
        f" ({', '.join(STATEMENTS)}; names of ASCII letters, digits, `_`, `-` and `.`); no folders, links or pickles.",
    )


def _damaged(folder: Path, adapter: str, what: str) -> AdapterDamaged:
    return AdapterDamaged(
        f"The adapter {adapter} is damaged: {what} (in {folder}).",
        remedy=f"Delete the folder {folder}. A starter comes back by itself with the next answer. Of any other, promote"
        " another version or an un-tuned mode if production serves it, and run the `groundskeeper retrain` that made it"
        " again, with the same arguments: it keeps what was trained, and registers it anew.",
    )
