"""`rerank`: a question and a passage become a relevance score, by a cross-encoder with its own tokenizer.

No chat template and no generated text: the pair of texts is the prompt, the number is the answer. The passage reads as
the other behaviours show it. What does not fit the encoder is cut from the passage's end, never from the question.
"""

from __future__ import annotations

import math
import re

from serving.interface.context import ContextPassage, plain_text
from serving.interface.errors import ContractError, MalformedOutput
from serving.interface.segments import normalise

__all__ = ["build_pair", "build_target", "parse"]

_CONTROL_WORD = re.compile(r"([\[<])(/?(?:CLS|SEP|PAD|UNK|MASK|s|cls|sep|pad|unk|mask|bos|eos)[\]>])")


def build_pair(question: str, passage: ContextPassage) -> tuple[str, str]:
    """The two texts the cross-encoder reads: the question, and the passage under its title."""
    text, title = plain_text(passage), normalise(passage.title)
    return _inert(normalise(question)), _inert(f"{title}\n{text}" if title else text)


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


def _inert(text: str) -> str:
    """Words that an encoder's tokenizer takes for its own, `[SEP]` or `</s>`, broken by a space."""
    return _CONTROL_WORD.sub(r"\1 \2", text)
