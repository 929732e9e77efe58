"""Doc2Dial's documents and turns as published, and its documents cut into passages.

Two formats, known by their keys. Of the dialogues (v1.0 and v1.0.1): documents `{"doc_data": {domain: {doc_id:
{"doc_text", "spans": {sp_id: {"start_sp", "end_sp"}}}}}}`, turns `{"dial_data": {domain: {doc_id: [{"dial_id", "turns":
[{"turn_id", "utterance", "references": [{"sp_id"}]}]}]}}}` with the role of who spoke. Of the reading comprehension
made of them, an object a line: documents `{"doc_id", "text"}`, turns `{"id": "<dialogue>_<turn>", "doc_id", "history":
["user:...", "agent:..."], "query": "user:...", "answer", "answer_start"}`.

Passages are cut as retrieval cuts a page: whole sections where they fit, the heading in the title.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import AfterValidator, AliasChoices, Field

from serving.interface.context import ContextPassage
from serving.interface.sentences import split_sentences
from tuning.converters.converted import Foreign, draw, read_as

__all__ = ["WORDS", "AskedTurn", "Cut", "Page", "Span", "cut_page", "read_documents", "read_turns", "split_documents"]

WORDS = 200
"""Bound of a passage, as of retrieval's."""

_PARAGRAPH = re.compile(r"\S(?:.*?\S)?(?=\s*\n\s*\n|\s*\Z)", re.DOTALL)


def _said_by_someone(utterance: str) -> str:
    if not utterance.startswith(("user:", "agent:")):
        raise ValueError("does not begin with user: or agent:")
    return utterance


Utterance = Annotated[str, AfterValidator(_said_by_someone)]


@dataclass(frozen=True)
class Span:
    """A part of a document that dialogues refer to by its id (code points, half-open)."""

    id: str
    start: int
    end: int


class Page(Foreign):
    """A document; what stands before `#` in its id is its title."""

    doc_id: str
    text: str
    marked: tuple[Span, ...] = ()
    """Its spans, where dialogues come with it."""

    @property
    def title(self) -> str:
        return self.doc_id.rpartition("#")[0] or self.doc_id


class AskedTurn(Foreign):
    """What a user said last in a dialogue, and the span of the document that answers; empty where none does."""

    id: str
    doc_id: str
    history: tuple[Utterance, ...]
    query: Utterance
    answer: str
    answer_start: int
    """Code points into the document's text."""


class _Span(Foreign):
    start_sp: int
    end_sp: int


class _Document(Foreign):
    doc_text: str
    spans: Mapping[str, _Span]


class _Documents(Foreign):
    doc_data: Mapping[str, Mapping[str, _Document]]


class _Reference(Foreign):
    span: str = Field(validation_alias=AliasChoices("sp_id", "id_sp"))


class _Turn(Foreign):
    turn_id: int
    role: Literal["user", "agent"]
    utterance: str
    references: tuple[_Reference, ...]

    @property
    def said(self) -> str:
        return f"{self.role}:{self.utterance}"


class _Dialogue(Foreign):
    dial_id: str
    turns: tuple[_Turn, ...]


class _Dialogues(Foreign):
    dial_data: Mapping[str, Mapping[str, tuple[_Dialogue, ...]]]


@dataclass(frozen=True)
class Cut:
    """A passage and where it begins in its document (code points)."""

    passage: ContextPassage
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.passage.text)


def read_documents(records: Iterable[object]) -> tuple[Page, ...]:
    """Documents of either format. Raises DataInvalid for another one."""
    return tuple(page for record in records for page in _pages(record))


def read_turns(records: Iterable[object], documents: Sequence[Page] = ()) -> tuple[AskedTurn, ...]:
    """Turns of either format; dialogues need the `documents` they are about. Raises DataInvalid for another one."""
    about = {page.doc_id: page for page in documents}
    return tuple(turn for record in records for turn in _turns(record, about))


def split_documents(documents: Sequence[Page], *, share: float, seed: int) -> tuple[tuple[Page, ...], tuple[Page, ...]]:
    """Documents for training, about `share` of them, and those that no training may see. One title is on one side."""
    titles = sorted({page.title for page in documents}, key=lambda title: (draw(seed, "page", title).random(), title))
    first: set[str] = set()
    for title in titles:
        if sum(page.title in first for page in documents) < round(share * len(documents)):
            first.add(title)
    return (
        tuple(page for page in documents if page.title in first),
        tuple(page for page in documents if page.title not in first),
    )


def cut_page(page: Page) -> tuple[Cut, ...]:
    """The passages of a document: sections of at most `WORDS` words, longer ones cut between sentences."""
    cuts = []
    for match in _PARAGRAPH.finditer(page.text):
        heading, start = _heading(match[0])
        title = f"{page.title} > {heading}" if heading else page.title
        for first, last in _windows(match[0], start):
            at = match.start() + first
            text = page.text[at : match.start() + last]
            cuts.append(Cut(ContextPassage(id=f"{page.doc_id}@{at}", text=text, title=title), at))
    return tuple(cuts)


def _heading(section: str) -> tuple[str, int]:
    """The first line of a section of several lines, without its closing colon, and where the rest begins."""
    line, _, rest = section.partition("\n")
    if not rest.strip():
        return "", 0
    return line.strip().rstrip(":").strip(), len(section) - len(rest.lstrip())


def _windows(section: str, start: int) -> Iterator[tuple[int, int]]:
    """Offsets in `section`, from `start` on, of runs of sentences that have at most `WORDS` words."""
    begin = end = start
    for sentence in split_sentences(section[start:]):
        first, last = start + sentence.start, start + sentence.end
        if begin < end and len(section[begin:last].split()) > WORDS:
            yield begin, end
            begin = first
        end = last
    if begin < end:
        yield begin, end


def _pages(record: object) -> Iterator[Page]:
    if not _has(record, "doc_data"):
        yield read_as(Page, record, "a Doc2Dial document")
        return
    domains = read_as(_Documents, record, "Doc2Dial's file of documents").doc_data
    for name, document in (item for documents in domains.values() for item in documents.items()):
        marked = tuple(Span(span, at.start_sp, at.end_sp) for span, at in document.spans.items())
        yield Page(doc_id=name, text=document.doc_text, marked=marked)


def _turns(record: object, about: Mapping[str, Page]) -> Iterator[AskedTurn]:
    if not _has(record, "dial_data"):
        yield read_as(AskedTurn, record, "a Doc2Dial turn")
        return
    domains = read_as(_Dialogues, record, "Doc2Dial's file of dialogues").dial_data
    for name, dialogues in (item for documents in domains.values() for item in documents.items()):
        page = about.get(name, Page(doc_id=name, text=""))
        spans = {span.id: span for span in page.marked}
        yield from (turn for dialogue in dialogues for turn in _asked(dialogue, page, spans))


def _has(record: object, key: str) -> bool:
    return isinstance(record, dict) and key in record


def _asked(dialogue: _Dialogue, page: Page, spans: Mapping[str, Span]) -> Iterator[AskedTurn]:
    """Each turn of the user that an agent answers; the answer runs from the first to the last span it refers to."""
    for number, (turn, reply) in enumerate(pairwise(dialogue.turns)):
        if (turn.role, reply.role) != ("user", "agent"):
            continue
        cited = [spans[reference.span] for reference in reply.references if reference.span in spans]
        start = min((span.start for span in cited), default=0)
        yield AskedTurn(
            id=f"{dialogue.dial_id}_{turn.turn_id}",
            doc_id=page.doc_id,
            history=tuple(before.said for before in dialogue.turns[:number]),
            query=turn.said,
            answer=page.text[start : max((span.end for span in cited), default=0)],
            answer_start=start,
        )
