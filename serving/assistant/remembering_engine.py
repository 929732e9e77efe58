"""An engine that computes nothing twice, even across processes: what a long judging that was killed goes on with.

    engine = RememberingEngine(open_local_engine(model), run / "answers.sqlite")

What an engine answers depends on the request, on the weights and on the libraries, and an adapter's name stands for one
content, so a digest of these is where an answer is found again. What is asked otherwise is computed.

Covered: kills at any instant. A file that cannot be read or written costs time and nothing else. Not covered: figures
of speed, whether an adapter is still loaded whose answer is known, and a change of the engine's own code.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from serving.assistant.engine import Engine, EngineIdentity, GenerateRequest, ScoreRequest
from serving.interface.segments import Tokenizer
from serving.interface.template import ChatTemplate

__all__ = ["RememberingEngine"]

_COMPUTED_BY = ("groundskeeper", "peft", "torch", "transformers")
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
        decides = [asdict(self.identity), _versions(), asdict(request)]
        return hashlib.sha256(json.dumps(decides).encode()).hexdigest()

    def _find(self, key: str) -> Any:
        with self._lock, contextlib.suppress(sqlite3.Error):
            row = self._answers.execute("SELECT answer FROM answers WHERE request = ?", (key,)).fetchone()
            return None if row is None else json.loads(row[0])
        return None

    def _keep(self, answers: dict[str, Any]) -> None:
        rows = [(key, json.dumps(answer)) for key, answer in answers.items()]
        with self._lock, contextlib.suppress(sqlite3.Error), self._answers:
            self._answers.executemany("INSERT OR REPLACE INTO answers VALUES (?, ?)", rows)


def _open(file: Path) -> sqlite3.Connection:
    """The file; memory while it cannot be opened. What is no database is begun anew."""
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        return _connect(str(file))
    except sqlite3.OperationalError:
        return _connect(":memory:")
    except sqlite3.DatabaseError:
        file.unlink()
        return _connect(str(file))


def _connect(name: str) -> sqlite3.Connection:
    connection = sqlite3.connect(name, check_same_thread=False)
    try:
        connection.execute(_TABLE)
    except sqlite3.DatabaseError:
        connection.close()
        raise
    return connection


@cache
def _versions() -> list[str]:
    return [version(name) for name in _COMPUTED_BY]
