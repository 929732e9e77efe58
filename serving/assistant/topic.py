"""What a question goes on from: does it stay with what the conversation is about, and what is then searched beside it?

A follow-up seldom names what it is about; the turns before do, the assistant's most of all, since they quote the
documents. So they are searched beside the question, unless it leaves their topic. It does when it brings words that
nobody said and is closer to a passage elsewhere than to any of the document that the conversation is about: on
Doc2Dial dialogues these two tell the first question of a new dialogue from follow-ups with an AUC of .97
(infra/decisions/query-of-a-follow-up.md).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from serving.assistant.library import Library, Query
from serving.interface.segments import normalise
from serving.interface.turns import Turn

__all__ = ["beside", "leaving"]

OWN_SHARE = 0.05
"""Of the question's own wordings in the search, while it stays with the topic; what `WINDOWS` leave."""
WINDOWS = ((4, 0.42), (6, 0.53))
"""How many turns are joined to the question in a search of their own, and its share."""
LEAST = 0.02
"""Searches of less weight are left out."""

GAP, NEW_WORDS, ENOUGH, STEEPNESS = 0.15, 3, 3.75, 4.0
"""A question leaves when cosine gap / GAP + new words / NEW_WORDS is above ENOUGH; STEEPNESS says how surely."""
_DEPTH = 20
_TOPIC_TURNS = 6
_TURN_CHARACTERS = 400
"""Of each turn: an embedder reads 256 tokens, and should come to the second turn at least."""


def beside(question: str, history: Sequence[Turn], library: Library) -> tuple[tuple[str, float], ...]:
    """Text and weight of each search beside the question's own, which weigh one together; fewer turns first."""
    windows: dict[str, float] = {}
    for turns, share in WINDOWS:
        text = f"{question} {_said(history[-turns:])}"
        windows[text] = windows.get(text, 0.0) + share
    left = leaving(question, history, library)
    own = left + (1 - left) * OWN_SHARE
    weighed = ((text, (1 - left) * share / own) for text, share in windows.items())
    return tuple((text, weight) for text, weight in weighed if weight >= LEAST)


def leaving(question: str, history: Sequence[Turn], library: Library) -> float:
    """How surely a question leaves the topic of its conversation: 0 to 1."""
    said = _said(history[-_TOPIC_TURNS:])
    if not said:
        return 1.0
    alone = library.search(Query(question, ((question, 1.0),)), _DEPTH)
    before = library.search(Query(question, ((question, 0.0), (said, 1.0))), _DEPTH)  # its cosines are the question's
    # The best hit's document alone: two or three tell no better, and less in a small index.
    about = {hit.passage.document_id for hit in before.hits[:1]}
    found = [*zip(alone.hits, alone.cosines, strict=True), *zip(before.hits, before.cosines, strict=True)]
    anywhere = max((cosine for _, cosine in found), default=0.0)
    there = max((cosine for hit, cosine in found if hit.passage.document_id in about), default=anywhere)
    known = frozenset[int]().union(*(library.terms(turn.content) for turn in history))
    new = len(library.terms(question) - known)
    return _sigmoid(STEEPNESS * ((anywhere - there) / GAP + new / NEW_WORDS - ENOUGH))


def _said(turns: Sequence[Turn]) -> str:
    """The turns, the newest first: what the embedder does not read is cut from the end."""
    return " ".join(normalise(turn.content)[:_TURN_CHARACTERS] for turn in reversed(turns)).strip()


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))
