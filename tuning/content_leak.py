"""Does an adapter follow the context, or what it learnt by heart? Facts are swapped, and it must say the new ones.

An adapter holds form and no knowledge. So rows are made from held-out rows in which other facts stand
(`tuning.swapped_rows`), and the adapter is asked again:

    citation       facts of the gold sentences, which the question does not hold, are others everywhere in the passages
    query_rewrite  facts that the rewrite takes from the conversation are others throughout the conversation
    refusal        the passage that answers is one of another document, so nothing answers any more
    rerank         facts of the question are others in the question and in the passages alike, so the order must stand

`follows_context` is the share of judged rows that go along. Not judged, and counted with the reason: a row in which
nothing can be swapped; an answer that shows neither the old fact nor the new; a row on which the system was wrong
before the swap, where there was nothing to keep. Facts are looked for in what the model wrote, before any correction.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import NotRequired, TypedDict, TypeVar, Unpack

from pydantic import BaseModel

from serving.interface.segments import unescape
from tuning.errors import NotJudged
from tuning.evaluation import Evaluation, Judged, Metric, Subject, row_key, run_rows, summarise
from tuning.facts import words_of
from tuning.metrics.rerank import scored
from tuning.rows import CitationRow, QueryRewriteRow, RefusalRow, RerankRow
from tuning.statistics import RESAMPLES
from tuning.swapped_rows import (
    Swapped,
    foreign_passages,
    swap_citation,
    swap_query_rewrite,
    swap_refusal,
    swap_rerank,
)
from tuning.systems import CitationSystem, Progress, RefusalSystem, RerankSystem, RewriteSystem, WrittenAnswer

__all__ = [
    "FOLLOWS_CONTEXT",
    "Asking",
    "failures",
    "leak_citation",
    "leak_query_rewrite",
    "leak_refusal",
    "leak_rerank",
]

FOLLOWS_CONTEXT = "follows_context"
MOST_ROWS = 200
"""Swapped rows that are asked; more would only narrow the interval."""

AnyRow = TypeVar("AnyRow", bound=BaseModel)


class Asking(TypedDict):
    """What every check takes by name."""

    seed: int
    adapter: NotRequired[str]
    """The name under which the system is shown; `none` if it is not given."""
    most: NotRequired[int]
    """Swapped rows that are asked at most; else `MOST_ROWS`."""
    progress: NotRequired[Progress | None]
    resamples: NotRequired[int]


_MARKER = re.compile(r"\[\d+\]")


def leak_citation(
    rows: Sequence[CitationRow],
    system: CitationSystem,
    **asking: Unpack[Asking],
) -> Evaluation:
    """Whether answers show the facts of their passages."""

    def swap(row: CitationRow) -> Swapped[CitationRow] | None:
        return swap_citation(row, asking["seed"])

    def judge(row: CitationRow, swapped: Swapped[CitationRow]) -> Judged:
        return _shows_the_new(swapped.swaps, row.question, _text(system(swapped.row)))

    return _measured("citation", rows, swap, judge, asking)


def leak_query_rewrite(
    rows: Sequence[QueryRewriteRow],
    system: RewriteSystem,
    **asking: Unpack[Asking],
) -> Evaluation:
    """Whether rewrites take their facts from the conversation."""

    def swap(row: QueryRewriteRow) -> Swapped[QueryRewriteRow] | None:
        return swap_query_rewrite(row, asking["seed"])

    def judge(row: QueryRewriteRow, swapped: Swapped[QueryRewriteRow]) -> Judged:
        return _shows_the_new(swapped.swaps, row.question, unescape(system(swapped.row)))

    return _measured("query_rewrite", rows, swap, judge, asking)


def leak_refusal(
    rows: Sequence[RefusalRow],
    system: RefusalSystem,
    *,
    threshold: float,
    beside: Sequence[RefusalRow] = (),
    **asking: Unpack[Asking],
) -> Evaluation:
    """Whether a question that its passage answers is refused on a passage of another document.

    Passages of `beside` are taken too: all of `rows` may be about one document.
    """
    foreign = foreign_passages([*rows, *beside])

    def swap(row: RefusalRow) -> Swapped[RefusalRow] | None:
        return swap_refusal(row, foreign, asking["seed"])

    def judge(row: RefusalRow, swapped: Swapped[RefusalRow]) -> Judged:
        if system(row).answerable < threshold:
            raise NotJudged("refused before the swap")
        odds = system(swapped.row).answerable
        shown = f"{row.question} on a foreign passage -> {odds:.3f}, threshold {threshold:.3f}"
        return Judged({FOLLOWS_CONTEXT: float(odds < threshold)}, shown=shown)

    return _measured("refusal", rows, swap, judge, asking)


def leak_rerank(
    rows: Sequence[RerankRow],
    system: RerankSystem,
    **asking: Unpack[Asking],
) -> Evaluation:
    """Which share of the passages that were rightly above others stay above them under other names."""

    def swap(row: RerankRow) -> Swapped[RerankRow] | None:
        return swap_rerank(row, asking["seed"])

    def judge(row: RerankRow, swapped: Swapped[RerankRow]) -> Judged:
        before = _right_pairs(row, system(row))
        if not before:
            raise NotJudged("no passage was rightly above another before the swap")
        kept = len(before & _right_pairs(swapped.row, system(swapped.row))) / len(before)
        return Judged({FOLLOWS_CONTEXT: kept}, shown=f"{row.question} with {_told(swapped.swaps)} -> {kept:.2f}")

    return _measured("rerank", rows, swap, judge, asking)


def failures(evaluation: Evaluation, most: int = 5) -> tuple[str, ...]:
    """Rows that did not follow the context, as text, for a report."""
    judged = [outcome.judged for outcome in evaluation.outcomes if outcome.judged]
    return tuple(row.shown for row in judged if row.values[FOLLOWS_CONTEXT] < 1)[:most]


_METRIC = Metric(FOLLOWS_CONTEXT)


def _text(written: WrittenAnswer) -> str:
    """What the model wrote, whose numbers in brackets are no facts; else what is shown."""
    if written.raw is None:
        return " ".join(sentence.text for sentence in written.sentences)
    return unescape(_MARKER.sub(" ", written.raw))


def _measured(
    behaviour: str,
    rows: Sequence[AnyRow],
    swap: Callable[[AnyRow], Swapped[AnyRow] | None],
    judge: Callable[[AnyRow, Swapped[AnyRow]], Judged],
    asking: Asking,
) -> Evaluation:
    """The share of swapped rows that go along; rows in which nothing can be swapped are not judged."""

    def judged(row: AnyRow) -> Judged:
        swapped = swap(row)
        if swapped is None:
            raise NotJudged("nothing in the row could be swapped")
        return judge(row, swapped)

    asked = _chosen(rows, swap, asking.get("most", MOST_ROWS), asking["seed"])
    outcomes = run_rows(asked, judged, progress=asking.get("progress"))
    subject = Subject(behaviour, asking.get("adapter", "none"))
    resamples = asking.get("resamples", RESAMPLES)
    return summarise(subject, [_METRIC], outcomes, seed=asking["seed"], resamples=resamples)


def _shows_the_new(swaps: Mapping[str, str], question: str, text: str) -> Judged:
    said = words_of(text)
    old, new = said & swaps.keys(), said & set(swaps.values())
    if not old and not new:
        raise NotJudged("the text shows neither the old facts nor the new")
    return Judged({FOLLOWS_CONTEXT: float(not old)}, shown=f"{question} with {_told(swaps)} -> {text}")


def _told(swaps: Mapping[str, str]) -> str:
    return ", ".join(f"{new} for {old}" for old, new in swaps.items())


def _right_pairs(row: RerankRow, scores: Sequence[float]) -> set[tuple[str, str]]:
    """Ids of passages of which the first rightly scores higher than the second; a tie is no order."""
    pairs = scored(row, scores)
    return {(a.id, b.id) for high, a in pairs for low, b in pairs if high > low and a.relevance > b.relevance}


def _chosen(rows: Sequence[AnyRow], swap_row: Callable[[AnyRow], object], most: int, seed: int) -> list[AnyRow]:
    """Rows drawn by their digests until `most` are met in which something can be swapped, in the order of the rows."""
    by_chance = sorted({row_key(row): row for row in rows}.items(), key=lambda item: _draw(seed, item[0]))
    drawn, able = set[str](), 0
    for key, row in by_chance:
        if able == most:
            break
        drawn.add(key)
        able += swap_row(row) is not None
    return [row for row in rows if row_key(row) in drawn]


def _draw(seed: int, key: str) -> bytes:
    return hashlib.sha256(f"{seed}:{key}".encode()).digest()
