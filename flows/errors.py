"""What a user of the command line can meet before any room is entered.

GroundskeeperError
└── FlowError
    ├── SettingsInvalid       a setting is unknown, malformed or out of its bounds
    ├── SourceUnnamed         no source was given, or one cannot be named
    ├── HistoryInvalid        the file behind --history is no conversation
    ├── ExtraMissing          a library is not installed that this command needs
    ├── PrefectUnavailable    no Prefect server answers, and a temporary one does not start in time
    ├── RowsUnnamed           no file of rows was named to train on
    └── NothingToAsk          the source gives no question: no document, or none with a heading and prose
"""

from __future__ import annotations

from serving.interface.errors import GroundskeeperError

__all__ = [
    "ExtraMissing",
    "FlowError",
    "HistoryInvalid",
    "NothingToAsk",
    "PrefectUnavailable",
    "RowsUnnamed",
    "SettingsInvalid",
    "SourceUnnamed",
]


class FlowError(GroundskeeperError):
    """A command cannot begin with what it was given."""

    kind = "flow"


class SettingsInvalid(FlowError):
    """A setting is unknown, malformed or out of its bounds."""

    kind = "settings_invalid"


class SourceUnnamed(FlowError):
    """There is no source to read, or one without a usable name."""

    kind = "source_unnamed"


class HistoryInvalid(FlowError):
    """A conversation file is missing or not a list of turns."""

    kind = "history_invalid"


class NothingToAsk(FlowError):
    """The demo finds no heading with prose under it to make a question of."""

    kind = "nothing_to_ask"


class ExtraMissing(FlowError):
    """A library is not installed that only some commands need."""

    kind = "missing_extra"


class PrefectUnavailable(FlowError):
    """No Prefect server answers, and a temporary one does not start in time."""

    kind = "prefect_unavailable"


class RowsUnnamed(FlowError):
    """No file of rows was named to train on."""

    kind = "rows_unnamed"
