"""An embedder and a splitter that can be read by eye, and a small index built with them."""

from __future__ import annotations

import hashlib
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retrieval.documents import Document, Passage
from retrieval.encoding import open_encoder
from retrieval.files import copy_tree_sparse, remove_tree
from retrieval.generations import current_number, shard_folder
from retrieval.refresh import RefreshResult, refresh
from retrieval.sources.folder import FolderSource
from retrieval.store.edge import open_edge_store
from retrieval.store.protocol import PassagePoint

_NAMESPACE = uuid.UUID(int=1)


class ReadableEncoder:
    """Dimension i counts the words whose first letter is the i-th of the alphabet; dimension 0 is always 1."""

    def __init__(self, digest: str = "readable", *, fail_after: int | None = None) -> None:
        self.digest = digest
        self.dimensions = 27
        self.seen: list[str] = []
        self._fail_after = fail_after

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        if self._fail_after is not None and len(self.seen) + len(texts) > self._fail_after:
            raise RuntimeError("the embedder is out of order")
        self.seen += texts
        return np.array([self._vector(text) for text in texts], dtype=np.float32).reshape(len(texts), self.dimensions)

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def _vector(self, text: str) -> list[float]:
        initials = Counter(word[0].lower() for word in text.split())
        counts = [1.0] + [float(initials[chr(ord("a") + i)]) for i in range(26)]
        length = sum(count * count for count in counts) ** 0.5
        return [count / length for count in counts]


@dataclass(frozen=True)
class ParagraphSplitter:
    """One passage a paragraph; embeds the title before it."""

    digest: str = "paragraphs"
    separator: str = "\n\n"

    def split(self, document: Document) -> list[Passage]:
        passages, seen, start = [], Counter[str](), 0
        for text in document.text.split(self.separator):
            if text.strip():
                embedded = f"{document.title}\n{text}"
                passages.append(self._passage(document, embedded, seen[embedded], start, start + len(text)))
                seen[embedded] += 1
            start += len(text) + len(self.separator)
        return passages

    def _passage(self, document: Document, embedded: str, ordinal: int, start: int, end: int) -> Passage:
        return Passage(
            id=str(uuid.uuid5(_NAMESPACE, f"{document.id}\0{embedded}\0{ordinal}")),
            document_id=document.id,
            uri=document.uri,
            title=document.title,
            heading_path=(),
            start=start,
            end=end,
            text=document.text[start:end],
            embedded_text=embedded,
            trust=document.trust,
        )


@dataclass
class House:
    """A folder of documents and its index, under one root unless `docs` is elsewhere."""

    root: Path
    docs: Path = field(default=Path())
    encoder: ReadableEncoder = field(default_factory=ReadableEncoder)
    splitter: ParagraphSplitter = field(default_factory=ParagraphSplitter)
    embedder: Path | None = None
    """Folder of a real embedder to use in place of the readable one."""

    def __post_init__(self) -> None:
        if self.embedder is not None:
            self.encoder = open_encoder(self.embedder, "a real one", threads=1)  # type: ignore[assignment]
        if self.docs == Path():
            self.docs = self.root / "docs"

    @property
    def index_root(self) -> Path:
        return self.root / "index"

    @property
    def texts_root(self) -> Path:
        return self.root / "texts"

    def write(self, path: str, text: str) -> None:
        target = self.docs / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text.encode())

    def refresh(self, *sources: FolderSource, **options: object) -> RefreshResult:
        return refresh(
            sources or (FolderSource("docs", self.docs),),
            index_root=self.index_root,
            texts_root=self.texts_root,
            encoder=self.encoder,
            splitter=self.splitter,
            **options,  # type: ignore[arg-type]
        )

    def points(self) -> dict[str, PassagePoint]:
        """Everything that the served generation stores, by passage id: payloads and both vectors."""
        return points_of(self.index_root)


def points_of(index_root: Path) -> dict[str, PassagePoint]:
    """All points of the generation that is served, read from a copy."""
    number = current_number(index_root)
    assert number is not None, "nothing is served"
    copy = index_root / "looked-at"
    remove_tree(copy)
    copy_tree_sparse(shard_folder(index_root, number), copy)
    store = open_edge_store(copy)
    points = {point.passage.id: point for point in store.scroll()}
    store.close()
    remove_tree(copy)
    return points


def files_below(folder: Path) -> dict[str, str]:
    """sha256 by path of every file below a folder: equal before and after means nothing was written."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
