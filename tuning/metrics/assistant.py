"""The whole assistant: does it answer what the documents answer, citing the right page, and refuse the rest?

A page that search did not bring is no fault of the answer, so `answered_and_cites_uri` looks at rows whose page was
retrieved, and `answered_and_cites_uri_overall` at all rows that name one.
"""

from __future__ import annotations

from collections.abc import Sequence

from tuning.evaluation import Evaluation, Judged, Metric, Subject, run_rows, summarise
from tuning.metrics.retrieval import names_document
from tuning.rows import AssistantRow
from tuning.statistics import RESAMPLES
from tuning.systems import AssistantSystem, Progress, Reply

__all__ = ["METRICS", "evaluate_assistant", "judge_reply"]

METRICS = tuple(
    Metric(name)
    for name in (
        "answered_and_cites_uri",  # of the rows whose page was retrieved
        "answered_and_cites_uri_overall",
        "retrieved",
        "answered_when_answerable",
        "refused_when_foreign",
    )
)


def evaluate_assistant(
    rows: Sequence[AssistantRow],
    system: AssistantSystem,
    *,
    seed: int,
    adapter: str = "none",
    progress: Progress | None = None,
    resamples: int = RESAMPLES,
) -> Evaluation:
    """Measures replies; every metric is a share of rows, higher is better."""
    outcomes = run_rows(rows, lambda row: judge_reply(row, system(row)), progress=progress)
    return summarise(Subject("assistant", adapter), METRICS, outcomes, seed=seed, resamples=resamples)


def judge_reply(row: AssistantRow, reply: Reply) -> Judged:
    """What a reply earns."""
    shown = f"{row.question} -> {'refused' if reply.refused else ', '.join(reply.cited_uris)}"
    if not row.answerable:
        return Judged({"refused_when_foreign": float(reply.refused)}, counts=("foreign",), shown=shown)
    values = {"answered_when_answerable": float(not reply.refused)}
    if row.uri is not None:
        found = any(names_document(row.uri, uri) for uri in reply.retrieved_uris)
        right = not reply.refused and any(names_document(row.uri, uri) for uri in reply.cited_uris)
        values |= {"retrieved": float(found), "answered_and_cites_uri_overall": float(right)}
        if found:
            values["answered_and_cites_uri"] = float(right)
    return Judged(values, counts=("answerable",), shown=shown)
