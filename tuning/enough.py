"""Whether the gate could pass anybody on these rows: asked before anything is trained.

    require_enough(thresholds, snapshot, seed=0)

Counted from the rows alone. A model may fail to be judged on some of them, so enough rows promise no verdict.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence

from serving.interface.behaviours import Behaviour
from serving.interface.refusal import Answerability
from tuning.errors import TrainingNotAdvised
from tuning.row_parts import TrainingRow
from tuning.rows import CitationRow, QueryRewriteRow, RefusalRow, RerankRow
from tuning.snapshot import Snapshot
from tuning.swapped_rows import foreign_passages, swap_citation, swap_query_rewrite, swap_refusal, swap_rerank
from tuning.thresholds import GateThresholds

__all__ = ["require_enough"]


def require_enough(thresholds: GateThresholds, snapshot: Snapshot, *, seed: int) -> None:
    """Raises TrainingNotAdvised where the gate's least numbers cannot be met, with each of them."""
    missing = [*_too_few(thresholds, snapshot, seed), *_to_calibrate(thresholds, snapshot)]
    if missing:
        raise TrainingNotAdvised(
            f"The gate could pass no adapter on these rows, so nothing was trained: {'; '.join(missing)}.",
            remedy="Give more rows of these kinds, or a gate that asks for fewer with --gate.",
        )


def _too_few(thresholds: GateThresholds, snapshot: Snapshot, seed: int) -> Iterator[str]:
    held_out = [row for row in snapshot.rows("held_out") if _can_be_judged(row)]
    able = sum(swap is not None for swap in _swaps(held_out, snapshot.rows("train"), seed))
    for count, least, what in (
        (len(held_out), thresholds.rows.least_judged, "held-out rows that can be judged"),
        (able, thresholds.content_leak.least_judged, "held-out rows whose facts can be swapped"),
    ):
        if count < least:
            yield f"{count} {what} of at least {least}"


def _to_calibrate(thresholds: GateThresholds, snapshot: Snapshot) -> Iterator[str]:
    """Of refusal, whose metrics and decision need rows of both classes, and of rerank, which weighs orders."""
    if thresholds.behaviour is Behaviour.REFUSAL:
        for split, least in ("held_out", math.ceil(thresholds.rows.least_judged / 2)), ("calibration", 1):
            labels = Counter(row.label for row in snapshot.rows(split) if isinstance(row, RefusalRow))
            for label in Answerability.ANSWERABLE, Answerability.UNANSWERABLE:
                if labels[label] < least:
                    yield f"{labels[label]} {label} rows in {split} of at least {least}"
    if thresholds.behaviour is Behaviour.RERANK and not any(map(_can_be_judged, snapshot.rows("calibration"))):
        yield "0 rows in calibration whose passages differ in relevance of at least 1"


def _can_be_judged(row: TrainingRow) -> bool:
    """Whether the row alone allows it: passages of equal relevance have no order to find."""
    return not isinstance(row, RerankRow) or len({passage.relevance for passage in row.passages}) > 1


def _swaps(rows: Sequence[TrainingRow], beside: Sequence[TrainingRow], seed: int) -> Iterator[object]:
    foreign = foreign_passages([row for row in (*rows, *beside) if isinstance(row, RefusalRow)])
    for row in rows:
        match row:
            case RefusalRow():
                yield swap_refusal(row, foreign, seed)
            case CitationRow():
                yield swap_citation(row, seed)
            case QueryRewriteRow():
                yield swap_query_rewrite(row, seed)
            case _:
                yield swap_rerank(row, seed)
