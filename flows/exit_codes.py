"""From the kind of an error to the exit code of a command.

0 done; 1 the thing asked about is not so; 2 the user can mend it. Programmer errors keep their traceback, and
Python's own exit code.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["DONE", "EXIT_CODES", "INTERRUPTED", "MENDABLE", "NOT_SO"]

DONE = 0
NOT_SO = 1
MENDABLE = 2
INTERRUPTED = 130  # 128 + SIGINT, as shells count

EXIT_CODES: Mapping[str, int] = MappingProxyType(
    {
        "adapter_damaged": MENDABLE,
        "adapter_mismatch": MENDABLE,
        "adapter_missing": MENDABLE,
        "adapter_refused": MENDABLE,
        "adapter_unknown": MENDABLE,
        "adapter_unusable": MENDABLE,
        "channels_damaged": MENDABLE,
        "calibration_missing": MENDABLE,
        "charter_invalid": MENDABLE,
        "citation_unresolved": MENDABLE,
        "contract": MENDABLE,
        "data_invalid": MENDABLE,
        "disk_full": MENDABLE,
        "encoder_failed": MENDABLE,
        "engine": MENDABLE,
        "engine_unavailable": MENDABLE,
        "error": MENDABLE,
        "flow": MENDABLE,
        "history_invalid": MENDABLE,
        "index_busy": MENDABLE,
        "index_damaged": MENDABLE,
        "index_mismatch": MENDABLE,
        "index_missing": MENDABLE,
        "index_unusable": MENDABLE,
        "malformed_output": NOT_SO,
        "missing_extra": MENDABLE,
        "model_damaged": MENDABLE,
        "model_missing": MENDABLE,
        "model_refused": MENDABLE,
        "not_comparable": MENDABLE,
        "not_judged": NOT_SO,
        "nothing_to_ask": MENDABLE,
        "nothing_to_train_on": MENDABLE,
        "prefect_unavailable": MENDABLE,
        "prompt_too_long": MENDABLE,
        "query_empty": MENDABLE,
        "question_empty": MENDABLE,
        "question_too_long": MENDABLE,
        "recipe_invalid": MENDABLE,
        "registry": MENDABLE,
        "retrieval": MENDABLE,
        "rows_invalid": MENDABLE,
        "rows_unnamed": MENDABLE,
        "settings_invalid": MENDABLE,
        "snapshot_damaged": MENDABLE,
        "snapshot_missing": MENDABLE,
        "source_missing": MENDABLE,
        "source_name_taken": MENDABLE,
        "source_unnamed": MENDABLE,
        "switch_refused": NOT_SO,
        "split_absent": MENDABLE,
        "synthetic_share_too_high": MENDABLE,
        "template_unusable": MENDABLE,
        "thresholds_invalid": MENDABLE,
        "training_not_advised": NOT_SO,
        "tuning": MENDABLE,
        "unreadable_document": MENDABLE,
    }
)
