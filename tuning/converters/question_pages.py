"""Questions with the page that helps (users' or a model's questions about documentation) to rows of rerank and refusal.

    pairs = read_question_pages(map(json.loads, lines))
    rerank_rows(pairs, candidates).rows
    refusal_rows(pairs, candidates).rows

The candidates of a question come from a callable, best first, so that a flow takes them from its own index: a reranker
must learn from what search really finds.

Format: `{"question", "gold_path"}` or, where a page moved in time, `{"question", "gold_path_per_snapshot": [path or
null, ...]}`, of which `snapshot` picks one; with `"anchor"`, the heading that helps as a web address names it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from serving.interface.context import ContextPassage
from serving.interface.refusal import Answerability
from tuning.converters.converted import Converted, Foreign, LeftOut, collect, draw, read_as
from tuning.errors import DataInvalid
from tuning.rows import Origin, RankedPassage, RefusalRow, RerankRow, Words

__all__ = ["ORIGIN", "Candidate", "Candidates", "Pair", "read_question_pages", "refusal_rows", "rerank_rows"]

ORIGIN = Origin(source="question_pages")
MISTAKEN = 10
"""A passage among so many that were found for a question is one that a judge would be asked about."""

_NO_PAGE = LeftOut("no page is known for it")
_MISSED = LeftOut("no candidate is of its page")
_ALL_GOLD = LeftOut("every candidate is of its page")
_NOT_MISTAKEN = LeftOut("its passage was found for no question about another page")


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
    anchor: str | None = None
    """The heading on that page, as a web address names it."""


class _Raw(Foreign):
    question: Words
    anchor: str | None = None
    gold_path: str | None = None
    gold_path_per_snapshot: tuple[str | None, ...] = ()


def read_question_pages(records: Iterable[object], *, snapshot: int = 0) -> tuple[Pair, ...]:
    """Pairs of the form above. Raises DataInvalid for another one, and for a snapshot that a record does not have."""
    raw = read_as(tuple[_Raw, ...], tuple(records), "a list of questions with pages")
    return tuple(Pair(one.question, one.gold_path or _path_at(one, snapshot), one.anchor) for one in raw)


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


def refusal_rows(
    pairs: Iterable[Pair], candidates: Candidates, *, origin: Origin = ORIGIN, seed: int = 0
) -> Converted[RefusalRow]:
    """Each question with the passage that helps, and that passage with another question it was found for.

    The passage that helps is the best one under the heading, or where no candidate stands there, the best of the page.
    The other question is about another page, so this passage is what a judge would be shown and should not take. A
    passage that was mistaken for no question is left out, so that both labels have the same passages. Nobody has
    checked either label: the rows are synthetic.
    """
    found = [(pair, candidates(pair.question)) for pair in pairs]
    mistaken = _mistaken(found)
    made = origin.model_copy(update={"synthetic": True, "slice": "page"})
    return collect(item for pair, shown in found for item in _judged(pair, shown, mistaken, made, seed))


def _mistaken(found: Iterable[tuple[Pair, Sequence[Candidate]]]) -> Mapping[str, list[str]]:
    """By the id of a passage the questions about other pages for which it was found among the first."""
    mistaken: defaultdict[str, list[str]] = defaultdict(list)
    for pair, shown in found:
        for candidate in shown[:MISTAKEN]:
            if pair.path is not None and not _is_of(candidate, pair.path):
                mistaken[candidate.passage.id].append(pair.question)
    return mistaken


def _judged(
    pair: Pair, shown: Sequence[Candidate], mistaken: Mapping[str, list[str]], origin: Origin, seed: int
) -> Iterator[RefusalRow | LeftOut]:
    if pair.path is None:
        yield _NO_PAGE
        return
    own = [candidate.passage for candidate in shown if _is_of(candidate, pair.path)]
    if not own:
        yield _MISSED
        return
    passage = next((passage for passage in own if pair.anchor and _anchor(passage) == pair.anchor), own[0])
    if not mistaken.get(passage.id):
        yield _NOT_MISTAKEN
        return
    other = draw(seed, "page", pair.question).choice(mistaken[passage.id])
    origin = origin.model_copy(update={"document": pair.path})
    yield RefusalRow(
        question=pair.question,
        passages=(passage,),
        label=Answerability.ANSWERABLE,
        answering=passage.id,
        origin=origin,
    )
    yield RefusalRow(question=other, passages=(passage,), label=Answerability.UNANSWERABLE, origin=origin)


def _anchor(passage: ContextPassage) -> str:
    """The last heading of a passage as a web address names it."""
    return re.sub(r"[^a-z0-9]+", "-", passage.title.rpartition(" > ")[2].lower()).strip("-")


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
