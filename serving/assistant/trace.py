"""How long each stage of an answer took, and which one has just begun."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["Trace"]


class Trace:
    """Stage timings of one answer; a stage that is entered again adds up."""

    def __init__(self, clock: Callable[[], float], on_stage: Callable[[str], None] | None) -> None:
        """`clock` returns seconds; `on_stage` is told the name of each stage when it first begins."""
        self._clock = clock
        self._on_stage = on_stage
        self._seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time what runs inside as part of stage `name`."""
        if name not in self._seconds and self._on_stage:
            self._on_stage(name)
        self._seconds.setdefault(name, 0.0)
        began = self._clock()
        try:
            yield
        finally:
            self._seconds[name] += self._clock() - began

    @property
    def timings_ms(self) -> dict[str, float]:
        """Stage -> milliseconds so far."""
        return {name: round(seconds * 1000, 1) for name, seconds in self._seconds.items()}
