"""Digests of models: of their files, of their weights, of their tokenizer.

The weights digest covers tensors (names, types, shapes, bytes), not files, so that the same weights in
another number of shards, or written by another version of a library, are the same weights. The tokenizer
digest covers what `tokenizer.json` and the chat template say, not how the JSON is laid out.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from serving.registry.errors import ModelRefused

__all__ = ["file_digest", "file_digests", "folder_digest", "tokenizer_digest", "weights_digest"]

_CHUNK = 1 << 22
_MAX_HEADER = 100_000_000
"""Bytes; the bound that the safetensors format itself sets."""


@dataclass(frozen=True, order=True)
class _Tensor:
    name: str
    dtype: str
    shape: str
    file: Path
    start: int
    size: int


def file_digest(path: Path) -> str:
    """sha256 (hex) of one file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_digests(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """sha256 (hex) of each named file of `folder`, ordered by name."""
    return {name: file_digest(folder / name) for name in sorted(names)}


def folder_digest(folder: Path) -> str:
    """sha256 (hex) over the names and contents of all settings and weights below `folder`.

    Everything that can change what a model computes: its modules' settings and weights, tokenizer, lengths.
    """
    files = sorted(path for pattern in ("*.json", "*.safetensors", "vocab.txt") for path in folder.rglob(pattern))
    digest = hashlib.sha256(b"folder 1\n")
    for path in files:
        digest.update(f"{path.relative_to(folder).as_posix()} {file_digest(path)}\n".encode())
    return digest.hexdigest()


def weights_digest(folder: Path) -> str:
    """sha256 (hex) over all tensors of the folder's safetensors files, ordered by name."""
    tensors = sorted(tensor for path in folder.glob("*.safetensors") for tensor in _tensors(path))
    total = hashlib.sha256(b"weights 1\n")
    for tensor in tensors:
        total.update(f"{tensor.name}\t{tensor.dtype}\t{tensor.shape}\n".encode())
        with tensor.file.open("rb") as file:
            file.seek(tensor.start)
            for chunk in _chunks(file, tensor.size):
                total.update(chunk)
    return total.hexdigest()


def tokenizer_digest(tokenizer_json: str, chat_template: str | None) -> str:
    """sha256 (hex) over the meaning of `tokenizer.json` and the chat template (None: it has none)."""
    meaning = {"chat_template": chat_template, "tokenizer": json.loads(tokenizer_json)}
    return hashlib.sha256(json.dumps(meaning, sort_keys=True).encode()).hexdigest()


def _tensors(path: Path) -> list[_Tensor]:
    header, base = _header(path)
    return [
        _Tensor(
            name=name,
            dtype=str(entry["dtype"]),
            shape=json.dumps(entry["shape"]),
            file=path,
            start=base + entry["data_offsets"][0],
            size=entry["data_offsets"][1] - entry["data_offsets"][0],
        )
        for name, entry in header.items()
        if name != "__metadata__"
    ]


def _header(path: Path) -> tuple[dict[str, Any], int]:
    """The header of a safetensors file and the offset (bytes) at which its data begins."""
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > _MAX_HEADER:
                raise ValueError("its header is too long")
            header: dict[str, Any] = json.loads(file.read(length))
    except (struct.error, ValueError) as error:
        raise ModelRefused(
            f"{path.name} is not a safetensors file: {error}.", remedy="Fetch or copy the model again."
        ) from error
    return header, 8 + length


def _chunks(file: BinaryIO, size: int) -> Iterator[bytes]:
    while size > 0:
        chunk = file.read(min(_CHUNK, size))
        if not chunk:
            raise ModelRefused("A weights file ends too early.", remedy="Fetch or copy the model again.")
        size -= len(chunk)
        yield chunk
