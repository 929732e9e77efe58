"""Rows in which other facts stand than in the rows they are made from: what `content_leak` asks with.

Pure and seeded: a row is always swapped alike, whatever the order of the others. `None` where nothing can be swapped.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from serving.interface.context import ContextPassage
from serving.interface.refusal import Answerability
from serving.interface.turns import Turn
from tuning.evaluation import row_key
from tuning.facts import choose_swaps, find_facts, swap, words_of
from tuning.rows import AnswerSentence, CitationRow, QueryRewriteRow, RefusalRow, RerankRow, RowCitation

__all__ = [
    "Foreign",
    "Swapped",
    "foreign_passages",
    "swap_citation",
    "swap_query_rewrite",
    "swap_refusal",
    "swap_rerank",
]

AnyRow = TypeVar("AnyRow", bound=BaseModel)
Passage = TypeVar("Passage", bound=ContextPassage)

Foreign = Sequence[tuple[frozenset[str], ContextPassage]]
"""Passages and the documents they are from, in order of their texts, each once and without an id."""


@dataclass(frozen=True)
class Swapped(Generic[AnyRow]):
    """A row with other facts."""

    row: AnyRow
    swaps: Mapping[str, str] = field(default_factory=dict)
    """Old word -> new word."""


def swap_citation(row: CitationRow, seed: int) -> Swapped[CitationRow] | None:
    """Other facts in place of those of the gold sentences that the question and the conversation do not hold."""
    texts = {passage.id: passage.text for passage in row.passages}
    cited = (citation for sentence in row.answer for citation in sentence.citations)
    evidence = "\n".join(dict.fromkeys(texts[c.passage_id][c.start : c.end] for c in cited))
    asked = words_of("\n".join([row.question, *(turn.content for turn in row.history)]))
    swaps = _swaps(evidence, lambda word: word not in asked, row, seed)
    if not swaps:
        return None
    moved = {passage.id: swap(passage.text, swaps)[1] for passage in row.passages}

    def follow(cited: RowCitation) -> RowCitation:
        to = moved[cited.passage_id]
        return RowCitation(passage_id=cited.passage_id, start=to(cited.start), end=to(cited.end))

    answer = tuple(
        AnswerSentence(text=swap(sentence.text, swaps)[0], citations=tuple(map(follow, sentence.citations)))
        for sentence in row.answer
    )
    return Swapped(_with(row, passages=_passages(row.passages, swaps), answer=answer), swaps)


def swap_query_rewrite(row: QueryRewriteRow, seed: int) -> Swapped[QueryRewriteRow] | None:
    """Other facts in place of those that the rewrite has from the conversation and not from the question."""
    said = words_of("\n".join(turn.content for turn in row.history)) - words_of(row.question)
    swaps = _swaps(row.rewrite, lambda word: word in said, row, seed)
    if not swaps:
        return None
    history = tuple(Turn(role=turn.role, content=swap(turn.content, swaps)[0]) for turn in row.history)
    return Swapped(_with(row, history=history, rewrite=swap(row.rewrite, swaps)[0]), swaps)


def foreign_passages(rows: Sequence[RefusalRow]) -> Foreign:
    """All passages of the rows whose document is known, to choose foreign ones from, with every document they are in.

    Among several passages of a row only the one that answers is known to be of the row's document; where rows name no
    document, all count.
    """
    found: dict[ContextPassage, set[str]] = {}
    for row in rows:
        for passage in row.passages:
            if not row.origin.document or len(row.passages) == 1 or row.answering == passage.id:
                found.setdefault(_renamed(passage, ""), set()).add(row.origin.document)
    return [(frozenset(found[passage]), passage) for passage in sorted(found, key=ContextPassage.model_dump_json)]


def swap_refusal(row: RefusalRow, foreign: Foreign, seed: int) -> Swapped[RefusalRow] | None:
    """A foreign passage in place of the one that answers, or of all where it is not known which; then nothing answers.

    None, too, for a row that is not answerable. A passage is foreign that is of another document, where documents are
    known, and of another text.
    """
    if row.label is not Answerability.ANSWERABLE:
        return None
    own, document = {passage.text for passage in row.passages}, row.origin.document
    fitting = [p for documents, p in foreign if p.text not in own and not (document and document in documents)]
    replaced = [passage.id for passage in row.passages if row.answering in (None, passage.id)]
    if len(fitting) < len(replaced):
        return None
    chosen = random.Random(f"{seed}:{row_key(row)}").sample(fitting, len(replaced))
    others = {name: _renamed(passage, name) for name, passage in zip(replaced, chosen, strict=True)}
    passages = tuple(others.get(passage.id, passage) for passage in row.passages)
    return Swapped(_with(row, passages=passages, label=Answerability.UNANSWERABLE, answering=None))


def swap_rerank(row: RerankRow, seed: int) -> Swapped[RerankRow] | None:
    """Other facts in place of those that the question shares with its most relevant passage, in all passages alike."""
    best = max(row.passages, key=lambda passage: passage.relevance)
    shared = words_of(f"{best.title}\n{best.text}")
    swaps = _swaps(row.question, lambda word: word in shared, row, seed)
    if not swaps:
        return None
    return Swapped(_with(row, question=swap(row.question, swaps)[0], passages=_passages(row.passages, swaps)), swaps)


def _swaps(text: str, wanted: Callable[[str], bool], row: BaseModel, seed: int) -> dict[str, str]:
    """What to say in place of the wanted facts of `text`: words that stand nowhere in the row."""
    facts = [fact for fact in find_facts(text) if wanted(fact.text)]
    return choose_swaps(facts, taken=words_of("\n".join(_strings(row.model_dump()))), seed=f"{seed}:{row_key(row)}")


def _strings(value: object) -> Iterator[str]:
    """Every text in a dumped row."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list | tuple):
        for part in value.values() if isinstance(value, Mapping) else value:
            yield from _strings(part)


def _passages(passages: Sequence[Passage], swaps: Mapping[str, str]) -> tuple[Passage, ...]:
    return tuple(
        p.model_copy(update={"text": swap(p.text, swaps)[0], "title": swap(p.title, swaps)[0]}) for p in passages
    )


def _renamed(passage: ContextPassage, name: str) -> ContextPassage:
    return passage.model_copy(update={"id": name})


def _with(row: AnyRow, **changes: Any) -> AnyRow:
    """The row with other fields, checked as any row."""
    return type(row).model_validate({**dict(row), **changes})
