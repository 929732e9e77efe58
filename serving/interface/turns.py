"""Conversations: one value everywhere, from a row of training data to a request at the endpoint.

What is dropped first is part of the contract: each turn is cut to its first `TURN_TOKENS`, then the
oldest turns go until the rest fits. The question itself is never cut; one that is too long is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

from serving.interface.errors import QuestionTooLong
from serving.interface.segments import Segment, data, normalise, trusted

__all__ = ["CountTokens", "Turn", "conversation_segments", "cost", "cut_to", "fit_turns", "question_segments"]

CountTokens = Callable[[str], int]
"""Tokens of a text, as the base model's tokenizer counts them."""

TURN_TOKENS = 128
HISTORY_TOKENS = 512
QUESTION_TOKENS = 384


class Turn(BaseModel):
    """One utterance of a conversation."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    role: Literal["user", "assistant"]
    content: str


def fit_turns(turns: Sequence[Turn], count: CountTokens, limit: int = HISTORY_TOKENS) -> tuple[Turn, ...]:
    """The newest turns that fit into `limit` tokens together, each cut to `TURN_TOKENS`, oldest first."""
    kept: list[Turn] = []
    for turn in reversed([turn for turn in turns if normalise(turn.content)]):
        short = Turn(role=turn.role, content=cut_to(normalise(turn.content), TURN_TOKENS, count))
        limit -= cost(_turn_segments(short), count)
        if limit < 0:
            break
        kept.append(short)
    return tuple(reversed(kept))


def cut_to(text: str, limit: int, count: CountTokens) -> str:
    """The longest run of whole words at the start of `text` that is at most `limit` tokens long.

    Where not even the first word fits (scripts without spaces, keys, addresses) it is cut between code points.
    """
    if count(text) <= limit:
        return text
    words = text.split(" ")
    whole = _most(len(words), lambda n: count(" ".join(words[:n])) <= limit)
    if whole:
        return " ".join(words[:whole])
    return text[: _most(len(text), lambda n: count(text[:n]) <= limit)]


def conversation_segments(turns: Sequence[Turn], count: CountTokens) -> list[Segment]:
    """The block `Conversation:` with a line a turn; empty when nothing was said before."""
    fitted = fit_turns(turns, count)
    if not fitted:
        return []
    segments = [trusted("\n\nConversation:")]
    for turn in fitted:
        segments += _turn_segments(turn)
    return segments


def question_segments(question: str, count: CountTokens) -> list[Segment]:
    """The line `Question:`. Raises `QuestionTooLong` past `QUESTION_TOKENS`."""
    length = count(data(question).text)
    if length > QUESTION_TOKENS:
        raise QuestionTooLong(
            f"The question is {length} tokens long; at most {QUESTION_TOKENS} are allowed.",
            remedy="Ask a shorter question; put long material into a document of the index.",
        )
    return [trusted("\n\nQuestion:"), data(question)]


def _turn_segments(turn: Turn) -> list[Segment]:
    return [trusted("\nUser:" if turn.role == "user" else "\nAssistant:"), data(turn.content)]


def cost(segments: Sequence[Segment], count: CountTokens) -> int:
    """Tokens of segments as they will be rendered."""
    return sum(count(segment.text) for segment in segments)


def _most(bound: int, fits: Callable[[int], bool]) -> int:
    """The largest number up to `bound` that fits, 0 if none does; what fits grows no smaller."""
    low, high = 0, bound
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low
