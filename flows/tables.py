"""Tables for people: columns that stand under each other, and scores with their intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

__all__ = ["Scored", "columns", "interval", "scores"]


class Scored(Protocol):
    """A figure with its 95% interval."""

    @property
    def value(self) -> float: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """A line a row; every column is as wide as its widest cell."""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return ["  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def scores(systems: Mapping[str, Mapping[str, Scored]]) -> list[str]:
    """A line a metric, a column a system; metrics in the order of the first system."""
    names = dict.fromkeys(name for metrics in systems.values() for name in metrics)
    lines = [[name, *(interval(metrics.get(name)) for metrics in systems.values())] for name in names]
    return columns([["", *systems], *lines])


def interval(figure: Scored | None) -> str:
    """A figure and its interval; what could not be judged says so."""
    return f"{figure.value:.3f} [{figure.low:.3f}, {figure.high:.3f}]" if figure else "not judged"
