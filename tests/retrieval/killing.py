"""Kills a refresh with SIGKILL, while a reader runs: the mechanics shared by the test and the benchmark.

    python -m tests.retrieval.killing refresh ROOT DOCS LOG [--kill-at N]     one refresh, in a process of its own
    python -m tests.retrieval.killing follow ROOT                        a reader, until its input closes

Both take `--embedder FOLDER`, a real embedder in place of the readable one.

The refresh notes each operation on the disk (engine, database, sync, rename) in LOG before it begins, with the
seconds since the first. With
`--kill-at N` it kills itself right before its N-th; a parent may also kill it at any time, inside the engine too.
The reader prints `<generation> <digest of all it can read>` whenever that changes. A real embedder repeats itself
within 1e-6 only: its dense vectors are left out of the digest, and compared by `are_equal`.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

from retrieval.generations import current_number
from retrieval.reader import open_index
from retrieval.search import search
from retrieval.store.edge import EdgeStore
from retrieval.store.protocol import PassagePoint
from retrieval.vector_cache import VectorCache
from tests.retrieval.readable import House

POINTER = "replace CURRENT"
"""The operation after which readers see the new generation."""
RETIRE = "rmtree trash"
"""The removal of an old shard, after the pointer."""


TOLERANCE = 1e-6
"""Largest difference between two answers of a real embedder to one text."""


def digest_of(points: Iterable[PassagePoint], house: House) -> str:
    """One short hash over every payload and every vector that is the same whenever it is computed."""
    repeatable = points if house.embedder is None else (replace(point, dense=()) for point in points)
    return hashlib.sha256("\n".join(sorted(map(repr, repeatable))).encode()).hexdigest()[:12]


def are_equal(one: Mapping[str, PassagePoint], other: Mapping[str, PassagePoint], house: House) -> bool:
    """Whether two indexes hold the same: with a real embedder, dense vectors within the tolerance."""
    if house.embedder is None or one.keys() != other.keys():
        return one == other
    far = max((abs(a - b) for key in one for a, b in zip(one[key].dense, other[key].dense, strict=True)), default=0.0)
    return far <= TOLERANCE and digest_of(one.values(), house) == digest_of(other.values(), house)


def start(house: House, *arguments: str | Path) -> subprocess.Popen[str]:
    """This module in a process of its own."""
    embedder = () if house.embedder is None else ("--embedder", house.embedder)
    command = [sys.executable, "-m", "tests.retrieval.killing", *map(str, (*arguments, *embedder))]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@dataclass(frozen=True)
class Operation:
    """Something that a refresh did to the disk, or was about to do when it died."""

    seconds: float
    """Since the first operation of that refresh."""
    name: str


def operations(log: Path) -> list[Operation]:
    """What stands in the log, in order; a line cut off by a kill is left out."""
    lines = log.read_text().splitlines(keepends=True) if log.exists() else []
    split = (line.rstrip("\n").split(" ", 1) for line in lines if line.endswith("\n"))
    return [Operation(float(seconds), name) for seconds, name in split]


def run_refresh(house: House, log: Path, *, kill_at: int = 0, kill_after: float | None = None) -> int:
    """Refresh in another process; returns its exit status. `kill_after` counts seconds from its first operation."""
    log.unlink(missing_ok=True)
    with start(house, "refresh", house.root, house.docs, log, "--kill-at", str(kill_at)) as child:
        if kill_after is not None:
            while child.poll() is None and not operations(log):
                time.sleep(0.001)
            time.sleep(kill_after)
            child.kill()
        return child.wait()


def _refresh(house: House, log: Path, kill_at: int) -> None:
    descriptor, begun, first = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), count(1), time.monotonic()

    def note(name: str) -> None:
        os.write(descriptor, f"{time.monotonic() - first:.4f} {name}\n".encode())
        if next(begun) == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    for owner, name in _OPERATIONS:
        setattr(owner, name, _noted(getattr(owner, name), name, note))
    house.refresh()


_OPERATIONS: list[tuple[Any, str]] = [
    (VectorCache, "_store"),
    (EdgeStore, "upsert"),
    (EdgeStore, "delete"),
    (EdgeStore, "flush"),
    (EdgeStore, "close"),
    (os, "fsync"),
    (os, "rename"),
    (os, "replace"),
    (shutil, "rmtree"),
]


def _noted(function: Callable[..., Any], name: str, note: Callable[[str], None]) -> Callable[..., Any]:
    def wrapper(*arguments: Any, **options: Any) -> Any:
        path = arguments[-1] if name in {"rename", "replace", "rmtree"} else None
        note(name if path is None else f"{name} {Path(path).name}")
        return function(*arguments, **options)

    return wrapper


def _follow(house: House) -> None:
    """Search and follow until the parent closes our input; print each state that is seen."""
    os.set_blocking(sys.stdin.fileno(), False)
    encoder, seen = house.encoder, ""
    with open_index(house.index_root, embedder=encoder.digest) as reader:
        while os.get_blocking(sys.stdin.fileno()) or _still_open():
            reader.follow()
            hits = search(reader, encoder, "red apples", top_k=5)
            with reader.lease() as lease:
                points = list(lease.store.scroll())
                state = f"{lease.generation.number} {digest_of(points, house)}"
            assert hits or not points
            if state != seen:
                sys.stdout.write(f"{state}\n")
                sys.stdout.flush()
                seen = state
            time.sleep(0.005)  # leaves the processor to the writer


def _still_open() -> bool:
    try:
        return os.read(sys.stdin.fileno(), 1) != b""
    except BlockingIOError:
        return True


def served(house: House) -> str:
    """The state that is served now, as the reader prints it."""
    return f"{current_number(house.index_root)} {digest_of(house.points().values(), house)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["refresh", "follow"])
    parser.add_argument("root", type=Path)
    parser.add_argument("docs", type=Path, nargs="?")
    parser.add_argument("log", type=Path, nargs="?")
    parser.add_argument("--kill-at", type=int, default=0)
    parser.add_argument("--embedder", type=Path)
    given = parser.parse_args()
    if given.what == "follow":
        _follow(House(given.root, embedder=given.embedder))
    else:
        _refresh(House(given.root, given.docs, embedder=given.embedder), given.log, given.kill_at)


if __name__ == "__main__":
    main()
