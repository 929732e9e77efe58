"""What can go wrong between rows and a verdict.

GroundskeeperError
└── TuningError
    └── RowsInvalid           a file of rows is missing, empty, or a line of it is not such a row
"""

from __future__ import annotations

from serving.interface.errors import GroundskeeperError

__all__ = ["RowsInvalid", "TuningError"]


class TuningError(GroundskeeperError):
    """Data, training or judging failed in a way the user can mend."""

    kind = "tuning"


class RowsInvalid(TuningError):
    """A file of rows is missing, empty, or a line of it is not such a row."""

    kind = "rows_invalid"
