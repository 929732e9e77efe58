"""`evaluate retrieval`: a user's questions against the served generation, one ranking or all three side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.wiring import SearchDesk, open_search

if TYPE_CHECKING:
    from flows.settings import Settings
    from retrieval.search import Mode
    from tuning.metrics.retrieval import RetrievalReport
    from tuning.rows import RetrievalRow

__all__ = ["RetrievalEvaluation", "evaluate_search"]

MODES: tuple[Mode, ...] = ("bm25", "dense", "hybrid")
_DEPTH = 100
"""Passages of a ranking that are looked at; a document further down counts as not found."""


@dataclass(frozen=True)
class RetrievalEvaluation:
    """Reports by mode, in the order of MODES; the last is what answers rest on."""

    generation: int
    reports: dict[Mode, RetrievalReport]

    def as_json(self) -> dict[str, Any]:
        """Metrics of the last mode on top, as every evaluation shows them; all modes beside each other below."""
        mode, report = list(self.reports.items())[-1]
        counts = {"rows": report.rows, "judged": report.judged, "unjudged": report.unjudged}
        modes = {mode: _metrics(report) for mode, report in self.reports.items()}
        head = {"behaviour": "retrieval", "adapter": "none", "generation": self.generation, "mode": mode}
        return head | counts | {"metrics": modes[mode], "modes": modes}

    def as_text(self) -> str:
        """A table: a row a metric, a column a mode."""
        report = next(iter(self.reports.values()))
        lines = [f"{report.rows} rows, {report.judged} judged, {report.unjudged} name no indexed document."]
        lines.append("".join(f"{title:<24}" for title in ("", *self.reports)).rstrip())
        for name in report.metrics:
            cells = [_cell(asdict(report.metrics[name])) for report in self.reports.values()]
            lines.append("".join(f"{cell:<24}" for cell in (name, *cells)).rstrip())
        return "\n".join([*lines, "Best passage of each document; in brackets the 95% bootstrap interval."])


def evaluate_search(
    settings: Settings,
    data: Path,
    mode: Mode | None,
    say: Callable[[str], None],
    progress: Callable[[str, int, int], None],
) -> RetrievalEvaluation:
    """Runs the rows of `data` through one mode, or all. Raises RowsInvalid and what opening the index raises."""
    from retrieval.generations import read_catalogue
    from tuning.metrics.retrieval import evaluate_retrieval
    from tuning.rows import RetrievalRow, read_rows

    rows = read_rows(data, RetrievalRow)
    with open_search(settings, say) as desk:
        number = desk.reader.generation.number
        _, catalogue = read_catalogue(settings.index_root, number)
        uris = [document.uri for document in catalogue.documents]
        reports: dict[Mode, RetrievalReport] = {}
        for chosen in (mode,) if mode else MODES:
            ranking = _ranking(desk, chosen, rows, progress)
            reports[chosen] = evaluate_retrieval(rows, uris, ranking, seed=settings.seed)
    return RetrievalEvaluation(number, reports)


def _ranking(
    desk: SearchDesk, mode: Mode, rows: Sequence[RetrievalRow], progress: Callable[[str, int, int], None]
) -> Callable[[str], Sequence[str]]:
    from retrieval.search import search

    done = 0

    def ranked(question: str) -> list[str]:
        nonlocal done
        done += 1
        progress(mode, done, len(rows))
        return [hit.passage.uri for hit in search(desk.reader, desk.encoder, question, top_k=_DEPTH, mode=mode)]

    return ranked


def _metrics(report: RetrievalReport) -> dict[str, dict[str, float]]:
    return {name: asdict(interval) for name, interval in report.metrics.items()}


def _cell(interval: dict[str, float]) -> str:
    return f"{interval['value']:.3f} [{interval['low']:.3f}, {interval['high']:.3f}]"
