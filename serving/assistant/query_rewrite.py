"""Step one: what to search for. A first question is its own query; a later one is rewritten to stand alone.

An un-tuned base often answers or rambles instead of rewriting, so its rewrite is taken only when it is the question
with words of the conversation (`is_faithful`). Else the question is searched for together with what was asked
before: joining user turns loses nothing while a conversation stays on its topic.
"""

from __future__ import annotations

from collections.abc import Sequence

from serving.assistant.asked import Asked
from serving.assistant.evidence import Terms
from serving.assistant.library import Query
from serving.assistant.prompting import Prompter
from serving.assistant.running import Running
from serving.interface import query_rewrite as contract
from serving.interface.behaviours import Behaviour, UntunedMode
from serving.interface.errors import MalformedOutput
from serving.interface.turns import Turn

__all__ = ["is_faithful", "rewrite"]

JOINED_WEIGHT = 0.4
"""Of earlier user turns beside the question."""


def rewrite(prompter: Prompter, running: Running, asked: Asked, terms: Terms) -> Query:
    """The query for a question. Raises `QuestionTooLong`."""
    if not asked.history:
        return Query(asked.question, ((asked.question, 1.0),))
    rewritten = _write(prompter, running, asked)
    if rewritten and (running.tuned or is_faithful(rewritten, asked.question, asked.history, terms)):
        return Query(rewritten, ((rewritten, 1.0),))
    before = [turn.content for turn in asked.history if turn.role == "user"]
    joined = " ".join([*before[-1:], asked.question])
    return Query(joined, ((asked.question, 1 - JOINED_WEIGHT), (joined, JOINED_WEIGHT)))


def is_faithful(rewritten: str, question: str, history: Sequence[Turn], terms: Terms) -> bool:
    """Whether a rewrite keeps the question's words and adds words of the conversation, and no others.

    One that adds nothing may be right, where the topic changed, or the base may just have copied the question.
    """
    asked, written = terms(question), terms(rewritten)
    said = frozenset[int]().union(*(terms(turn.content) for turn in history))
    kept = len(asked & written) >= len(asked) / 2
    return kept and bool(written - asked) and written <= said | asked


def _write(prompter: Prompter, running: Running, asked: Asked) -> str | None:
    """What the model wrote, or None when it is no query at all."""
    build = contract.few_shot_messages if running.mode == UntunedMode.FEW_SHOT else contract.build_messages
    text = prompter.write_all(
        build(asked.question, asked.history, count=prompter.count),
        adapter=running.adapter(Behaviour.QUERY_REWRITE),
        max_new_tokens=contract.OUTPUT_TOKENS,
        seed=asked.seed,
    )
    try:
        return contract.parse(text)
    except MalformedOutput:
        return None
