"""Worked examples of `refusal`: one a label, and a near miss."""

from __future__ import annotations

from typing import Literal, NamedTuple

from serving.interface.context import ContextPassage

__all__ = ["FEW_SHOTS", "RefusalShot"]


class RefusalShot(NamedTuple):
    """A question, one passage and whether the passage answers it."""

    passage: ContextPassage
    question: str
    label: Literal["answerable", "unanswerable", "underspecified"]


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
    RefusalShot(_PORTS, "Which port does the gateway use?", "answerable"),
    RefusalShot(_PORTS, "Which port does the database use?", "unanswerable"),
    RefusalShot(_BACKUPS, "How long are incremental backups kept?", "answerable"),
    RefusalShot(_BACKUPS, "Who founded the company?", "unanswerable"),
    RefusalShot(_BACKUPS, "How do I change it?", "underspecified"),
)
