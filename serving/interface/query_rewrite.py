"""`query_rewrite`: a conversation becomes one standalone search query."""

from __future__ import annotations

from collections.abc import Sequence

from serving.interface.errors import ContractError, MalformedOutput
from serving.interface.few_shots.query_rewrite import FEW_SHOTS
from serving.interface.segments import Message, escape, normalise, trusted, unescape, user_message
from serving.interface.turns import CountTokens, Turn, conversation_segments, question_segments

__all__ = ["build_messages", "build_target", "few_shot_messages", "parse"]

OUTPUT_TOKENS = 64
QUERY_CHARACTERS = 256
"""A longer rewrite is rambling, not a query; about what `OUTPUT_TOKENS` hold."""

INSTRUCTIONS = (
    "You rewrite the last question of a conversation so that it can be understood and searched without the"
    " conversation. Put names in place of words like it, that and there. Keep the meaning and the words of the"
    " question, and never answer it."
)
TASK = "\nWrite the question so that it stands alone."


def build_messages(question: str, history: Sequence[Turn] = (), *, count: CountTokens) -> tuple[Message, ...]:
    """Instructions, then the conversation, then the question and the task line. Raises `QuestionTooLong`."""
    user = [
        *(conversation_segments(history, count) or [trusted("\n\nConversation: none")]),
        *question_segments(question, count),
        trusted(TASK),
    ]
    return Message("system", (trusted(INSTRUCTIONS),)), user_message(user)


def few_shot_messages(question: str, history: Sequence[Turn] = (), *, count: CountTokens) -> tuple[Message, ...]:
    """As `build_messages`, with the contract's worked examples between instructions and conversation."""
    system, user = build_messages(question, history, count=count)
    shots: list[Message] = []
    for shot in FEW_SHOTS:
        turns = [Turn(role=role, content=content) for role, content in shot.history]
        asked = build_messages(shot.question, turns, count=count)[1]
        shots += [asked, Message("assistant", (trusted(build_target(shot.rewrite)),))]
    return system, *shots, user


def build_target(rewrite: str) -> str:
    """The query on one line. Raises `ContractError` when it is empty or longer than `QUERY_CHARACTERS`."""
    target = escape(normalise(rewrite))
    if not 0 < len(target) <= QUERY_CHARACTERS:
        raise ContractError(
            f"A rewrite has 1 to {QUERY_CHARACTERS} characters, not {len(target)}.",
            remedy="Mend or leave out this row.",
        )
    return target


def parse(text: str) -> str:
    """The query a model wrote; the inverse of `build_target`.

    Raises `MalformedOutput` when it is empty, on several lines, or longer than `QUERY_CHARACTERS`.
    """
    query = text.strip()
    if not query or "\n" in query or len(query) > QUERY_CHARACTERS:
        raise MalformedOutput(f"Expected one line of at most {QUERY_CHARACTERS} characters.", text=text)
    return unescape(query)
