"""One refresh of the index, from the folders to the pointer.

    result = refresh([FolderSource("docs", Path("docs"))], index_root=..., texts_root=..., encoder=..., splitter=...)

`refresh` tells the story: take the lock, see what is served, survey the sources, plan, encode the texts
never seen before, write the store, seal. Until the last instruction of `seal` readers see the old generation;
an error or a kill anywhere leaves it serving, and the next refresh finishes the work.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from retrieval.apply import PointMaker
from retrieval.bm25 import Bm25
from retrieval.changes import Changes, find_changes, read_base
from retrieval.files import disk_named
from retrieval.generations import discard_work, retire_shards, seal, writer_lock
from retrieval.texts import store_texts
from retrieval.vector_cache import missing_texts, open_vector_cache
from retrieval.write import require_room_for, write_store

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from retrieval.encoding import DenseEncoder
    from retrieval.sources.folder import FolderSource
    from retrieval.survey import Skipped, TextSplitter

__all__ = ["KEEP_SHARDS", "Progress", "RefreshResult", "build_generation", "refresh"]

Progress = Callable[[str, int, int], None]
"""Called with a stage (`read`, `encode`, `write`), what is done of it, and its total."""

KEEP_SHARDS = 5
"""Generations that can still be searched; older ones keep catalogue and texts only."""
_CACHE = "vectors.sqlite"


@dataclass(frozen=True)
class RefreshResult:
    """What one refresh did, or with `planned` what it would do."""

    generation: int | None
    """The generation served afterwards; None if there is none."""
    documents: dict[str, int]
    """Counts of `added`, `changed`, `removed`, `unchanged`."""
    passages: dict[str, int]
    encoder_calls: int
    """Texts sent to the embedder: exactly those never seen before."""
    seconds: float
    skipped: tuple[Skipped, ...]
    """Files that could not be read, with reason and remedy; they keep their last good passages."""
    warnings: tuple[str, ...]
    planned: bool = False

    def as_json(self) -> dict[str, Any]:
        """JSON-compatible, with the field names as keys."""
        return asdict(self) | {"skipped": [skipped._asdict() for skipped in self.skipped]}


def refresh(
    sources: Sequence[FolderSource],
    *,
    index_root: Path,
    texts_root: Path,
    encoder: DenseEncoder,
    splitter: TextSplitter,
    excluded: Sequence[Path] = (),
    plan_only: bool = False,
    progress: Progress = lambda stage, done, total: None,
    clock: Callable[[], float] = time.perf_counter,
) -> RefreshResult:
    """Bring the index up to date with these sources; other sources of the index stay untouched.

    What lies below `index_root`, `texts_root` or a folder of `excluded` is no document of any source.
    With `plan_only` nothing is written and the result says what would happen. Raises SourceMissing,
    SourceNameTaken, EncoderFailed, DiskFull or IndexUnusable (busy, damaged, ...); the old generation then serves on.
    """
    started = clock()
    with disk_named(index_root), nullcontext() if plan_only else _writing(index_root):
        base = read_base(index_root)
        changes = find_changes(
            sources,
            base,
            texts_root=texts_root,
            embedder=encoder.digest,
            splitter=splitter,
            excluded=(index_root, texts_root, *excluded),
            progress=partial(progress, "read"),
        )
        generation, calls = base.manifest.number if base.manifest else None, 0
        if plan_only:
            calls = len(missing_texts(index_root / _CACHE, encoder.digest, changes.texts_to_embed))
        elif changes.is_empty:
            store_texts(texts_root, changes.survey.texts)  # those that were lost since
        else:
            generation, calls = build_generation(changes, index_root, texts_root, encoder, progress)
    return RefreshResult(
        generation=generation,
        documents=changes.documents.counts(),
        passages=changes.passages.counts(),
        encoder_calls=calls,
        seconds=clock() - started,
        skipped=changes.survey.skipped,
        warnings=changes.survey.warnings,
        planned=plan_only,
    )


def build_generation(
    changes: Changes, index_root: Path, texts_root: Path, encoder: DenseEncoder, progress: Progress
) -> tuple[int, int]:
    """Encode, write and seal the next generation; returns its number and the texts that were encoded."""
    texts = changes.texts_to_embed
    with open_vector_cache(index_root / _CACHE, encoder.digest) as cache:
        calls = cache.encode_missing(texts, encoder, partial(progress, "encode"))
        dimensions = cache.dimensions(texts)
        require_room_for(index_root, texts_root, changes, dimensions)
        store_texts(texts_root, changes.survey.texts)
        maker = PointMaker(changes.survey.passages, cache.vectors, Bm25())
        churn = write_store(
            index_root, changes, maker, lambda: dimensions or encoder.dimensions, partial(progress, "write")
        )
    manifest = seal(index_root, changes.survey.catalogue, changes.schema, churn=churn)
    retire_shards(index_root, keep=KEEP_SHARDS)
    return manifest.number, calls


@contextmanager
def _writing(index_root: Path) -> Iterator[None]:
    """Hold the writer's lock over a clean `work/`, and leave it clean even after an error."""
    with writer_lock(index_root):
        discard_work(index_root)
        try:
            yield
        finally:
            discard_work(index_root)
