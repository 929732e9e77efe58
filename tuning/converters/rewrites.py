"""Conversational rewrites (CANARD, CAsT, iKAT and their like) to rows of query rewriting.

    asked = read_rewrites(map(json.loads, lines))      # or read_canard(...), read_cast(...)
    query_rewrite_rows(asked).rows

`read_rewrites` takes one record a turn: `source`, `conv`, `history` with `topic` (texts) and `turns` (the `text` and
whether a user or an agent said it), `question` and `rewrite`. `read_canard` takes CANARD's files and `read_cast` those
of CAsT 2020 and 2021, as published.

CANARD's people saw the topic (article and section of Wikipedia) that serving never sees, so some of their rewrites
name what the conversation does not. Those rows are in the slice `needs_topic`; `Topic` says what becomes of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import Literal

from pydantic import Field

from serving.interface.turns import Turn
from tuning.converters.converted import BLANK, Converted, Foreign, LeftOut, collect, read_as, read_each
from tuning.metrics.words import content_words
from tuning.rows import Origin, QueryRewriteRow

__all__ = ["LICENCES", "Asked", "Topic", "query_rewrite_rows", "read_canard", "read_cast", "read_rewrites"]

LICENCES: Mapping[str, str] = MappingProxyType({"canard": "CC BY-SA 4.0", "cast": "MIT", "ikat": "MIT", "cqr": "MIT-0"})
"""By the beginning of a source's name."""

_FIRST = LeftOut("first question of its conversation")
_FORMS = frozenset("addition aside besides else other".split())
"""Words by which people say that something more is asked for; they name nothing."""
_STEM = 5
"""Characters by which a longer word is known again: plural and tense differ behind them."""


class Topic(StrEnum):
    """What becomes of the topic that people saw and serving does not."""

    UNSEEN = "unseen"
    """It is dropped, as in serving."""
    FIRST_TURN = "first_turn"
    """It is said by the user in a turn before all others."""


class _Utterance(Foreign):
    role: Literal["user", "agent", "assistant"]
    text: str


class _History(Foreign):
    topic: tuple[str, ...] = ()
    turns: tuple[_Utterance, ...] = ()


class Asked(Foreign):
    """A question in a conversation and its rewrite."""

    source: str
    conv: str
    history: _History
    question: str
    rewrite: str


class _Canard(Foreign):
    history: tuple[str, ...] = Field(alias="History", min_length=2)
    """Title and section of the article, then questions and answers in turn."""
    conversation: str = Field(alias="QuAC_dialog_id")
    question: str = Field(alias="Question")
    rewrite: str = Field(alias="Rewrite")


class _CastTurn(Foreign):
    raw_utterance: str
    manual_rewritten_utterance: str
    passage: str | None = None
    """What the system answered; of 2021."""


class _CastTopic(Foreign):
    number: int
    turn: tuple[_CastTurn, ...]


def read_rewrites(records: Iterable[object]) -> tuple[Asked, ...]:
    """Records of the common form. Raises DataInvalid for another one."""
    return read_each(Asked, records, "a question in a conversation with its rewrite")


def read_canard(parsed: object, *, source: str = "canard") -> tuple[Asked, ...]:
    """The questions of a parsed CANARD file. Raises DataInvalid for another format."""
    return tuple(
        Asked(
            source=source,
            conv=record.conversation,
            history=_History(topic=record.history[:2], turns=_alternating(record.history[2:])),
            question=record.question,
            rewrite=record.rewrite,
        )
        for record in read_as(tuple[_Canard, ...], parsed, "a CANARD file")
    )


def read_cast(parsed: object, *, source: str = "cast") -> tuple[Asked, ...]:
    """The questions of a parsed CAsT topics file of 2020 or 2021. Raises DataInvalid for another format."""
    topics = read_as(tuple[_CastTopic, ...], parsed, "a CAsT file with manual rewrites")
    return tuple(asked for topic in topics for asked in _cast_conversation(topic, source))


def query_rewrite_rows(
    asked: Iterable[Asked], *, topic: Topic = Topic.UNSEEN, licence: str = ""
) -> Converted[QueryRewriteRow]:
    """One row a question; first questions are left out, since serving rewrites none of them.

    `licence` is that of sources of which `LICENCES` knows none.
    """
    return collect(_row(one, topic, licence) for one in asked)


def _row(asked: Asked, topic: Topic, licence: str) -> QueryRewriteRow | LeftOut:
    if not asked.question.strip() or not asked.rewrite.strip():
        return BLANK
    if not asked.history.turns:
        return _FIRST
    history = _turns(asked.history, topic)
    needs = _names_the_unseen(asked.rewrite, [asked.question, *(turn.content for turn in history)])
    return QueryRewriteRow(
        history=history,
        question=asked.question,
        rewrite=asked.rewrite,
        origin=Origin(
            source=asked.source,
            licence=next((name for start, name in LICENCES.items() if asked.source.startswith(start)), licence),
            conversation=asked.conv,
            document=asked.history.topic[0] if asked.history.topic else "",
            slice="needs_topic" if needs else "",
        ),
    )


def _turns(history: _History, topic: Topic) -> tuple[Turn, ...]:
    said = [Turn(role="user" if turn.role == "user" else "assistant", content=turn.text) for turn in history.turns]
    if topic is Topic.FIRST_TURN and history.topic:
        said.insert(0, Turn(role="user", content=", ".join(history.topic)))
    return tuple(said)


def _names_the_unseen(rewrite: str, seen: Sequence[str]) -> bool:
    """Whether the rewrite has a content word that nothing before it has."""
    return bool(_content(rewrite) - {stem for text in seen for stem in _content(text)})


def _content(text: str) -> set[str]:
    """Beginnings of the words that name something."""
    return {word[:_STEM] for word in content_words(text) - _FORMS}


def _alternating(texts: Sequence[str]) -> tuple[_Utterance, ...]:
    return tuple(_Utterance(role="agent" if index % 2 else "user", text=text) for index, text in enumerate(texts))


def _cast_conversation(topic: _CastTopic, source: str) -> Iterator[Asked]:
    said: list[_Utterance] = []
    for turn in topic.turn:
        yield Asked(
            source=source,
            conv=str(topic.number),
            history=_History(turns=tuple(said)),
            question=turn.raw_utterance,
            rewrite=turn.manual_rewritten_utterance,
        )
        said.append(_Utterance(role="user", text=turn.raw_utterance))
        if turn.passage:
            said.append(_Utterance(role="agent", text=turn.passage))
