"""Options that several commands have, with their help, and words that are checked before anything begins."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from serving.interface.behaviours import Behaviour

__all__ = ["BehaviourName", "Home", "Json", "Limit", "Mode", "Rows", "TopK", "readable"]

Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output; all else on standard error.")]
Home = Annotated[
    str | None,  # no Path: that would make the working folder of an empty one
    typer.Option(metavar="PATH", help="Folder of all state but the models. Default: var.", show_default=False),
]
TopK = Annotated[int | None, typer.Option(help="How many passages. Default: the setting top_k, 8.", show_default=False)]
Rows = Annotated[Path, typer.Option("--data", help="Rows of the behaviour, JSON lines; see docs/rows.md.")]
Limit = Annotated[
    int | None,
    typer.Option(min=1, help="Only so many rows, drawn at random with the seed. Default: all.", show_default=False),
]

BehaviourName = Annotated[Behaviour, typer.Argument(metavar="BEHAVIOUR", help="The behaviour.")]
Mode = Literal["bm25", "dense", "hybrid"]


def readable(text: str) -> str:
    """Words that are UTF-8; others cannot be searched for, nor printed."""
    try:
        text.encode()
    except UnicodeEncodeError as cause:
        raise typer.BadParameter("it holds bytes that are not UTF-8") from cause
    return text
