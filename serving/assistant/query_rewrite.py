"""Step one: what to search for. A first question is its own query; a later one is rewritten to stand alone.

An un-tuned base often answers or rambles instead of rewriting, so its rewrite is taken only when it is the question
with words of the conversation (`is_faithful`); an adapter's is taken unless it leaves the question as it was. Else the
question is worded twice: alone, and after the question before it. Either way the conversation is searched beside it as
long as the question stays with its topic (`topic`), so that a rewriter that leaves the topic out loses nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from serving.assistant.asked import Asked
from serving.assistant.evidence import Terms
from serving.assistant.library import Library, Query
from serving.assistant.prompting import Prompter
from serving.assistant.running import Running
from serving.assistant.topic import beside
from serving.interface import query_rewrite as contract
from serving.interface.behaviours import Behaviour, UntunedMode
from serving.interface.errors import MalformedOutput
from serving.interface.standalone import wordings
from serving.interface.turns import CountTokens, Turn

__all__ = ["follow_up", "is_faithful", "rewrite", "worded", "write", "write_raw"]

JOINED_WEIGHT = 0.4
"""Of earlier user turns beside the question."""

_WORD = re.compile(r"\w+")


def rewrite(prompter: Prompter, running: Running, asked: Asked, library: Library) -> Query:
    """The query for a question. Raises `QuestionTooLong`."""
    if not asked.history:
        return worded(asked.question, (), prompter.count)
    written = write(prompter, running, asked.question, asked.history, seed=asked.seed)
    taken = written is not None and _is_taken(written, running, asked, library.terms)
    return follow_up(asked.question, asked.history, written if taken else None, library, prompter.count)


def follow_up(
    question: str, history: Sequence[Turn], written: str | None, library: Library, count: CountTokens
) -> Query:
    """The query for a question that goes on from `history`; `written` is its rewrite, None when there is none."""
    query = Query(written, ((written, 1.0),)) if written else worded(question, history, count)
    return replace(query, beside=beside(query.searches[0][0], history, library))


def worded(question: str, history: Sequence[Turn], count: CountTokens) -> Query:
    """The query of a question that nobody has rewritten; a first question is its own."""
    alone, *joined = wordings(question, history, count)
    if not joined:
        return Query(alone, ((alone, 1.0),))
    return Query(joined[0], ((alone, 1 - JOINED_WEIGHT), (joined[0], JOINED_WEIGHT)))


def _is_taken(written: str, running: Running, asked: Asked, terms: Terms) -> bool:
    """An adapter that leaves the question as it was has found nothing to say; it may have missed it."""
    if running.tuned:
        return _WORD.findall(written.lower()) != _WORD.findall(asked.question.lower())
    return is_faithful(written, asked.question, asked.history, terms)


def is_faithful(rewritten: str, question: str, history: Sequence[Turn], terms: Terms) -> bool:
    """Whether a rewrite keeps the question's words and adds words of the conversation, and no others.

    One that adds nothing may be right, where the topic changed, or the base may just have copied the question.
    """
    asked, written = terms(question), terms(rewritten)
    said = frozenset[int]().union(*(terms(turn.content) for turn in history))
    kept = len(asked & written) >= len(asked) / 2
    return kept and bool(written - asked) and written <= said | asked


def write(prompter: Prompter, running: Running, question: str, history: Sequence[Turn], *, seed: int = 0) -> str | None:
    """The query that the model wrote, or None when it is none at all. Raises `QuestionTooLong`."""
    try:
        return contract.parse(write_raw(prompter, running, question, history, seed=seed))
    except MalformedOutput:
        return None


def write_raw(prompter: Prompter, running: Running, question: str, history: Sequence[Turn], *, seed: int = 0) -> str:
    """What the model wrote, as it wrote it. Raises `QuestionTooLong`."""
    build = contract.few_shot_messages if running.mode == UntunedMode.FEW_SHOT else contract.build_messages
    return prompter.write_all(
        build(question, history, count=prompter.count),
        adapter=running.adapter(Behaviour.QUERY_REWRITE),
        max_new_tokens=contract.OUTPUT_TOKENS,
        seed=seed,
    )
