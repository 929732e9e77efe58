"""Reading the index: a private copy of the served generation, followed from one to the next.

    with open_index(index_root, embedder=encoder.digest) as reader:
        search(reader, encoder, "How do I ...?", top_k=5)
        reader.follow()             # swap to a newer generation, if there is one

The engine knows no read-only open, so a reader copies the sealed shard to `index/readers/` and opens the
copy. It holds a lock on its copy; whoever opens the index next removes the copies whose readers have died.
"""

from __future__ import annotations

import os
import tempfile
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from retrieval.bm25 import BM25_DIGEST
from retrieval.errors import REBUILD, IndexDamaged, IndexMismatch, IndexMissing, IndexUnusable
from retrieval.files import copy_tree_sparse, disk_named, remove_tree, require_room, try_lock, used_bytes
from retrieval.generations import current_number, read_manifest, shard_folder
from retrieval.store.edge import open_edge_store
from retrieval.store.payload import PAYLOAD_VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from retrieval.catalogue import Manifest
    from retrieval.documents import Generation
    from retrieval.store.edge import EdgeStore

__all__ = ["IndexReader", "Lease", "open_index"]


_SLACK = 4 << 20
"""Bytes that the engine may touch beside the copy when it opens it."""


def open_index(index_root: Path, *, embedder: str) -> IndexReader:
    """A reader of the generation served now.

    `embedder` is the digest of the encoder that queries will be encoded with. Raises IndexMissing if nothing
    was ever indexed, IndexMismatch if the index was made otherwise, IndexDamaged, DiskFull.
    """
    return IndexReader(index_root, embedder, _open_copy(index_root, embedder))


@dataclass
class Lease:
    """One open generation; `store` stays open as long as the lease is held."""

    manifest: Manifest
    store: EdgeStore
    folder: Path
    lock: int
    holders: int = 0
    retired: bool = False
    closed: bool = False

    @property
    def generation(self) -> Generation:
        return self.manifest.generation

    def close(self) -> None:
        self.store.close()
        remove_tree(self.folder)
        os.close(self.lock)


class IndexReader:
    """The served generation, open for searching. Safe to share between threads."""

    def __init__(self, index_root: Path, embedder: str, opened: Lease) -> None:
        self._root = index_root
        self._embedder = embedder
        self._open = opened
        self._guard = threading.Lock()
        self._closed = False

    @property
    def generation(self) -> Generation:
        """The generation that searches see now."""
        return self._open.generation

    def follow(self) -> bool:
        """Swap to the generation that is served now; returns whether it is another one.

        Searches under way finish on the old one. The copying happens before the swap. Equal numbers are not
        enough: an index that was deleted and made anew counts from 1 again. A reader that is closed
        meanwhile stays closed. Raises what `open_index` raises, and IndexUnusable if it was closed before.
        """
        with self._guard:
            self._check_open()
        if _served_manifest(self._root) == self._open.manifest:
            return False
        fresh = _open_copy(self._root, self._embedder)
        with self._guard:
            old = fresh if self._closed else self._open
            self._open = self._open if self._closed else fresh
        self._retire(old)
        return old is not fresh

    @contextmanager
    def lease(self) -> Iterator[Lease]:
        """The open generation, kept open until the lease ends; raises IndexUnusable if the reader was closed."""
        with self._guard:
            self._check_open()
            held = self._open
            held.holders += 1
        try:
            yield held
        finally:
            with self._guard:
                held.holders -= 1
            self._close_if_idle(held)

    def close(self) -> None:
        """Close the store and remove the private copy, at the latest when the last lease ends."""
        with self._guard:
            self._closed = True
        self._retire(self._open)

    def __enter__(self) -> IndexReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _check_open(self) -> None:
        if self._closed:
            raise IndexUnusable(f"The reader of {self._root} was closed.", remedy="Open the index again.")

    def _retire(self, old: Lease) -> None:
        with self._guard:
            old.retired = True
        self._close_if_idle(old)

    def _close_if_idle(self, held: Lease) -> None:
        with self._guard:
            ended = held.retired and held.holders == 0 and not held.closed
            held.closed = held.closed or ended
        if ended:
            held.close()


def _open_copy(index_root: Path, embedder: str) -> Lease:
    """Copy and open what is served now; starts over if that generation is retired meanwhile."""
    with disk_named(index_root):
        while True:
            manifest = _served_manifest(index_root)
            _check_schema(manifest, embedder)
            try:
                return _copy_and_open(index_root, manifest)
            except FileNotFoundError as cause:
                if current_number(index_root) == manifest.number:
                    raise _damaged(f"Generation {manifest.number} lacks {cause.filename}.") from cause


def _copy_and_open(index_root: Path, manifest: Manifest) -> Lease:
    source = shard_folder(index_root, manifest.number)
    require_room({index_root: used_bytes(source) + _SLACK})
    folder, lock = _private_folder(index_root)
    try:
        copy_tree_sparse(source, folder / "shard")
        return Lease(manifest, _open_checked(folder / "shard", manifest), folder, lock)
    except BaseException:
        remove_tree(folder)
        os.close(lock)
        raise


def _served_manifest(index_root: Path) -> Manifest:
    number = current_number(index_root)
    if number is None:
        raise IndexMissing(
            f"Nothing has been indexed in {index_root} yet.",
            remedy="Run `groundskeeper refresh SOURCE` with a folder of documents.",
        )
    return read_manifest(index_root, number)


def _check_schema(manifest: Manifest, embedder: str) -> None:
    """The splitter may differ, it concerns the writer alone; what searches depend on may not."""
    parts = manifest.schema_parts
    expected = parts.model_copy(update={"embedder": embedder, "bm25": BM25_DIGEST, "payload": PAYLOAD_VERSION})
    if differences := parts.differences(expected):
        raise IndexMismatch(
            f"Generation {manifest.number} was made with another {' and '.join(differences)} than the one in use.",
            remedy="Run `groundskeeper refresh` to rebuild the index, or set the embedder it was made with.",
        )


def _open_checked(shard: Path, manifest: Manifest) -> EdgeStore:
    store = open_edge_store(shard)
    if (count := store.count()) != manifest.passages:
        store.close()
        raise _damaged(f"Generation {manifest.number} holds {count} passages, not {manifest.passages}.")
    return store


def _private_folder(index_root: Path) -> tuple[Path, int]:
    """A new locked folder under `readers/`; removes those of dead readers on the way."""
    readers = index_root / "readers"
    readers.mkdir(exist_ok=True)
    with _readers_lock(readers):
        for folder in readers.iterdir():
            if folder.is_dir() and _is_dead(folder):
                remove_tree(folder)
        folder = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=readers))
        lock = os.open(folder / "LOCK", os.O_RDWR | os.O_CREAT, 0o644)
        try_lock(lock)
    return folder, lock


@contextmanager
def _readers_lock(readers: Path) -> Iterator[None]:
    """Held for the moment in which a folder is made and locked, or found dead."""
    import fcntl

    descriptor = os.open(readers / "LOCK", os.O_RDONLY | os.O_CREAT, 0o644)  # another user's file locks as well
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _is_dead(folder: Path) -> bool:
    try:
        descriptor = os.open(folder / "LOCK", os.O_RDWR)
    except FileNotFoundError:  # killed between making the folder and locking it
        return True
    except PermissionError:  # another user's, who sweeps up after himself
        return False
    try:
        return try_lock(descriptor)
    finally:
        os.close(descriptor)


def _damaged(message: str) -> IndexDamaged:
    return IndexDamaged(message, remedy=REBUILD)
