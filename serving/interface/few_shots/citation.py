"""Worked examples of `citation`: one source, code, and two sources that disagree."""

from __future__ import annotations

from typing import NamedTuple

from serving.interface.context import ContextPassage
from serving.interface.few_shots.pages import BACKUPS, PORTS, WIKI

__all__ = ["FEW_SHOTS", "CitationShot"]

Span = tuple[str, int, int]
"""Passage id, and half-open offsets of the evidence in that passage's text."""


class CitationShot(NamedTuple):
    """A question, passages, and sentences, each followed by the spans that it rests on."""

    question: str
    passages: tuple[ContextPassage, ...]
    answer: tuple[tuple[str, *tuple[Span, ...]], ...]


FEW_SHOTS = (
    CitationShot(
        "How can I make the gateway use another port?",
        (PORTS, BACKUPS),
        (
            ("You can choose it with the setting `listen_port`; restart the gateway afterwards.", ("ports", 34, 99)),
            ("Until then it listens on port 7001.", ("ports", 0, 33)),
        ),
    ),
    CitationShot(
        "How do I start a backup now?",
        (WIKI,),
        (
            ("You can start one by hand:", ("wiki", 39, 62)),
            ("backup run --now", ("wiki", 64, 88)),
        ),
    ),
    CitationShot(
        "How long are nightly backups kept?",
        (BACKUPS, WIKI),
        (
            (
                "The pages disagree: the documentation says thirty days, the team notes say ten.",
                ("backups", 33, 100),
                ("wiki", 0, 38),
            ),
        ),
    ),
)
