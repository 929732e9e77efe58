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
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from serving.interface.context import ContextPassage
from serving.interface.refusal import Answerability
from tuning.converters.converted import Converted, Foreign, LeftOut, collect, draw, read_as
from tuning.errors import DataInvalid
from tuning.rows import Origin, RankedPassage, RefusalRow, RerankRow, Words
from tuning.shingles import fold

__all__ = ["ORIGIN", "Candidate", "Candidates", "Pair", "read_question_pages", "refusal_rows", "rerank_rows"]

ORIGIN = Origin(source="question_pages")
MISTAKEN = 10
"""A passage among so many that were found first is one that a judge would be asked about."""

_NO_PAGE = LeftOut("no page is known for it")
_MISSED = LeftOut("no candidate is of its page")
_ALL_GOLD = LeftOut("every candidate is of its page")
_ELSEWHERE = LeftOut("no candidate stands under its heading")
_NOT_MISTAKEN = LeftOut("its passage was found for no question about another page")
_NO_MISTAKE = LeftOut("no passage that helps elsewhere was found for it")


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
    """Questions with the passage that helps, and others with a passage that helps elsewhere and was found for them.

    The passage that helps is the best one under the heading, or where no heading is named, the best of the page. A
    question has one of the two parts, drawn from its words: it is in one row, and cannot cross from one split to
    another. A passage is shown with both labels or with none. Nobody has checked them: the rows are synthetic.
    """
    asked = [_asked(pair, candidates(pair.question)) for pair in pairs]
    known = [one for one in asked if isinstance(one, _Asked)]
    pages = {one.passage.id: one.pair.path for one in known if _is_answered(one, seed)}
    mistaken = {one.pair: wrong for one in known if not _is_answered(one, seed) and (wrong := _mistaken(one, pages))}
    both = {passage.id for passage in mistaken.values()}
    made = origin.model_copy(update={"synthetic": True, "slice": "page"})

    def judged(one: _Asked | LeftOut) -> RefusalRow | LeftOut:
        if isinstance(one, LeftOut):
            return one
        if _is_answered(one, seed):
            return _judged(one, one.passage, one.pair.path, made) if one.passage.id in both else _NOT_MISTAKEN
        wrong = mistaken.get(one.pair)
        return _judged(one, wrong, pages[wrong.id], made) if wrong else _NO_MISTAKE

    return collect(map(judged, asked))


@dataclass(frozen=True)
class _Asked:
    """A question, what was found for it, and of that the passage that helps."""

    pair: Pair
    shown: Sequence[Candidate]
    passage: ContextPassage


def _asked(pair: Pair, shown: Sequence[Candidate]) -> _Asked | LeftOut:
    if pair.path is None:
        return _NO_PAGE
    own = [candidate.passage for candidate in shown if _is_of(candidate, pair.path)]
    if not own:
        return _MISSED
    under = [passage for passage in own if pair.anchor is None or _stands_under(passage, pair.anchor)]
    return _Asked(pair, shown, under[0]) if under else _ELSEWHERE


def _is_answered(one: _Asked, seed: int) -> bool:
    return draw(seed, "page", fold(one.pair.question)).random() < 0.5


def _mistaken(one: _Asked, pages: Mapping[str, str | None]) -> ContextPassage | None:
    """The first passage found for a question that helps with questions about another page."""
    found = (candidate.passage for candidate in one.shown[:MISTAKEN])
    return next((passage for passage in found if pages.get(passage.id, one.pair.path) != one.pair.path), None)


def _judged(one: _Asked, passage: ContextPassage, page: str | None, origin: Origin) -> RefusalRow:
    answers = passage is one.passage
    return RefusalRow(
        question=one.pair.question,
        passages=(passage,),
        label=Answerability.ANSWERABLE if answers else Answerability.UNANSWERABLE,
        answering=passage.id if answers else None,
        origin=origin.model_copy(update={"document": page}),
    )


def _stands_under(passage: ContextPassage, anchor: str) -> bool:
    """Whether one of the headings above a passage is the one that an address names."""
    return _slug(anchor) in map(_slug, passage.title.split(" > "))


def _slug(heading: str) -> str:
    return re.sub(r"[\W_]+", "-", heading.casefold()).strip("-")


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
