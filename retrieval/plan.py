"""What a refresh would change, decided before anything is done.

    plan_changes(old, new)      # both: fingerprint by id

`added` and `removed` are ids that come and go; `changed` keeps its id, hence its embedded text and its
vectors, while position or metadata differ. The function is pure: a plan can be printed, tested and thrown away.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Plan", "plan_changes"]


@dataclass(frozen=True)
class Plan:
    """Ids by what happens to them, each ascending."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    unchanged: int

    def counts(self) -> dict[str, int]:
        """`added`, `changed`, `removed`, `unchanged`: how many of each."""
        return {
            "added": len(self.added),
            "changed": len(self.changed),
            "removed": len(self.removed),
            "unchanged": self.unchanged,
        }


def plan_changes(old: Mapping[str, str], new: Mapping[str, str]) -> Plan:
    """Compare fingerprints by id: applying the plan to `old` makes it equal `new`."""
    kept = old.keys() & new.keys()
    changed = {key for key in kept if old[key] != new[key]}
    return Plan(
        added=tuple(sorted(new.keys() - old.keys())),
        changed=tuple(sorted(changed)),
        removed=tuple(sorted(old.keys() - new.keys())),
        unchanged=len(kept) - len(changed),
    )
