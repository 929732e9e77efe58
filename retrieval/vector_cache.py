"""The memory of the embedder: each distinct text is encoded once, ever.

    with open_vector_cache(index_root / "vectors.sqlite", encoder.digest) as cache:
        calls = cache.encode_missing(texts, encoder)
        vectors = cache.vectors(texts)

A row is keyed by sha256 of (embedder digest, text), so a changed embedder finds nothing and a text that
moves, is renamed or comes back is found. Each batch is committed when it is done: a kill
loses one batch at most. The file is a cache of what the embedder would say: deleting it costs time only.
"""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from retrieval.errors import EncoderFailed, IndexBusy, IndexDamaged, IndexUnusable
from serving.interface.errors import GroundskeeperError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from retrieval.encoding import DenseEncoder

__all__ = ["VectorCache", "missing_texts", "open_vector_cache"]

_COMMIT_EVERY = 64
"""Texts per commit: a few seconds of encoding on one core."""
_PATIENCE = 5.0
"""Seconds to wait for another process that is in the file; writers exclude each other by their own lock."""
_SCHEMA = "CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, vector BLOB NOT NULL) WITHOUT ROWID"


@contextmanager
def open_vector_cache(path: Path, embedder: str) -> Iterator[VectorCache]:
    """The cache for one embedder digest, created if needed; raises IndexDamaged, IndexBusy, IndexUnusable."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with _failures_named(path), closing(sqlite3.connect(path, timeout=_PATIENCE)) as connection:
        connection.execute(_SCHEMA)
        yield VectorCache(connection, embedder)


def missing_texts(path: Path, embedder: str, texts: Iterable[str]) -> list[str]:
    """Distinct texts the embedder would have to encode, found without writing anything."""
    if not path.exists():
        return list(dict.fromkeys(texts))
    read_only = f"{path.absolute().as_uri()}?mode=ro"
    with _failures_named(path), closing(sqlite3.connect(read_only, uri=True, timeout=_PATIENCE)) as connection:
        made = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'vectors'").fetchone()
        return VectorCache(connection, embedder).missing(texts) if made else list(dict.fromkeys(texts))


@dataclass(frozen=True)
class VectorCache:
    """Vectors by text, for one embedder; opened by `open_vector_cache`."""

    connection: sqlite3.Connection
    embedder: str

    def missing(self, texts: Iterable[str]) -> list[str]:
        """The distinct texts without a vector, in order of first appearance."""
        return [text for text in dict.fromkeys(texts) if self._row(text) is None]

    def vectors(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """[n, d] for texts that are all in the cache; a missing one raises KeyError."""
        import numpy as np

        rows = [self._row(text) for text in texts]
        if None in rows:
            raise KeyError(texts[rows.index(None)])
        return np.frombuffer(b"".join(row for row in rows if row is not None), dtype="<f4").reshape(len(texts), -1)

    def dimensions(self, texts: Sequence[str]) -> int:
        """Length of these texts' vectors, without asking the encoder; 0 if there are no texts."""
        return int(self.vectors(texts[:1]).shape[1]) if texts else 0

    def encode_missing(
        self, texts: Iterable[str], encoder: DenseEncoder, progress: Callable[[int, int], None] | None = None
    ) -> int:
        """Encode what has never been seen and return how many texts that were.

        `progress(done, total)` is called after each committed batch. Raises EncoderFailed.
        """
        missing = sorted(self.missing(texts), key=lambda text: (len(text), text))
        for first in range(0, len(missing), _COMMIT_EVERY):
            batch = missing[first : first + _COMMIT_EVERY]
            self._store(batch, _encode_checked(encoder, batch))
            if progress is not None:
                progress(first + len(batch), len(missing))
        return len(missing)

    def _row(self, text: str) -> bytes | None:
        row = self.connection.execute("SELECT vector FROM vectors WHERE key = ?", (self._key(text),)).fetchone()
        return None if row is None else bytes(row[0])

    def _store(self, texts: Sequence[str], vectors: NDArray[np.float32]) -> None:
        rows = [(self._key(text), vector.astype("<f4").tobytes()) for text, vector in zip(texts, vectors, strict=True)]
        with self.connection:
            self.connection.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?)", rows)

    def _key(self, text: str) -> bytes:
        return hashlib.sha256(f"{self.embedder}\0{text}".encode()).digest()


def _encode_checked(encoder: DenseEncoder, texts: Sequence[str]) -> NDArray[np.float32]:
    """The encoder's answer, once it is known to be finite unit vectors of the right shape."""
    import numpy as np

    try:
        vectors = np.asarray(encoder.encode(texts), dtype=np.float32)
    except GroundskeeperError:
        raise
    except Exception as cause:  # whatever a foreign model raises means the same to a refresh
        raise EncoderFailed(f"The embedder failed on {len(texts)} texts: {cause!r}", remedy=_REMEDY) from cause
    if vectors.shape != (len(texts), encoder.dimensions):
        raise EncoderFailed(
            f"The embedder answered {len(texts)} texts with an array of shape {vectors.shape}; "
            f"expected {(len(texts), encoder.dimensions)}.",
            remedy=_REMEDY,
        )
    if not np.allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-3):  # false for NaN too
        raise EncoderFailed("The embedder answered with vectors that are not of unit length.", remedy=_REMEDY)
    return vectors


_REMEDY = "The index is unchanged. Check the embedder (model files, memory), then refresh again."


@contextmanager
def _failures_named(path: Path) -> Iterator[None]:
    """What SQLite refuses, in our words; a full disk is named by whoever knows the disk."""
    try:
        yield
    except sqlite3.OperationalError as cause:
        reason = cause.sqlite_errorcode & 0xFF  # the low byte, whatever the detail
        if reason == sqlite3.SQLITE_FULL:
            raise
        if reason in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise IndexBusy(f"The vector cache {path} is in use: {cause}.", remedy=_WAIT) from cause
        raise IndexUnusable(f"The vector cache {path} cannot be used: {cause}.", remedy=_CHECK) from cause
    except sqlite3.DatabaseError as cause:  # no database, or a torn one
        raise IndexDamaged(
            f"The vector cache {path} is damaged: {cause}.",
            remedy=f"Delete {path}; it is a cache, and the next refresh encodes the texts again.",
        ) from cause


_WAIT = "Wait for the other process to end, then try again."
_CHECK = (
    "Check that you may read and write the file and its folder and that the disk works, then refresh again. What a "
    "killed refresh left in it is mended by a refresh, not by a plan."
)
