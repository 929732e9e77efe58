"""Files of public data, read so that whatever is wrong with one is told with its name and its line.

read_file(path, lambda file: read_squad(file.whole()))
read_file(path, lambda file: read_rewrites(file.records()))
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from tuning.errors import DataInvalid

__all__ = ["DataFile", "read_file", "read_files"]

T = TypeVar("T")


class DataFile:
    """A file of JSON, and how far it was read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.place = f"{path}"
        """Of the record that was taken last; of the file before the first record and after the last."""

    def whole(self) -> object:
        """The one document of the file. Raises DataInvalid."""
        return _parsed(_text(self._path))

    def records(self) -> Iterator[object]:
        """The document of each line, or of a file that is one: it, or the items of its list. Raises DataInvalid."""
        text = _text(self._path)
        if _is_in_lines(text):
            yield from self._lines(text)
        else:
            document = _parsed(text)
            yield from self._items(document) if isinstance(document, list) else (document,)
        self.place = f"{self._path}"

    def _lines(self, text: str) -> Iterator[object]:
        for number, line in enumerate(text.split("\n"), 1):
            if line.strip():
                self.place = f"{self._path}, line {number}"
                yield _parsed(line)

    def _items(self, items: list[object]) -> Iterator[object]:
        for number, item in enumerate(items, 1):
            self.place = f"{self._path}, record {number}"
            yield item


def read_file(path: Path, read: Callable[[DataFile], T]) -> T:
    """What `read` makes of a file before it returns; a DataInvalid is told with the place that was come to."""
    file = DataFile(path)
    try:
        return read(file)
    except DataInvalid as cause:
        raise DataInvalid(f"{file.place}: {cause}", remedy=cause.remedy) from cause


def read_files(paths: Iterable[Path], read: Callable[[DataFile], Iterable[T]]) -> list[T]:
    """What `read` makes of each file, joined."""
    return [one for path in paths for one in read_file(path, read)]


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except OSError as cause:
        raise DataInvalid(f"It cannot be read: {cause.strerror}.", remedy="Name a file that you may read.") from cause
    except UnicodeDecodeError as cause:
        raise DataInvalid("It is not text in UTF-8.", remedy="Name a file of text in UTF-8.") from cause


def _is_in_lines(text: str) -> bool:
    """Whether each line is a document: the first one is, and it is no list that is the whole file."""
    first, *others = [line for line in text.split("\n") if line.strip()] or [""]
    return _is_json(first) if others else not first.lstrip().startswith("[")


def _is_json(text: str) -> bool:
    try:
        _parsed(text)
    except DataInvalid:
        return False
    return True


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except json.JSONDecodeError as cause:
        line = f"line {cause.lineno}, " if "\n" in text.strip() else ""
        raise _not_json(f"{cause.msg} ({line}column {cause.colno})") from cause
    except ValueError as cause:  # a number of thousands of digits
        raise _not_json(f"{cause}") from cause
    except RecursionError as cause:
        raise _not_json("it is nested too deep") from cause


def _not_json(why: str) -> DataInvalid:
    return DataInvalid(f"This is no JSON that can be read: {why}.", remedy="Give the file as its makers publish it.")
