"""Rows: JSON lines that a user brings, read strictly.

    rows = read_rows(Path("questions.jsonl"), RetrievalRow)

A row that is wrong is an error that names its line; nothing is passed over.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tuning.errors import RowsInvalid

__all__ = ["RetrievalRow", "read_rows"]

Row = TypeVar("Row", bound=BaseModel)


class RetrievalRow(BaseModel):
    """A question and the document that answers it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    question: str = Field(min_length=1, pattern=r"\S")
    uri: str = Field(min_length=1)
    """The document's uri, or its end from a `/` on."""


def read_rows(path: Path, kind: type[Row]) -> list[Row]:
    """All rows of a JSON lines file, in order; blank lines are none.

    Raises RowsInvalid, naming the line, if the file cannot be read, holds no row, or holds a wrong one.
    """
    try:
        lines = path.read_text("utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as cause:
        raise _invalid(f"{path} cannot be read: {cause}.", kind) from cause
    rows = [_read_row(path, number, line, kind) for number, line in enumerate(lines, 1) if line.strip()]
    if not rows:
        raise _invalid(f"{path} holds no row.", kind)
    return rows


def _read_row(path: Path, number: int, line: str, kind: type[Row]) -> Row:
    try:
        return kind.model_validate_json(line)
    except ValidationError as cause:
        found = cause.errors()[0]
        where = ".".join(str(part) for part in found["loc"])
        raise _invalid(f"{path}, line {number}: {where + ': ' if where else ''}{found['msg']}.", kind) from cause


def _invalid(message: str, kind: type[BaseModel]) -> RowsInvalid:
    shape = ", ".join(f'"{name}": ...' for name in kind.model_fields)
    return RowsInvalid(message, remedy=f"Give a file with one JSON object a line: {{{shape}}}.")
