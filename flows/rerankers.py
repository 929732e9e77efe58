"""The rerankers that are open in this process, by version: beside the engine, since each has its own encoder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from serving.assistant.reranker import Reranker
    from serving.assistant.running import Running

__all__ = ["Rerankers"]


class Rerankers:
    """Opens each version once. A reranker's calibration holds `passage_tokens`, what of a passage it reads."""

    def __init__(self, base: Path | None, threads: int | None) -> None:
        """`base`: the encoder that rerankers are made over; None where none is used."""
        self._base, self._threads = base, threads
        self._open: dict[str, Reranker] = {}

    def load(self, running: Running, folder: Path) -> None:
        """Open the adapter in `folder` as the version of `running`. Raises what `open_reranker` does."""
        from serving.assistant.reranker import open_reranker

        if self._base is None:
            raise ValueError("no encoder was prepared for rerankers")
        if running.mode not in self._open:
            (tokens,) = running.calibrated("passage_tokens")
            self._open[running.mode] = open_reranker(
                self._base, folder, passage_tokens=round(tokens), threads=self._threads
            )

    def of(self, running: Running) -> Reranker | None:
        """The reranker of a version; None for the order of the search."""
        return self._open[running.mode] if running.tuned else None
