"""Doc2Dial's documents and turns as published, and its documents cut into passages.

Format, of the reading comprehension part: documents `{"doc_id", "text"}`, turns `{"id": "<dialogue>_<turn>", "doc_id",
"history": ["user:...", "agent:..."], "query": "user:...", "answer", "answer_start"}`. Passages are cut as retrieval
cuts a page: whole sections where they fit, the heading in the title.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from serving.interface.context import ContextPassage
from serving.interface.sentences import split_sentences
from tuning.converters.converted import Foreign, draw, read_as

__all__ = ["WORDS", "AskedTurn", "Cut", "Page", "cut_page", "read_documents", "read_turns", "split_documents"]

WORDS = 200
"""Bound of a passage, as of retrieval's."""

_PARAGRAPH = re.compile(r"\S(?:.*?\S)?(?=\s*\n\s*\n|\s*\Z)", re.DOTALL)

Utterance = Annotated[str, Field(pattern=r"^(user|agent):")]


class Page(Foreign):
    """A document; what stands before `#` in its id is its title."""

    doc_id: str
    text: str

    @property
    def title(self) -> str:
        return self.doc_id.rpartition("#")[0] or self.doc_id


class AskedTurn(Foreign):
    """What a user said last in a dialogue, and the span of the document that answers."""

    id: str
    doc_id: str
    history: tuple[Utterance, ...]
    query: Annotated[str, Field(pattern=r"^(user|agent):\s*\S")]
    answer: str
    answer_start: int
    """Code points into the document's text."""


@dataclass(frozen=True)
class Cut:
    """A passage and where it begins in its document (code points)."""

    passage: ContextPassage
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.passage.text)


def read_documents(records: Iterable[object]) -> tuple[Page, ...]:
    """Raises DataInvalid for another format."""
    return read_as(tuple[Page, ...], tuple(records), "a list of Doc2Dial documents")


def read_turns(records: Iterable[object]) -> tuple[AskedTurn, ...]:
    """Raises DataInvalid for another format."""
    return read_as(tuple[AskedTurn, ...], tuple(records), "a list of Doc2Dial turns")


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
