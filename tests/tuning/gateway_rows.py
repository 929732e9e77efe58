"""Small rows about an imaginary gateway, as many as a test wants; every fact in them is invented."""

from __future__ import annotations

from serving.interface.citation import CitedSentence, build_target, parse
from serving.interface.context import Context, ContextPassage, build_context
from serving.interface.refusal import Answerability
from serving.interface.turns import Turn
from tuning.rows import (
    AnswerSentence,
    CitationRow,
    Origin,
    QueryRewriteRow,
    RankedPassage,
    RefusalRow,
    RerankRow,
    RowCitation,
)
from tuning.systems import WrittenAnswer

PLACES = "Orrin Talvik Messina Dunmore Perrin Quorra Halden Brevik Lindow Castrel".split()


def page(number: int) -> ContextPassage:
    """A passage whose second sentence holds what is asked for."""
    place = PLACES[number % len(PLACES)]
    text = f"This page is about the gateway number {number}. In {place} it listens on port {7000 + number}."
    text += " Restart it after a change."
    return ContextPassage(id=f"p{number}", text=text)


def question(number: int) -> str:
    return f"Which port does gateway {number} use?"


def citation_row(number: int, origin: Origin | None = None) -> CitationRow:
    passage = page(number)
    start = passage.text.index("In ")
    end = passage.text.index(" Restart")
    cited = RowCitation(passage_id=passage.id, start=start, end=end)
    answer = AnswerSentence(text=passage.text[start:end], citations=(cited,))
    return CitationRow(
        question=question(number), passages=(passage,), answer=(answer,), origin=origin or Origin(document=passage.id)
    )


def refusal_row(number: int, *, answerable: bool) -> RefusalRow:
    passage = page(number)
    asked = question(number) if answerable else f"Who maintains gateway {number}?"
    return RefusalRow(
        question=asked,
        passages=(passage,),
        label=Answerability.ANSWERABLE if answerable else Answerability.UNANSWERABLE,
        answering=passage.id if answerable else None,
        origin=Origin(document=passage.id),
    )


def rewrite_row(number: int) -> QueryRewriteRow:
    place = PLACES[number % len(PLACES)]
    return QueryRewriteRow(
        history=(Turn(role="user", content=f"Tell me about the gateway in {place}, please."),),
        question=f"and which port has it in version {number}?",
        rewrite=f"which port has the gateway in {place} in version {number}?",
    )


def rerank_row(number: int) -> RerankRow:
    passages = tuple(
        RankedPassage(**page(other).model_dump(), relevance=float(other == number))
        for other in range(number, number + 4)
    )
    return RerankRow(question=f"what is the port in {PLACES[number % len(PLACES)]}?", passages=passages)


def count(text: str) -> int:
    return len(text.split())


def context_of(row: CitationRow) -> Context:
    return build_context(row.passages, count)


def answer_with(row: CitationRow, raw: str) -> WrittenAnswer:
    """An answer whose correction is that what does not parse is refused."""
    context = context_of(row)
    return WrittenAnswer(raw, parse(raw, context), context)


def gold_text(row: CitationRow) -> str:
    """The row's answer as a model should write it."""
    context = context_of(row)
    return build_target(
        [
            CitedSentence(s.text, tuple(n for c in s.citations for n in context.numbers(c.passage_id, c.start, c.end)))
            for s in row.answer
        ]
    )
