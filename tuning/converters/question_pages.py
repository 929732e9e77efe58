"""Questions with the page that helps (users' or a model's questions about documentation) to rows of reranking.

    pairs = read_question_pages(map(json.loads, lines))
    rerank_rows(pairs, candidates).rows

The candidates of a question come from a callable, best first, so that a flow takes them from its own index: a reranker
must learn from what search really finds.

Format: `{"question", "gold_path"}` or, where a page moved in time, `{"question", "gold_path_per_snapshot": [path or
null, ...]}`, of which `snapshot` picks one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from serving.interface.context import ContextPassage
from tuning.converters.converted import Converted, Foreign, LeftOut, collect, read_as
from tuning.errors import DataInvalid
from tuning.rows import Origin, RankedPassage, RerankRow, Words

__all__ = ["ORIGIN", "Candidate", "Candidates", "Pair", "read_question_pages", "rerank_rows"]

ORIGIN = Origin(source="question_pages")

_NO_PAGE = LeftOut("no page is known for it")
_MISSED = LeftOut("no candidate is of its page")
_ALL_GOLD = LeftOut("every candidate is of its page")


@dataclass(frozen=True)
class Candidate:
    """A passage that search found, and the uri of its document."""

    uri: str
    passage: ContextPassage


Candidates = Callable[[str], Sequence[Candidate]]
"""From a question to the passages found for it, best first."""


@dataclass(frozen=True)
class Pair:
    """A question and the path of the page that helps, None if there is none (any more)."""

    question: str
    path: str | None


class _Raw(Foreign):
    question: Words
    gold_path: str | None = None
    gold_path_per_snapshot: tuple[str | None, ...] = ()


def read_question_pages(records: Iterable[object], *, snapshot: int = 0) -> tuple[Pair, ...]:
    """Pairs of the form above. Raises DataInvalid for another one, and for a snapshot that a record does not have."""
    raw = read_as(tuple[_Raw, ...], tuple(records), "a list of questions with pages")
    return tuple(Pair(one.question, one.gold_path or _path_at(one, snapshot)) for one in raw)


def rerank_rows(
    pairs: Iterable[Pair], candidates: Candidates, *, passages: int = 10, origin: Origin = ORIGIN
) -> Converted[RerankRow]:
    """Each question with its `passages` best candidates: relevance 1 for passages of the page that helps, 0 for others.

    When none of the best is of that page, the best one that is takes the last place. A question whose page search
    missed altogether is left out: no order of its candidates is right. That a passage is of the right page does
    not say that it is the right passage, and another page may help too: such labels are made, hence synthetic.
    """
    made = origin.model_copy(update={"synthetic": True})
    return collect(_row(pair, candidates, passages, made) for pair in pairs)


def _row(pair: Pair, candidates: Candidates, passages: int, origin: Origin) -> RerankRow | LeftOut:
    if pair.path is None:
        return _NO_PAGE
    found = candidates(pair.question)
    gold = [_is_of(candidate, pair.path) for candidate in found]
    if not any(gold):
        return _MISSED
    shown = list(range(len(found)))[:passages]
    if not any(gold[place] for place in shown):
        shown[-1] = gold.index(True)
    if all(gold[place] for place in shown):
        return _ALL_GOLD
    return RerankRow(
        question=pair.question,
        passages=tuple(_ranked(found[place].passage, gold[place]) for place in shown),
        origin=origin.model_copy(update={"document": pair.path}),
    )


def _ranked(passage: ContextPassage, gold: bool) -> RankedPassage:
    return RankedPassage(**passage.model_dump(), relevance=float(gold))


def _is_of(candidate: Candidate, path: str) -> bool:
    """Whether the uri ends with the path, from a `/` on."""
    return f"/{candidate.uri}".endswith(f"/{path}")


def _path_at(raw: _Raw, snapshot: int) -> str | None:
    paths = raw.gold_path_per_snapshot
    if paths and not 0 <= snapshot < len(paths):
        raise DataInvalid(
            f"There is no snapshot {snapshot} of the page of {raw.question!r}.",
            remedy=f"Name a snapshot from 0 to {len(paths) - 1}.",
        )
    return paths[snapshot] if paths else None
