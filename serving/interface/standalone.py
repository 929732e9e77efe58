"""What stands for the question of a conversation where nobody has rewritten it.

Refusal judges a text without its conversation: the question by itself, and this. Search and evidence take it where no
rewrite is taken. A row of training data whose question follows others is read the same way.
"""

from __future__ import annotations

from collections.abc import Sequence

from serving.interface.segments import data, normalise
from serving.interface.turns import QUESTION_TOKENS, CountTokens, Turn, cut_to

__all__ = ["TURN_CHARACTERS", "standalone"]

TURN_CHARACTERS = 400
"""What of a turn stands beside a question: an embedder reads 256 tokens, and must come to the end of both."""


def standalone(question: str, history: Sequence[Turn], count: CountTokens) -> str:
    """The question, after what the user said before it; of that as much as a question may be long, from its start."""
    before = [normalise(turn.content)[:TURN_CHARACTERS] for turn in history if turn.role == "user"]
    kept = cut_to("".join(before[-1:]), QUESTION_TOKENS, lambda text: count(data(f"{text} {question}").text))
    return f"{kept} {question}".strip()
