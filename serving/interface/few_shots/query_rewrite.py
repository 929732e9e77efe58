"""Worked examples of `query_rewrite`."""

from __future__ import annotations

from typing import Literal, NamedTuple

__all__ = ["FEW_SHOTS", "RewriteShot"]


class RewriteShot(NamedTuple):
    """A conversation and its standalone question."""

    history: tuple[tuple[Literal["user", "assistant"], str], ...]
    question: str
    rewrite: str


FEW_SHOTS = (
    RewriteShot(
        (
            ("user", "How do I install the backup agent?"),
            ("assistant", "Download the package for your system and run the installer."),
        ),
        "And how do I remove it again?",
        "How do I remove the backup agent?",
    ),
    RewriteShot(
        (
            ("user", "Where is the cache kept?"),
            ("assistant", "The cache is kept in the folder that CACHE_DIR names."),
            ("user", "Can I change that?"),
            ("assistant", "Yes, set CACHE_DIR before the server starts."),
        ),
        "What is the default?",
        "What is the default folder of the cache?",
    ),
    RewriteShot(
        (
            ("user", "Which ports does the gateway use?"),
            ("assistant", "The gateway listens on port 7001."),
        ),
        "How can I rotate the log files?",
        "How can I rotate the log files?",
    ),
)
