"""What stands for the question of a conversation where nobody has rewritten it.

Search and evidence take `standalone` where no rewrite is taken; refusal judges each of `wordings`, without the
conversation. A row of training data whose question follows others is read the same way.
"""

from __future__ import annotations

from collections.abc import Sequence

from serving.interface.segments import data, normalise
from serving.interface.turns import QUESTION_TOKENS, CountTokens, Turn, cut_to

__all__ = ["TURN_CHARACTERS", "asked_last", "standalone", "wordings"]

TURN_CHARACTERS = 400
"""What of a turn stands before a question, in whole words: an embedder reads 256 tokens, and must come to the end."""


def asked_last(history: Sequence[Turn]) -> str:
    """What the user said last, on one line; empty where nothing was said."""
    said = (normalise(turn.content) for turn in reversed(history) if turn.role == "user")
    return next((text for text in said if text), "")


def standalone(question: str, history: Sequence[Turn], count: CountTokens) -> str:
    """The question after the last one of the user, which is cut at its end until both fit into `QUESTION_TOKENS`."""
    question = question.strip()
    before = cut_to(asked_last(history), TURN_CHARACTERS, len)
    kept = cut_to(before, QUESTION_TOKENS, lambda text: count(data(f"{text} {question}").text))
    return f"{kept} {question}".strip()


def wordings(question: str, history: Sequence[Turn], count: CountTokens) -> tuple[str, ...]:
    """The question by itself and, where it follows others, after the last one of the user."""
    return tuple(dict.fromkeys([question.strip(), standalone(question, history, count)]))
