"""What is measured, as callables that a flow wires: an adapter, an un-tuned mode, a search order, the whole assistant.

A system raises `NotJudged` for a row that it cannot take (a prompt too long for the base, say); what it does badly it
returns. It never returns a stand-in: an empty text is an empty text, and counts as one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from serving.interface.citation import CitedSentence
from serving.interface.context import Context
from serving.interface.refusal import Judgement
from tuning.rows import AssistantRow, CitationRow, QueryRewriteRow, RefusalRow, RerankRow

__all__ = [
    "AssistantSystem",
    "CitationSystem",
    "Progress",
    "RefusalSystem",
    "Reply",
    "RerankSystem",
    "RewriteSystem",
    "WrittenAnswer",
    "copy_question",
]


@dataclass(frozen=True)
class WrittenAnswer:
    """An answer before and after the pipeline corrected it."""

    raw: str | None
    """What the model wrote, unconstrained and whole; None where no model writes."""
    sentences: tuple[CitedSentence, ...]
    """What would be shown; empty for a refusal."""
    context: Context
    """The numbered sentences that were shown."""


@dataclass(frozen=True)
class Reply:
    """What the assistant did with a question."""

    refused: bool
    cited_uris: tuple[str, ...]
    retrieved_uris: tuple[str, ...]
    """Documents of the passages that the answer could have used, best first."""


RewriteSystem: TypeAlias = Callable[[QueryRewriteRow], str]
"""The text that was written, as it was written."""
RefusalSystem: TypeAlias = Callable[[RefusalRow], Judgement]
"""The odds, pooled over the passages."""
CitationSystem: TypeAlias = Callable[[CitationRow], WrittenAnswer]
RerankSystem: TypeAlias = Callable[[RerankRow], Sequence[float]]
"""A score a passage, in the row's order; higher is better."""
AssistantSystem: TypeAlias = Callable[[AssistantRow], Reply]

Progress: TypeAlias = Callable[[int, int], None]
"""Rows done, rows in all."""


def copy_question(row: QueryRewriteRow) -> str:
    """The rewriter that does nothing: the baseline `copy`."""
    return row.question
