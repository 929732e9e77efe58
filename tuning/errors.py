"""What can go wrong between rows and a verdict.

GroundskeeperError
└── TuningError
    ├── CharterInvalid        a charter cannot be read, or a key of it is doubled, unknown, missing or wrong
    ├── TrainingNotAdvised    the charter says no, or rows are too few, and what to do in place of training
    ├── NothingToTrainOn      no row is left that could be trained on
    ├── RecipeInvalid         a recipe file cannot be read, or a value of it is out of bounds
    ├── ThresholdsInvalid     the gate's thresholds cannot be read, or a key of them is unknown, missing or wrong
    ├── NotComparable         two evaluations are of different rows or behaviours, so nothing can be said of a gain
    ├── NotJudged             a row could not be judged; counted, and never a 0
    ├── DataInvalid           a public data file is not in the format that its converter reads
    ├── SnapshotDamaged       a file of a snapshot is missing or is not the one its manifest names
    ├── SnapshotMissing       there is no such snapshot
    ├── SplitAbsent           a snapshot was made without this split, which is not an empty one
    ├── SyntheticShareTooHigh more of the rows are synthetic than the charter allows
    └── RowsInvalid           a file of rows is missing, empty, or a line of it is not such a row
"""

from __future__ import annotations

from serving.interface.errors import GroundskeeperError

__all__ = [
    "CharterInvalid",
    "DataInvalid",
    "NotComparable",
    "NotJudged",
    "NothingToTrainOn",
    "RecipeInvalid",
    "RowsInvalid",
    "SnapshotDamaged",
    "SnapshotMissing",
    "SplitAbsent",
    "SyntheticShareTooHigh",
    "ThresholdsInvalid",
    "TrainingNotAdvised",
    "TuningError",
]


class TuningError(GroundskeeperError):
    """Data, training or judging failed in a way the user can mend."""

    kind = "tuning"


class RowsInvalid(TuningError):
    """A file of rows is missing, empty, or a line of it is not such a row."""

    kind = "rows_invalid"


class NothingToTrainOn(TuningError):
    """No row is left that could be trained on."""

    kind = "nothing_to_train_on"


class RecipeInvalid(TuningError):
    """A recipe file cannot be read, or a value of it is out of bounds."""

    kind = "recipe_invalid"


class CharterInvalid(TuningError):
    """A charter cannot be read, or a key of it is doubled, unknown, missing or of a wrong value."""

    kind = "charter_invalid"


class TrainingNotAdvised(TuningError):
    """The charter says no, or the gate could pass nobody; the remedy is what to do in place of training."""

    kind = "training_not_advised"


class DataInvalid(TuningError):
    """A public data file is not in the format that its converter reads."""

    kind = "data_invalid"


class SnapshotDamaged(TuningError):
    """A file of a snapshot is missing or is not the one that its manifest names."""

    kind = "snapshot_damaged"


class SnapshotMissing(TuningError):
    """There is no such snapshot."""

    kind = "snapshot_missing"


class SplitAbsent(TuningError):
    """A snapshot was made without this split, which is not the same as an empty one."""

    kind = "split_absent"


class SyntheticShareTooHigh(TuningError):
    """More of the rows are synthetic than the charter allows."""

    kind = "synthetic_share_too_high"


class ThresholdsInvalid(TuningError):
    """The gate's thresholds cannot be read, or a key of them is unknown, missing or of a wrong value."""

    kind = "thresholds_invalid"


class NotComparable(TuningError):
    """Two evaluations are of different rows or behaviours, so nothing can be said of a gain."""

    kind = "not_comparable"


class NotJudged(TuningError):
    """A row could not be judged. Systems and metrics raise it; an evaluation counts it, and never as a 0."""

    kind = "not_judged"

    def __init__(self, why: str) -> None:
        super().__init__(why, remedy="Look at the rows that the evaluation names as not judged.")
