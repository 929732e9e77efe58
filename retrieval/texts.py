"""The archive of stored texts: what citations point into, named by their sha256.

    store_texts(texts_root, {digest: text})
    TextArchive(index_root, texts_root).text(generation=7, document_id="docs:guide.md")

A text is written once and never changed, so every generation, old ones included, can show what it cited.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from retrieval.catalogue import text_digest
from retrieval.errors import IndexDamaged, IndexMissing
from retrieval.files import remove_tree, sync_folder, write_synced
from retrieval.generations import read_catalogue

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from retrieval.catalogue import DocumentEntry

__all__ = ["TextArchive", "read_text", "store_texts"]


def store_texts(texts_root: Path, texts: Mapping[str, str]) -> None:
    """Add texts by their digest; those that are there stay. Durable when it returns.

    Only the holder of the writer's lock may call it.
    """
    fresh = {digest: text for digest, text in texts.items() if not _path(texts_root, digest).exists()}
    if not fresh:
        return
    pending = texts_root / "tmp"
    remove_tree(pending)
    pending.mkdir(parents=True)
    for digest, text in fresh.items():
        write_synced(pending / digest, text.encode())
    for digest in fresh:
        target = _path(texts_root, digest)
        target.parent.mkdir(exist_ok=True)
        (pending / digest).replace(target)
    for folder in {_path(texts_root, digest).parent for digest in fresh} | {texts_root}:
        sync_folder(folder)
    pending.rmdir()


def read_text(texts_root: Path, digest: str) -> str:
    """The text with this sha256; raises IndexDamaged if it is missing or its content is another."""
    path = _path(texts_root, digest)
    try:
        text = path.read_bytes().decode()
    except (FileNotFoundError, UnicodeDecodeError) as cause:
        raise _damaged(path, "is missing or no text") from cause
    if text_digest(text) != digest:
        raise _damaged(path, "was changed")
    return text


class TextArchive:
    """Stored texts by generation and document; keeps the catalogues it has read."""

    def __init__(self, index_root: Path, texts_root: Path) -> None:
        self._index_root = index_root
        self._texts_root = texts_root
        self._entries = lru_cache(maxsize=4)(self._read_entries)

    def entry(self, generation: int, document_id: str) -> DocumentEntry:
        """The catalogue's entry; raises IndexMissing if the generation or the document is not there."""
        entries = self._entries(generation)
        if document_id not in entries:
            raise IndexMissing(
                f"Generation {generation} holds no document '{document_id}'.",
                remedy="Name a document of that generation, as its answers and hits do.",
            )
        return entries[document_id]

    def text(self, generation: int, document_id: str) -> str:
        """The text that the offsets of this document's passages count in, digest checked."""
        return read_text(self._texts_root, self.entry(generation, document_id).text_hash)

    def _read_entries(self, generation: int) -> dict[str, DocumentEntry]:
        _, catalogue = read_catalogue(self._index_root, generation)
        return {entry.id: entry for entry in catalogue.documents}


def _path(texts_root: Path, digest: str) -> Path:
    return texts_root / digest[:2] / f"{digest}.txt"


def _damaged(path: Path, what: str) -> IndexDamaged:
    return IndexDamaged(
        f"The stored text {path} {what}.", remedy="Delete the index folder and the texts, then refresh again."
    )
