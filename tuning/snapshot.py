"""Snapshots: the rows of a training, whole, immutable, named after their content.

    snapshot = make_snapshot(Behaviour.REFUSAL, rows, root=root, contract=..., seed=7, synthetic_cap=0.3)
    snapshot.rows("train"), snapshot.rows("held_out")
    open_snapshot(root / "refusal" / snapshot.id)

    <root>/<behaviour>/<id>/manifest.json, train.jsonl, calibration.jsonl, held_out.jsonl

The id is the sha256 over the manifest, which holds the digest of every file: other rows, another rule or another
contract give another snapshot, and the same give the one that is there. It is written beside and renamed when all of it
is on the disk, so a kill at any moment leaves a whole snapshot or none.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from serving.interface.behaviours import Behaviour
from serving.registry.files import locked, make_folder, storage_told, sync_folder, write_synced
from tuning.deduplicate import deduplicate
from tuning.errors import NothingToTrainOn, SnapshotDamaged, SnapshotMissing, SplitAbsent, SyntheticShareTooHigh
from tuning.row_parts import TrainingRow
from tuning.rows import ROWS, dump_rows
from tuning.split import Split, SplitRule, Splits, split_rows

__all__ = ["Snapshot", "SnapshotManifest", "SourceCount", "make_snapshot", "open_snapshot"]

_MANIFEST = "manifest.json"
_REMEDY = "Remove this folder and make the snapshot again from its rows."


class SourceCount(BaseModel):
    """What one source gave."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    licence: str
    rows: int
    synthetic: int
    """Of these rows."""


class SnapshotManifest(BaseModel):
    """What is in a snapshot, where it comes from and how it was made; no text."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    behaviour: Behaviour
    contract: str
    """Fingerprint of the behaviour (`serving.interface.fingerprint`) when the rows were taken."""
    seed: int
    rule: SplitRule
    rows: Mapping[Split, int]
    """A split that the rule does not have is absent."""
    slices: Mapping[Split, Mapping[str, int]]
    """Rows by `origin.slice`."""
    sources: tuple[SourceCount, ...]
    """Of the rows of all splits."""
    removed: Mapping[str, int]
    """Rows that were given and are in no split: `exact`, `near`, `conflicting`, `over_cap`."""
    shared_passages: Mapping[Split, int]
    """Rows that show a passage which a row of `train` shows too, where it does not answer."""
    synthetic_cap: float
    synthetic_share: float
    files: Mapping[str, str]
    """sha256 (hex) of each file."""

    def content(self) -> bytes:
        """As it stands in the file: the same manifest is always the same bytes."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True, indent=1, ensure_ascii=False).encode() + b"\n"


@dataclass(frozen=True)
class Snapshot:
    """A verified snapshot."""

    folder: Path
    id: str
    manifest: SnapshotManifest

    def rows(self, split: str) -> tuple[TrainingRow, ...]:
        """The rows of a split, in the file's order. Raises SplitAbsent, SnapshotDamaged."""
        if split not in self.manifest.rows:
            raise SplitAbsent(
                f"The snapshot {self.id} has no split {split}.",
                remedy="Make a snapshot with a share for it; it has " + ", ".join(self.manifest.rows) + ".",
            )
        path = self.folder / _file_of(Split(split))
        kind = ROWS[self.manifest.behaviour]
        lines = _verified(path, self.manifest.files[path.name]).decode().split("\n")
        try:
            return tuple(kind.model_validate_json(line) for line in lines if line)
        except ValidationError as cause:
            raise SnapshotDamaged(f"{path} holds rows of another version.", remedy=_REMEDY) from cause


def make_snapshot(
    behaviour: Behaviour,
    rows: Sequence[TrainingRow],
    *,
    root: Path,
    contract: str,
    seed: int,
    synthetic_cap: float,
    rule: SplitRule | None = None,
    most: Mapping[Split, int] | None = None,
) -> Snapshot:
    """Remove repetition, split, and store below `root`; of the same rows in any order, the snapshot that is there.

    `most`: at most so many rows of a split, in place of a `rule`; its share is of the rows that stay, so that what was
    given twice takes none away. `synthetic_cap` is the charter's, a share of the rows that stay. Raises
    NothingToTrainOn without rows, SyntheticShareTooHigh, SnapshotDamaged if the same snapshot is there and damaged.
    """
    found = deduplicate(rows)
    if not found.rows:
        raise NothingToTrainOn("No row is left for a snapshot.", remedy="Give rows that do not contradict each other.")
    rule = rule or (SplitRule.bounded(len(found.rows), most) if most else SplitRule())
    splits = split_rows(found.rows, rule, seed=seed)
    share = _synthetic_share(splits, synthetic_cap)
    files = {_file_of(split): dump_rows(members) for split, members in splits.rows.items()}
    manifest = SnapshotManifest(
        behaviour=behaviour,
        contract=contract,
        seed=seed,
        rule=rule,
        rows={split: len(members) for split, members in splits.rows.items()},
        slices={split: Counter(row.origin.slice for row in members) for split, members in splits.rows.items()},
        sources=_sources(row for members in splits.rows.values() for row in members),
        removed={**found.removed, "over_cap": sum(splits.over_cap.values())},
        shared_passages=splits.shared_passages,
        synthetic_cap=synthetic_cap,
        synthetic_share=share,
        files={name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
    )
    return _store(root / behaviour, manifest, files)


def open_snapshot(folder: Path) -> Snapshot:
    """A snapshot whose every file is as it was written. Raises SnapshotMissing, or SnapshotDamaged naming the file."""
    if not folder.is_dir():
        raise SnapshotMissing(f"There is no snapshot {folder}.", remedy="Make it again from its rows, or name another.")
    content = _content(folder / _MANIFEST)
    try:
        manifest = SnapshotManifest.model_validate_json(content)
    except ValidationError as cause:
        raise SnapshotDamaged(f"{folder / _MANIFEST} cannot be read.", remedy=_REMEDY) from cause
    if hashlib.sha256(content).hexdigest() != folder.name:
        raise SnapshotDamaged(f"{folder / _MANIFEST} is not the one its folder is named after.", remedy=_REMEDY)
    for name, digest in manifest.files.items():
        _verified(folder / name, digest)
    return Snapshot(folder, folder.name, manifest)


def _store(parent: Path, manifest: SnapshotManifest, files: Mapping[str, bytes]) -> Snapshot:
    content = manifest.content()
    folder = parent / hashlib.sha256(content).hexdigest()
    with storage_told(parent, "store a snapshot"), locked(parent / ".lock"):
        if not folder.exists():
            staging = parent / ".staging"
            if staging.exists():  # what a killed run left; the lock says that it is nobody's
                shutil.rmtree(staging)
            make_folder(staging)
            for name, lines in files.items():
                write_synced(staging / name, lines)
            write_synced(staging / _MANIFEST, content)
            sync_folder(staging)
            staging.rename(folder)
            sync_folder(parent)
    return open_snapshot(folder)


def _synthetic_share(splits: Splits[TrainingRow], cap: float) -> float:
    rows = [row for members in splits.rows.values() for row in members]
    share = sum(bool(row.origin.synthetic) for row in rows) / len(rows)
    if share > cap:
        raise SyntheticShareTooHigh(
            f"{share:.1%} of the rows are synthetic; the charter allows {cap:.1%}.",
            remedy="Add rows that people wrote, leave out synthetic ones, or raise the cap in the charter.",
        )
    return share


def _sources(rows: Iterable[TrainingRow]) -> tuple[SourceCount, ...]:
    counts = Counter((row.origin.source, row.origin.licence, row.origin.synthetic) for row in rows)
    named = sorted({(source, licence) for source, licence, _ in counts})
    return tuple(
        SourceCount(
            source=source,
            licence=licence,
            rows=counts[source, licence, False] + counts[source, licence, True],
            synthetic=counts[source, licence, True],
        )
        for source, licence in named
    )


def _file_of(split: Split) -> str:
    return f"{split}.jsonl"


def _verified(path: Path, digest: str) -> bytes:
    content = _content(path)
    if hashlib.sha256(content).hexdigest() != digest:
        raise SnapshotDamaged(f"{path} is not the one its snapshot names.", remedy=_REMEDY)
    return content


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as cause:
        raise SnapshotDamaged(f"{path} cannot be read: {cause.strerror}.", remedy=_REMEDY) from cause
