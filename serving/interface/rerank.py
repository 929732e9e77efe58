"""`rerank`: a question and a passage become a relevance score, by a cross-encoder with its own tokenizer.

No chat template and no generated text: the pair of texts is the prompt, the number is the answer.
"""

from __future__ import annotations

import math

from serving.interface.context import ContextPassage
from serving.interface.errors import ContractError, MalformedOutput
from serving.interface.segments import normalise

__all__ = ["build_pair", "build_target", "parse"]


def build_pair(question: str, passage: ContextPassage) -> tuple[str, str]:
    """The two texts the cross-encoder reads: the question, and the passage under its title."""
    text = normalise(passage.text)
    return normalise(question), f"{normalise(passage.title)}\n{text}" if passage.title else text


def build_target(relevance: float) -> float:
    """The training label in [0, 1]. Raises `ContractError` outside it."""
    if not 0.0 <= relevance <= 1.0:
        raise ContractError(f"A relevance is between 0 and 1, not {relevance}.", remedy="Mend this row.")
    return relevance


def parse(score: float) -> float:
    """The relevance in [0, 1] of a cross-encoder's output after its sigmoid.

    Raises `MalformedOutput` for a number outside [0, 1] or none at all.
    """
    if math.isnan(score) or not 0.0 <= score <= 1.0:
        raise MalformedOutput("Expected a relevance between 0 and 1.", text=repr(score))
    return score
