"""What of a row is given to a model, what it is to write, and which text holds the answer: for all four behaviours."""

from __future__ import annotations

from collections.abc import Sequence

from serving.interface.context import ContextPassage
from serving.interface.refusal import Answerability
from serving.interface.standalone import asked_last
from serving.interface.turns import Turn
from tuning.rows import CitationRow, QueryRewriteRow, RefusalRow, RerankRow

__all__ = ["TrainingRow", "context_of", "gold_passages", "passages_of", "said_before", "target_of"]

TrainingRow = QueryRewriteRow | RefusalRow | CitationRow | RerankRow


def passages_of(row: TrainingRow) -> Sequence[ContextPassage]:
    """The passages a row shows."""
    return () if isinstance(row, QueryRewriteRow) else row.passages


def context_of(row: TrainingRow) -> tuple[str, ...]:
    """All that is given beside the question: the turns in order, then the texts of the passages in order of their text.

    The order of passages is no difference between two rows.
    """
    turns = (f"{turn.role}: {turn.content}" for turn in said_before(row))
    return (*turns, *sorted(passage.text for passage in passages_of(row)))


def said_before(row: TrainingRow) -> tuple[Turn, ...]:
    """What of a conversation is given: refusal reads what the user said last and nothing else."""
    match row:
        case RerankRow():
            return ()
        case RefusalRow():
            last = asked_last(row.history)
            return (Turn(role="user", content=last),) if last else ()
        case _:
            return row.history


def target_of(row: TrainingRow) -> tuple[str, ...]:
    """What is to come out: the rewrite, the label and which passage answers, the cited answer, or the relevances."""
    match row:
        case QueryRewriteRow():
            return (row.rewrite,)
        case RefusalRow():
            by_text = sorted(row.passages, key=lambda passage: passage.text)
            return (row.label, *(str(n) for n, passage in enumerate(by_text) if passage.id in _gold_ids(row)))
        case RerankRow():
            ranked = sorted(row.passages, key=lambda passage: (passage.text, passage.relevance))
            return tuple(str(passage.relevance) for passage in ranked)
        case CitationRow():
            texts = {passage.id: passage.text for passage in row.passages}
            return tuple(
                part
                for sentence in row.answer
                for part in (sentence.text, *(texts[c.passage_id][c.start : c.end] for c in sentence.citations))
            )


def gold_passages(row: TrainingRow) -> list[ContextPassage]:
    """The passages that hold the answer; of a row that has none, and names no document, the first that was found."""
    gold = [passage for passage in passages_of(row) if passage.id in _gold_ids(row)]
    if not gold and not row.origin.document:
        return list(passages_of(row)[:1])
    return gold


def _gold_ids(row: TrainingRow) -> set[str | None]:
    match row:
        case RerankRow():
            return {passage.id for passage in row.passages if passage.relevance >= 0.5}
        case CitationRow():
            return {citation.passage_id for sentence in row.answer for citation in sentence.citations}
        case RefusalRow(label=Answerability.ANSWERABLE, answering=None) if len(row.passages) == 1:
            return {row.passages[0].id}
        case RefusalRow():
            return {row.answering}
        case _:
            return set()
