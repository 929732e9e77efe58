"""An engine that computes nothing twice, even across processes: what a long judging that was killed goes on with.

    engine = RememberingEngine(open_local_engine(model), run / "answers.sqlite")

What an engine answers depends on the request and on the weights alone, and an adapter's name stands for one content, so
a digest of these is where an answer is found again. Code that asks otherwise finds nothing and is computed.

Covered: kills at any instant, and a file that cannot be read, which is begun anew. Not covered: figures of speed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from serving.assistant.engine import Engine, EngineIdentity, GenerateRequest, ScoreRequest
from serving.interface.segments import Tokenizer
from serving.interface.template import ChatTemplate

__all__ = ["RememberingEngine"]

_TABLE = "CREATE TABLE IF NOT EXISTS answers (request TEXT PRIMARY KEY, answer TEXT NOT NULL) WITHOUT ROWID"


class RememberingEngine:
    """`Engine` over another one, which is asked only what no process has asked it with this file. Closes it, too."""

    def __init__(self, engine: Engine, file: Path) -> None:
        self._engine, self._lock = engine, threading.Lock()
        self._answers = _open(file)

    @property
    def identity(self) -> EngineIdentity:
        """See `Engine`."""
        return self._engine.identity

    @property
    def tokenizer(self) -> Tokenizer:
        """See `Engine`."""
        return self._engine.tokenizer

    @property
    def template(self) -> ChatTemplate:
        """See `Engine`."""
        return self._engine.template

    def generate(self, request: GenerateRequest) -> Iterator[int]:
        """See `Engine`. An answer that was cancelled is not remembered."""
        key = self._key(request)
        known = self._find(key)
        if known is not None:
            yield from known
            return
        written: list[int] = []
        for token in self._engine.generate(request):
            written.append(token)
            yield token
        self._keep({key: written})

    def score(self, requests: Sequence[ScoreRequest]) -> list[tuple[float, ...]]:
        """See `Engine`."""
        asked = {self._key(request): request for request in requests}
        found = {key: self._find(key) for key in asked}
        missing = [key for key, values in found.items() if values is None]
        if missing:
            computed = self._engine.score([asked[key] for key in missing])
            found |= dict(zip(missing, computed, strict=True))
            self._keep({key: found[key] for key in missing})
        return [tuple(found[self._key(request)] or ()) for request in requests]

    def load_adapter(self, name: str, folder: Path) -> None:
        """See `Engine`."""
        self._engine.load_adapter(name, folder)

    def unload_adapter(self, name: str) -> None:
        """See `Engine`."""
        self._engine.unload_adapter(name)

    def close(self) -> None:
        """See `Engine`."""
        self._engine.close()
        with self._lock:
            self._answers.close()

    def _key(self, request: GenerateRequest | ScoreRequest) -> str:
        weights = (self.identity.weights_digest, self.identity.tokenizer_digest)
        return hashlib.sha256(json.dumps([weights, asdict(request)]).encode()).hexdigest()

    def _find(self, key: str) -> Any:
        with self._lock:
            row = self._answers.execute("SELECT answer FROM answers WHERE request = ?", (key,)).fetchone()
        return None if row is None else json.loads(row[0])

    def _keep(self, answers: dict[str, Any]) -> None:
        rows = [(key, json.dumps(answer)) for key, answer in answers.items()]
        # On a full disk: what cannot be kept is computed again.
        with self._lock, contextlib.suppress(sqlite3.OperationalError), self._answers:
            self._answers.executemany("INSERT OR REPLACE INTO answers VALUES (?, ?)", rows)


def _open(file: Path) -> sqlite3.Connection:
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        return _connect(file)
    except sqlite3.DatabaseError:
        file.unlink()
        return _connect(file)


def _connect(file: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(file, check_same_thread=False)
    try:
        connection.execute(_TABLE)
        connection.commit()
    except sqlite3.DatabaseError:
        connection.close()
        raise
    return connection
