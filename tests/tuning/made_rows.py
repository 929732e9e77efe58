"""Rows of every behaviour, drawn by hypothesis or written by hand, all in our own words."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from serving.interface.context import ContextPassage
from serving.interface.refusal import Answerability
from serving.interface.turns import Turn
from tuning.rows import (
    AnswerSentence,
    AssistantRow,
    CitationRow,
    Origin,
    QueryRewriteRow,
    RankedPassage,
    RefusalRow,
    RerankRow,
    RetrievalRow,
    RowCitation,
)

anything = st.text(st.characters(codec="utf-8"), max_size=30)
words = anything.filter(lambda text: bool(text.strip()))
turns = st.lists(st.builds(Turn, role=st.sampled_from(["user", "assistant"]), content=anything), max_size=3).map(tuple)
origins = st.builds(
    Origin, source=anything, licence=anything, conversation=anything, document=anything, synthetic=st.booleans()
)


def _passages(kind: type[ContextPassage], **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    passage = st.builds(kind, id=anything, text=words, title=anything, in_code=st.booleans(), **fields)
    return st.lists(passage, min_size=1, max_size=4, unique_by=lambda passage: passage.id).map(tuple)


passages = _passages(ContextPassage)
ranked = _passages(RankedPassage, relevance=st.floats(0, 1))


@st.composite
def refusal_rows(draw: st.DrawFn) -> RefusalRow:
    shown = draw(passages)
    label = draw(st.sampled_from(Answerability))
    named = label is Answerability.ANSWERABLE and draw(st.booleans())
    return RefusalRow(
        history=draw(turns),
        question=draw(words),
        passages=shown,
        label=label,
        answering=draw(st.sampled_from(shown)).id if named else None,
        origin=draw(origins),
    )


@st.composite
def citation_rows(draw: st.DrawFn) -> CitationRow:
    shown = draw(passages)
    cited = draw(st.lists(st.sampled_from(shown), min_size=1, max_size=3))
    answer = [
        AnswerSentence(text=draw(words), citations=(RowCitation(passage_id=p.id, start=0, end=len(p.text)),))
        for p in cited
    ]
    return CitationRow(
        history=draw(turns), question=draw(words), passages=shown, answer=tuple(answer), origin=draw(origins)
    )


rewrite_rows = st.builds(QueryRewriteRow, history=turns, question=words, rewrite=words, origin=origins)
rerank_rows = st.builds(RerankRow, question=words, passages=ranked, origin=origins)
retrieval_rows = st.builds(RetrievalRow, question=words, uri=words)
assistant_rows = st.builds(AssistantRow, question=words, uri=st.none() | words, answerable=st.booleans(), history=turns)
training_rows = st.one_of(refusal_rows(), citation_rows(), rewrite_rows, rerank_rows)


def refusal(question: str, text: str, label: str = "answerable", **origin: Any) -> RefusalRow:
    """A row about one passage."""
    return RefusalRow(
        question=question,
        passages=(ContextPassage(id="p", text=text),),
        label=Answerability(label),
        origin=Origin(**origin),
    )


def rewrite(question: str, rewritten: str, *said: str, **origin: Any) -> QueryRewriteRow:
    """A row after what was said, by user and assistant in turn."""
    history = tuple(Turn(role="assistant" if n % 2 else "user", content=text) for n, text in enumerate(said))
    return QueryRewriteRow(history=history, question=question, rewrite=rewritten, origin=Origin(**origin))
