"""The four behaviours, named once.

| behaviour       | turns                  | into                                                  |
|-----------------|------------------------|-------------------------------------------------------|
| `query_rewrite` | a conversation         | one standalone search query                           |
| `refusal`       | a question, a passage  | answerable, unanswerable or underspecified, with odds |
| `citation`      | a question, passages   | an answer in which every sentence cites its evidence  |
| `rerank`        | a question, a passage  | a relevance score                                     |
"""

from __future__ import annotations

from enum import StrEnum

__all__ = ["GENERATIVE", "Behaviour", "UntunedMode"]


class Behaviour(StrEnum):
    """What an adapter is trained for; the value is its name in rows, folders, channels and commands."""

    QUERY_REWRITE = "query_rewrite"
    REFUSAL = "refusal"
    CITATION = "citation"
    RERANK = "rerank"


GENERATIVE = (Behaviour.QUERY_REWRITE, Behaviour.REFUSAL, Behaviour.CITATION)
"""Behaviours that the base model carries; the reranker is a cross-encoder of its own."""


class UntunedMode(StrEnum):
    """How a behaviour runs without an adapter. A channel holds one of these or an adapter's version."""

    PROMPT = "prompt"
    FEW_SHOT = "few_shot"
