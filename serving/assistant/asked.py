"""One question with everything that belongs to its one answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from serving.assistant.trace import Trace
from serving.interface.turns import Turn

__all__ = ["Asked"]


@dataclass(frozen=True)
class Asked:
    """What came in, and where pieces of the answer and timings go."""

    question: str
    history: tuple[Turn, ...]
    seed: int
    trace: Trace
    on_text: Callable[[str], None]
