"""The small documentation that the worked examples are about. Our own words."""

from __future__ import annotations

from serving.interface.context import ContextPassage

__all__ = ["BACKUPS", "PORTS", "WIKI"]

PORTS = ContextPassage(
    id="ports",
    title="Gateway > Network",
    text="The gateway listens on port 7001. Change it with the setting `listen_port` and restart the gateway.",
)
BACKUPS = ContextPassage(
    id="backups",
    title="Backups",
    text="A full backup runs every Sunday. Incremental backups run every night and are kept for thirty days.",
)
WIKI = ContextPassage(
    id="wiki",
    title="Team notes",
    trust="community",
    text="Nightly backups are kept for ten days. Start one by hand with:\n\n```\nbackup run --now\n```",
)
