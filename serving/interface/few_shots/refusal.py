"""Worked examples of `refusal`: one a label, and a near miss."""

from __future__ import annotations

from typing import Literal, NamedTuple

from serving.interface.context import ContextPassage
from serving.interface.few_shots.pages import BACKUPS, PORTS

__all__ = ["FEW_SHOTS", "RefusalShot"]


class RefusalShot(NamedTuple):
    """A question, one passage and whether the passage answers it."""

    passage: ContextPassage
    question: str
    label: Literal["answerable", "unanswerable", "underspecified"]


FEW_SHOTS = (
    RefusalShot(PORTS, "Which port does the gateway use?", "answerable"),
    RefusalShot(PORTS, "Which port does the database use?", "unanswerable"),
    RefusalShot(BACKUPS, "How long are incremental backups kept?", "answerable"),
    RefusalShot(BACKUPS, "Who founded the company?", "unanswerable"),
    RefusalShot(BACKUPS, "How do I change it?", "underspecified"),
)
