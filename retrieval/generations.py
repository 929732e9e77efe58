"""Generations: the index changes by sealing a new whole beside the old, then moving one pointer.

    index/LOCK                       held by the one writer
    index/CURRENT                    the number of the generation that is served
    index/work                       the writer's, and rubbish to everyone else
    index/generations/7/manifest.json, catalogue.json, shard/

    with writer_lock(root):
        store = open_work(root, base)          # a copy of CURRENT's shard, or a new one
        ...                                    # apply, flush, close
        seal(root, catalogue, ...)             # sync, rename work -> generations/8, CURRENT = 8

What a kill leaves behind, by the moment: before the rename, a `work/` that the next writer discards; between
the rename and the pointer, a generation that nobody was told of, whose number is not used again. In every
case CURRENT names a whole generation. A sealed folder is never opened: readers open copies.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pydantic import ValidationError

from retrieval.catalogue import Catalogue, Manifest, SchemaParts
from retrieval.errors import REBUILD, IndexBusy, IndexDamaged, IndexMissing
from retrieval.files import (
    copy_tree_sparse,
    make_folder,
    read_if_there,
    remove_tree,
    replace_file,
    sync_folder,
    sync_tree,
    try_lock,
    write_synced,
)
from retrieval.store.edge import EdgeStore, create_edge_store, open_edge_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = [
    "create_work",
    "current_number",
    "discard_work",
    "open_work",
    "read_catalogue",
    "read_manifest",
    "renew_work",
    "retire_shards",
    "seal",
    "shard_folder",
    "writer_lock",
]

_CURRENT = "CURRENT"
_MANIFEST = "manifest.json"
_CATALOGUE = "catalogue.json"
_SHARD = "shard"


def current_number(index_root: Path) -> int | None:
    """Number of the generation that is served, None before the first; raises IndexDamaged."""
    path = index_root / _CURRENT
    content = read_if_there(path)
    try:
        return None if content is None else int(content)
    except ValueError as cause:
        raise _damaged(path, "holds no generation number") from cause


def read_manifest(index_root: Path, number: int) -> Manifest:
    """The head of one generation; raises IndexMissing, or IndexDamaged if that generation is served."""
    path = _folder(index_root, number) / _MANIFEST
    content = read_if_there(path)
    if content is None and current_number(index_root) == number:
        raise _damaged(path, "is missing")
    if content is None:
        raise IndexMissing(
            f"There is no generation {number} in {index_root}.",
            remedy="Use a generation that the index still has; `groundskeeper refresh` makes a new one.",
        )
    try:
        manifest = Manifest.model_validate_json(content)
    except ValidationError as cause:
        raise _damaged(path, f"cannot be read ({cause.error_count()} errors)") from cause
    if manifest.number != number:
        raise _damaged(path, f"says it is generation {manifest.number}")
    return manifest


def read_catalogue(index_root: Path, number: int) -> tuple[Manifest, Catalogue]:
    """Manifest and catalogue of one generation, the digest checked."""
    manifest = read_manifest(index_root, number)
    path = _folder(index_root, number) / _CATALOGUE
    content = read_if_there(path)
    if content is None:
        raise _damaged(path, "is missing")
    if hashlib.sha256(content).hexdigest() != manifest.catalogue_sha256:
        raise _damaged(path, "is not the one its manifest names")
    try:
        return manifest, Catalogue.model_validate_json(content)
    except ValidationError as cause:
        raise _damaged(path, f"cannot be read ({cause.error_count()} errors)") from cause


def shard_folder(index_root: Path, number: int) -> Path:
    """Where a generation's shard lies; to be copied, never opened."""
    return _folder(index_root, number) / _SHARD


@contextmanager
def writer_lock(index_root: Path) -> Iterator[None]:
    """Be the one writer of this index; raises IndexBusy, naming the process that is."""
    make_folder(index_root)
    descriptor = os.open(index_root / "LOCK", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if not try_lock(descriptor):
            holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
            raise IndexBusy(
                f"Process {holder} is refreshing the index {index_root}; there is one writer at a time.",
                remedy="Wait until it is done, or stop that process; readers are not affected.",
            )
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def create_work(index_root: Path, *, dimensions: int) -> EdgeStore:
    """Discard what an earlier writer left and start an empty store in `work/`."""
    discard_work(index_root)
    return create_edge_store(_work(index_root) / _SHARD, dimensions=dimensions)


def open_work(index_root: Path, number: int) -> EdgeStore:
    """Discard what an earlier writer left and open a copy of generation `number` in `work/`."""
    discard_work(index_root)
    source = shard_folder(index_root, number)
    if not source.is_dir():
        raise _damaged(source, "is missing")
    copy_tree_sparse(source, _work(index_root) / _SHARD)
    return open_edge_store(_work(index_root) / _SHARD)


@contextmanager
def renew_work(index_root: Path, number: int, *, dimensions: int) -> Iterator[tuple[EdgeStore, EdgeStore]]:
    """A copy of generation `number` to read from, gone at the end, and an empty store in `work/` to write to."""
    old = open_work(index_root, number)
    old.close()
    aside = _work(index_root) / "old"
    (_work(index_root) / _SHARD).rename(aside)
    old, new = open_edge_store(aside), create_edge_store(_work(index_root) / _SHARD, dimensions=dimensions)
    try:
        yield old, new
    except BaseException:
        new.close()
        raise
    finally:
        old.close()
        remove_tree(aside)


def discard_work(index_root: Path) -> None:
    """Remove whatever a writer left unfinished."""
    remove_tree(_work(index_root))
    remove_tree(index_root / "trash")


def seal(index_root: Path, catalogue: Catalogue, schema: SchemaParts, *, churn: int) -> Manifest:
    """Make the closed store in `work/` the next generation and serve it; returns its manifest."""
    work, content = _work(index_root), catalogue.content()
    manifest = Manifest(
        number=max(_numbers(index_root), default=0) + 1,
        documents=len(catalogue.documents),
        passages=len(catalogue.passages),
        schema_parts=schema,
        catalogue_sha256=hashlib.sha256(content).hexdigest(),
        churn=churn,
    )
    write_synced(work / _CATALOGUE, content)
    write_synced(work / _MANIFEST, manifest.model_dump_json(indent=1).encode())
    sync_tree(work)
    target = _folder(index_root, manifest.number)
    make_folder(target.parent)
    work.rename(target)
    sync_folder(target.parent)
    sync_folder(index_root)
    replace_file(index_root / _CURRENT, f"{manifest.number}\n".encode())
    return manifest


def retire_shards(index_root: Path, *, keep: int) -> None:
    """Remove the shards of all but the newest `keep` generations; catalogues and texts stay for replay."""
    current = current_number(index_root)
    for number in sorted(_numbers(index_root), reverse=True)[keep:]:
        shard = shard_folder(index_root, number)
        if number != current and shard.is_dir():
            trash = index_root / "trash"
            trash.mkdir(exist_ok=True)
            shard.rename(trash / str(number))  # at once, so that no reader copies half of it
            remove_tree(trash)


def _numbers(index_root: Path) -> list[int]:
    folder = index_root / "generations"
    return [int(path.name) for path in folder.iterdir() if path.name.isdecimal()] if folder.is_dir() else []


def _folder(index_root: Path, number: int) -> Path:
    return index_root / "generations" / str(number)


def _work(index_root: Path) -> Path:
    return index_root / "work"


def _damaged(path: Path, what: str) -> IndexDamaged:
    return IndexDamaged(f"{path} {what}.", remedy=REBUILD)
