"""One finding of the doctor, and the way to one: what cannot be used is a finding, not the end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from serving.interface.errors import GroundskeeperError

__all__ = ["Check", "checked"]


@dataclass(frozen=True)
class Check:
    """One thing looked at."""

    name: str
    ok: bool
    found: str
    mend: str = ""
    """What to do about it; empty when nothing need be done."""


def checked(name: str, look: Callable[[], Check]) -> Check:
    """What `look` found; what it cannot use is a finding, what is merely absent is its caller's business."""
    from retrieval.errors import IndexMissing

    try:
        return look()
    except IndexMissing:
        raise
    except GroundskeeperError as error:
        return Check(name, False, str(error), error.remedy)
