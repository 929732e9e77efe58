"""The archive of stored texts: what citations point into, named by their sha256.

    store_texts(texts_root, {digest: text})
    TextArchive(index_root, texts_root).text(generation=7, document_id="docs:guide.md")

A text is written once and never changed, so every generation, old ones included, can show what it cited.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import TYPE_CHECKING

from retrieval.errors import REBUILD, IndexDamaged, IndexMissing
from retrieval.files import disk_named, make_folder, read_if_there, remove_tree, sync_folder, write_synced
from retrieval.generations import read_catalogue, read_manifest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from retrieval.catalogue import DocumentEntry

__all__ = ["TextArchive", "has_text", "read_text", "store_texts"]


def store_texts(texts_root: Path, texts: Mapping[str, str]) -> None:
    """Add texts by their digest; those that are there, whole, stay. Durable when it returns.

    Only the holder of the writer's lock may call it. Raises DiskFull, IndexUnusable.
    """
    with disk_named(texts_root):
        contents = {digest: text.encode() for digest, text in texts.items()}
        fresh = {digest: content for digest, content in contents.items() if not _is_whole(texts_root, digest, content)}
        if fresh:
            _store(texts_root, fresh)


def has_text(texts_root: Path, digest: str) -> bool:
    """Whether a text of that name is there; its content is checked when it is read."""
    return _path(texts_root, digest).is_file()


def _is_whole(texts_root: Path, digest: str, content: bytes) -> bool:
    path = _path(texts_root, digest)
    return path.is_file() and path.stat().st_size == len(content) and path.read_bytes() == content


def _store(texts_root: Path, fresh: Mapping[str, bytes]) -> None:
    pending = texts_root / "tmp"
    remove_tree(pending)
    make_folder(pending)
    for digest, content in fresh.items():
        write_synced(pending / digest, content)
    for digest in fresh:
        target = _path(texts_root, digest)
        make_folder(target.parent)
        (pending / digest).replace(target)
    for folder in {_path(texts_root, digest).parent for digest in fresh}:
        sync_folder(folder)
    pending.rmdir()


def read_text(texts_root: Path, digest: str) -> str:
    """The text with this sha256; raises IndexDamaged if it is missing or its content is another."""
    path = _path(texts_root, digest)
    content = read_if_there(path)
    if content is None:
        raise _damaged(path, "is missing")
    if hashlib.sha256(content).hexdigest() != digest:
        raise _damaged(path, "was changed")
    return content.decode()


class TextArchive:
    """Stored texts by generation and document; keeps the catalogues it has read."""

    def __init__(self, index_root: Path, texts_root: Path) -> None:
        self._index_root = index_root
        self._texts_root = texts_root
        self._entries = lru_cache(maxsize=4)(self._read_entries)
        """By number and digest: an index that was deleted and made anew counts from 1 again."""

    def entry(self, generation: int, document_id: str) -> DocumentEntry:
        """The catalogue's entry; raises IndexMissing if the generation or the document is not there."""
        entries = self._entries(generation, read_manifest(self._index_root, generation).catalogue_sha256)
        if document_id not in entries:
            raise IndexMissing(
                f"Generation {generation} holds no document '{document_id}'.",
                remedy="Name a document of that generation, as its answers and hits do.",
            )
        return entries[document_id]

    def text(self, generation: int, document_id: str) -> str:
        """The text that the offsets of this document's passages count in, digest checked."""
        return read_text(self._texts_root, self.entry(generation, document_id).text_hash)

    def _read_entries(self, generation: int, catalogue_sha256: str) -> dict[str, DocumentEntry]:
        _, catalogue = read_catalogue(self._index_root, generation)
        return {entry.id: entry for entry in catalogue.documents}


def _path(texts_root: Path, digest: str) -> Path:
    return texts_root / digest[:2] / f"{digest}.txt"


def _damaged(path: Path, what: str) -> IndexDamaged:
    return IndexDamaged(f"The stored text {path} {what}.", remedy=REBUILD)
