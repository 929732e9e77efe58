"""Questions with the page that helps (users' or a model's questions about documentation) to rows of rerank and refusal.

    pairs = with_uris(read_question_pages(map(json.loads, lines)), uris)
    rerank_rows(pairs, candidates).rows
    refusal_rows(pairs, candidates).rows

The candidates of a question come from a callable, best first, so that a flow takes them from its own index: a reranker
must learn from what search really finds.

Format: `{"question", "uri"}`. The page's key may also be `gold_path` or, in Ray's published questions, `source`; where
it moved in time, `"gold_path_per_snapshot": [path or null, ...]`, of which the first counts. A page is a path, or an
address on the web, for which `with_uris` finds the document of an index. The heading that helps is named by `"anchor"`,
or behind the `#` of an address.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import unquote, urldefrag

from serving.interface.context import ContextPassage
from serving.interface.refusal import Answerability
from tuning.converters.addresses import is_address, uri_finder
from tuning.converters.converted import BLANK, Converted, Foreign, LeftOut, collect, draw, read_each
from tuning.errors import DataInvalid
from tuning.metrics.retrieval import names_document
from tuning.rows import Origin, RankedPassage, RefusalRow, RerankRow
from tuning.shingles import fold

__all__ = [
    "ORIGIN",
    "Candidate",
    "Candidates",
    "Pair",
    "read_question_pages",
    "refusal_rows",
    "rerank_rows",
    "with_uris",
]

ORIGIN = Origin(source="question_pages")
MISTAKEN = 10
"""A passage among so many that were found first is one that a judge would be asked about."""

_NO_PAGE = LeftOut("no page is known for it")
_MISSED = LeftOut("no candidate is of its page")
_ALL_GOLD = LeftOut("its candidates are of its page, one as relevant as the other")
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
    """A question and the path or address of the page that helps, None if there is none (any more)."""

    question: str
    path: str | None
    anchor: str | None = None
    """The heading on that page, as a web address names it."""


class _Raw(Foreign):
    question: str
    anchor: str | None = None
    uri: str | None = None
    gold_path: str | None = None
    source: str | None = None
    gold_path_per_snapshot: tuple[str | None, ...] = ()


def read_question_pages(records: Iterable[object]) -> tuple[Pair, ...]:
    """Pairs of the form above. Raises DataInvalid for another one, and if no record names a page."""
    raw = read_each(_Raw, records, "a question with its page")
    if raw and not any(one.uri or one.gold_path or one.source or any(one.gold_path_per_snapshot) for one in raw):
        raise DataInvalid(
            "No question names the page that helps: `uri`, `gold_path`, `source` and `gold_path_per_snapshot` are "
            "missing or empty in all of them.",
            remedy="Give the page of a question as `uri`, as `groundskeeper search` shows it or its end from a `/` on.",
        )
    return tuple(map(_pair, raw))


def with_uris(pairs: Iterable[Pair], uris: Iterable[str]) -> tuple[Pair, ...]:
    """Pairs of which addresses on the web have become uris of an index, where it has their page."""
    find = uri_finder(uris)
    return tuple(replace(pair, path=find(pair.path)) if pair.path else pair for pair in pairs)


def rerank_rows(
    pairs: Iterable[Pair], candidates: Candidates, *, passages: int = 10, origin: Origin = ORIGIN
) -> Converted[RerankRow]:
    """Each question with its `passages` best candidates: relevance 1 for passages of the page that helps, 0 for others.

    Where the heading that helps is named, passages of the page below another have half. The first of the most relevant
    ones takes the last place if it came later. A question whose page search missed altogether is left out:
    no order of its candidates is right. That a passage is of the right page does not say that it is the right
    passage, and another page may help too: such labels are made, hence synthetic.
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
    asked = [_asked(pair, candidates) for pair in pairs]
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
    """A question, the passage of its page that helps, and those of other pages that were found first."""

    pair: Pair
    passage: ContextPassage
    others: Sequence[ContextPassage]


def _asked(pair: Pair, candidates: Candidates) -> _Asked | LeftOut:
    found = _found(pair, candidates)
    if isinstance(found, LeftOut):
        return found
    own = [candidate.passage for candidate, is_own in found if is_own]
    under = [passage for passage in own if _helps(passage, pair.anchor)]
    others = [candidate.passage for candidate, is_own in found[:MISTAKEN] if not is_own]
    return _Asked(pair, under[0], others) if under else _ELSEWHERE


def _found(pair: Pair, candidates: Candidates) -> list[tuple[Candidate, bool]] | LeftOut:
    """What is found for a question, best first, and whether it is of its page; some of it is."""
    if not pair.question.strip():
        return BLANK
    if not pair.path:
        return _NO_PAGE
    found = [(candidate, names_document(pair.path, candidate.uri)) for candidate in candidates(pair.question)]
    return found if any(is_own for _, is_own in found) else _MISSED


def _is_answered(one: _Asked, seed: int) -> bool:
    return draw(seed, "page", fold(one.pair.question)).random() < 0.5


def _mistaken(one: _Asked, pages: Mapping[str, str | None]) -> ContextPassage | None:
    """The first passage found for a question that helps with questions about another page."""
    return next((passage for passage in one.others if passage.id in pages), None)


def _judged(one: _Asked, passage: ContextPassage, page: str | None, origin: Origin) -> RefusalRow:
    answers = passage is one.passage
    return RefusalRow(
        question=one.pair.question,
        passages=(passage,),
        label=Answerability.ANSWERABLE if answers else Answerability.UNANSWERABLE,
        answering=passage.id if answers else None,
        origin=origin.model_copy(update={"document": page}),
    )


def _helps(passage: ContextPassage, anchor: str | None) -> bool:
    """Whether one of the headings above a passage is the one that an address names, if it names one."""
    return anchor is None or _slug(anchor) in map(_slug, passage.title.split(" > "))


def _slug(heading: str) -> str:
    return re.sub(r"[\W_]+", "-", heading.casefold()).strip("-")


def _row(pair: Pair, candidates: Candidates, passages: int, origin: Origin) -> RerankRow | LeftOut:
    found = _found(pair, candidates)
    if isinstance(found, LeftOut):
        return found
    judged = [_ranked(candidate.passage, is_own, pair.anchor) for candidate, is_own in found]
    best = max(judged, key=lambda passage: passage.relevance)
    ranked = tuple(judged[:passages] if best in judged[:passages] else [*judged[: passages - 1], best])
    if len({passage.relevance for passage in ranked}) == 1:
        return _ALL_GOLD
    return RerankRow(
        question=pair.question,
        passages=ranked,
        origin=origin.model_copy(update={"document": pair.path}),
    )


def _ranked(passage: ContextPassage, is_own: bool, anchor: str | None) -> RankedPassage:
    relevance = 0.0 if not is_own else 1.0 if _helps(passage, anchor) else 0.5
    return RankedPassage(**passage.model_dump(), relevance=relevance)


def _pair(raw: _Raw) -> Pair:
    page = raw.uri or raw.gold_path or raw.source or next(iter(raw.gold_path_per_snapshot), None)
    if page is None or not is_address(page):
        return Pair(raw.question, page, _named(raw.anchor))
    address, heading = urldefrag(page)
    return Pair(raw.question, address, _named(raw.anchor) or _named(unquote(heading)))


def _named(anchor: str | None) -> str | None:
    return anchor if anchor and _slug(anchor) else None
