"""What can go wrong between rows and a verdict.

GroundskeeperError
└── TuningError
    ├── NothingToTrainOn      no row is left that could be trained on
    ├── RecipeInvalid         a recipe file cannot be read, or a value of it is out of bounds
    └── RowsInvalid           a file of rows is missing, empty, or a line of it is not such a row
"""

from __future__ import annotations

from serving.interface.errors import GroundskeeperError

__all__ = ["NothingToTrainOn", "RecipeInvalid", "RowsInvalid", "TuningError"]


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
