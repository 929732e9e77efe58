"""Which rows are trained on, which choose thresholds, and by which the gate judges: no leak between them.

    splits = split_rows(rows, SplitRule(), seed=7)
    splits.rows[Split.HELD_OUT]

Rows that belong together (`tuning.kinship`) are put into a split whole. Families are taken in an order drawn by the
seed from the names of their documents, so the order of the rows changes nothing, and more rows move few. Each source
gives each split its share, as nearly as the sizes of its families allow, and sources whose families are all too large
give theirs together: what is trained on is what is judged.

Rows of two splits may show one passage where it does not answer; `Splits.shared_passages` counts them.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tuning.kinship import families
from tuning.row_parts import TrainingRow, passages_of
from tuning.rows import dump_row
from tuning.shingles import fold

__all__ = ["Share", "Split", "SplitRule", "Splits", "split_rows"]

SPREAD = 1.5
"""A family may have so many times the rows that a split lacks of its share."""

Row = TypeVar("Row", bound=TrainingRow)


class Split(StrEnum):
    """What rows are for."""

    TRAIN = "train"
    CALIBRATION = "calibration"
    """Thresholds are chosen here."""
    HELD_OUT = "held_out"
    """By these the gate judges."""


class Share(BaseModel):
    """How much of the rows of each source a split gets."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    share: float = Field(gt=0, lt=1)
    rows: int | None = Field(default=None, ge=1)
    """At most so many of all sources; those beyond are used nowhere."""


class SplitRule(BaseModel):
    """All that decides how rows are split, beside the rows and the seed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    calibration: Share | None = Share(share=0.15)
    """None: there is no such split, which is another thing than an empty one."""
    held_out: Share | None = Share(share=0.2)

    @model_validator(mode="after")
    def _leaves_rows(self) -> SplitRule:
        if sum(share.share for share in self.shares.values()) >= 1:
            raise ValueError("The shares leave no row to train on.")
        return self

    @classmethod
    def bounded(cls, rows: int, most: Mapping[Split, int]) -> SplitRule:
        """The usual shares of `rows` rows, or less where they would be more than the rows that are asked for."""
        usual = cls().shares
        return cls(**{s: Share(share=min(usual[s].share, bound / rows), rows=bound) for s, bound in most.items()})

    @property
    def shares(self) -> dict[Split, Share]:
        """The splits beside `train` that there are, in the order in which they are filled."""
        both = {Split.HELD_OUT: self.held_out, Split.CALIBRATION: self.calibration}
        return {split: share for split, share in both.items() if share is not None}


@dataclass(frozen=True)
class Splits(Generic[Row]):
    """Rows by split, in the order in which they came."""

    rows: Mapping[Split, tuple[Row, ...]]
    """A split that the rule does not have is absent; one that got nothing is empty."""
    over_cap: Mapping[Split, int]
    """Rows beyond `Share.rows`."""
    shared_passages: Mapping[Split, int]
    """Rows that show a passage which a row of `train` shows too."""


@dataclass(frozen=True)
class _Family:
    """Rows that go into one split."""

    order: str
    """Families are taken in this order."""
    source: str
    size: int
    """Rows."""
    members: tuple[int, ...]


def split_rows(rows: Sequence[Row], rule: SplitRule, *, seed: int) -> Splits[Row]:
    """Splits of `rows`, all of one behaviour and without repetition (`tuning.deduplicate`)."""
    placed = _place([_family(rows, members, seed) for members in families(rows)], rule)
    split_of = {member: split for family, split in placed for member in family.members}
    found = {
        split: [row for index, row in enumerate(rows) if split_of[index] is split]
        for split in (Split.TRAIN, *rule.shares)
    }
    kept = {split: _capped(members, rule, split, seed) for split, members in found.items()}
    return Splits(
        rows=kept,
        over_cap={split: len(found[split]) - len(kept[split]) for split in rule.shares},
        shared_passages={split: _showing(kept[split], kept[Split.TRAIN]) for split in rule.shares},
    )


def _family(rows: Sequence[TrainingRow], members: Sequence[int], seed: int) -> _Family:
    """A family is known by one of its documents, else of its conversations, else by one of its rows."""
    origins = [rows[index].origin for index in members]
    documents = {_order(seed, origin.document) for origin in origins if origin.document}
    conversations = {_order(seed, o.source, o.conversation) for o in origins if o.conversation}
    return _Family(
        order=min(documents or conversations or {_order(seed, "", "", dump_row(rows[index])) for index in members}),
        source=min(origin.source for origin in origins),
        size=len(members),
        members=tuple(members),
    )


def _place(all_families: Sequence[_Family], rule: SplitRule) -> Iterator[tuple[_Family, Split]]:
    """Each family with its split: the shares are filled from each source, the rest goes to `train`."""
    free = sorted(all_families, key=lambda family: family.order)
    sizes: Counter[str] = Counter()
    for family in free:
        sizes[family.source] += family.size
    for split, share in rule.shares.items():
        taken = set(_take(free, {source: share.share * size for source, size in sizes.items()}))
        yield from ((family, split) for family in free if family in taken)
        free = [family for family in free if family not in taken]
    yield from ((family, Split.TRAIN) for family in free)


def _take(free: Sequence[_Family], wanted: Mapping[str, float]) -> list[_Family]:
    """Families of about as many rows of each source as are wanted, or if all are larger, the smallest of all.

    Sources that have no family as small as that are filled together. One family is always left: there is nothing to
    judge where nothing was trained.
    """
    of_source = defaultdict(list)
    for family in free:
        of_source[family.source].append(family)
    filled = {source: _fill(of_source[source], rows) for source, rows in wanted.items()}
    together = [family for family in free if not filled[family.source]]
    taken = [family for families in filled.values() for family in families]
    taken += _fill(together, sum(rows for source, rows in wanted.items() if not filled[source]))
    smallest = sorted(free, key=lambda family: (family.size, family.order))[:1]
    return (taken or smallest)[: max(0, len(free) - 1)]


def _fill(families: Sequence[_Family], rows: float) -> list[_Family]:
    """The first families that have about `rows` rows together."""
    taken = []
    for family in families:
        if family.size <= SPREAD * rows:
            taken.append(family)
            rows -= family.size
    return taken


def _capped(rows: Sequence[Row], rule: SplitRule, split: Split, seed: int) -> tuple[Row, ...]:
    """At most as many rows as the rule says, drawn by the seed from their contents."""
    most = rule.shares[split].rows if split in rule.shares else None
    if most is None or len(rows) <= most:
        return tuple(rows)
    drawn = sorted(range(len(rows)), key=lambda index: (_order(seed, dump_row(rows[index])), index))[:most]
    return tuple(rows[index] for index in sorted(drawn))


def _showing(rows: Sequence[TrainingRow], trained: Sequence[TrainingRow]) -> int:
    """How many of `rows` show a passage that a trained row shows."""
    seen = {fold(passage.text) for row in trained for passage in passages_of(row)}
    return sum(any(fold(passage.text) in seen for passage in passages_of(row)) for row in rows)


def _order(seed: int, *name: str) -> str:
    return hashlib.sha256("\n".join([str(seed), *name]).encode("utf-8", "surrogatepass")).hexdigest()
