"""Worked examples of `citation`: one source, two sources, and sources that disagree."""

from __future__ import annotations

from typing import NamedTuple

from serving.interface.context import ContextPassage

__all__ = ["FEW_SHOTS", "CitationShot"]

Span = tuple[str, int, int]
"""Passage id, and half-open offsets of the evidence in that passage's text."""


class CitationShot(NamedTuple):
    """A question, passages, and sentences with the span that each rests on."""

    question: str
    passages: tuple[ContextPassage, ...]
    answer: tuple[tuple[str, Span], ...]


_PORTS = ContextPassage(
    id="ports",
    title="Gateway > Network",
    text="The gateway listens on port 7001. Change it with the setting `listen_port` and restart the gateway.",
)
_BACKUPS = ContextPassage(
    id="backups",
    title="Backups",
    text="A full backup runs every Sunday. Incremental backups run every night and are kept for thirty days.",
)

FEW_SHOTS = (
    CitationShot(
        "How can I make the gateway use another port?",
        (_PORTS, _BACKUPS),
        (
            ("The gateway listens on port 7001 by default.", ("ports", 0, 33)),
            ("Set `listen_port` to another port and restart the gateway.", ("ports", 34, 99)),
        ),
    ),
    CitationShot(
        "How long are nightly backups kept?",
        (_PORTS, _BACKUPS),
        (("Incremental backups run every night and are kept for thirty days.", ("backups", 33, 100)),),
    ),
)
