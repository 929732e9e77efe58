"""YAML that a person wrote and a program must not misread: one document, no key twice, no key unknown.

    charter = read_yaml(Path("charter.yaml"), Charter, error=CharterInvalid, remedy="Compare it with ...")

YAML itself keeps the last of two equal keys and says nothing. Here every fault is named by its line and its key, all
faults of a file at once. Anchors are refused: a file of answers is read by people, top to bottom.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from tuning.errors import TuningError

__all__ = ["read_yaml"]

Model = TypeVar("Model", bound=BaseModel)
Where = tuple[str | int, ...]

_TEXT, _FLOAT = "tag:yaml.org,2002:str", "tag:yaml.org,2002:float"


def read_yaml(path: Path, model: type[Model], *, error: type[TuningError], remedy: str) -> Model:
    """The value that the one document of `path` describes.

    Raises `error` with `remedy`: for a file that cannot be read or is no YAML, and for a key that is doubled, unknown,
    missing or of a wrong value, each by line (from 1) and key.
    """
    try:
        return _read(path.read_text("utf-8"), model)
    except (OSError, UnicodeDecodeError) as cause:
        raise error(f"{path} cannot be read: {cause}.", remedy=remedy) from cause
    except _Faults as cause:
        raise error(f"{path}: {cause}.", remedy=remedy) from cause


class _Faults(Exception):
    """What is wrong with a text, in order of lines."""

    def __init__(self, faults: list[tuple[int, str]]) -> None:
        super().__init__("; ".join(f"line {line}: {what}" for line, what in sorted(set(faults))))


@dataclass
class _Survey:
    """What a walk over the nodes found: where each key stands, and what YAML would have passed over."""

    lines: dict[Where, int] = field(default_factory=dict)
    faults: list[tuple[int, str]] = field(default_factory=list)
    seen: set[int] = field(default_factory=set)


def _read(text: str, model: type[Model]) -> Model:
    loader = _loader(text)
    try:
        root = loader.get_single_node()
        survey = _survey(root)
        if survey.faults:
            raise _Faults(survey.faults)
        return model.model_validate(loader.construct_document(root))
    except yaml.MarkedYAMLError as cause:
        raise _Faults([(_line(cause.problem_mark), cause.problem or "this is no YAML")]) from cause
    except RecursionError as cause:
        raise _Faults([(1, "lists or mappings are nested too deeply")]) from cause
    except ValidationError as cause:
        raise _Faults([_fault(found["loc"], found["msg"], survey.lines) for found in cause.errors()]) from cause
    finally:
        loader.dispose()


class _Loader(yaml.SafeLoader):
    """Reads 1e-3 as the number that it is; YAML 1.1 wants 1.0e-3."""


_Loader.add_implicit_resolver(_FLOAT, re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789"))


def _loader(text: str) -> _Loader:
    try:
        return _Loader(text)
    except yaml.reader.ReaderError as cause:
        line = text.count("\n", 0, cause.position) + 1
        raise _Faults([(line, f"the character U+{cause.character:04X} is not allowed")]) from cause


def _survey(root: yaml.Node | None) -> _Survey:
    if root is None:
        raise _Faults([(1, "the file holds nothing")])
    survey = _Survey(lines={(): _line(root.start_mark)})
    _walk(root, (), survey)
    return survey


def _walk(node: yaml.Node, where: Where, survey: _Survey) -> None:
    if id(node) in survey.seen:
        survey.faults.append((_line(node.start_mark), f"{_name(where)} is a reference; write it out"))
        return
    survey.seen.add(id(node))
    if isinstance(node, yaml.ScalarNode):
        survey.faults += _unreadable(node, where)
    for name, line, child in _children(node, survey):
        at = (*where, name)
        if at in survey.lines:
            survey.faults.append((line, f"{_name(at)} stands here for the second time"))
        survey.lines[at] = line
        _walk(child, at, survey)


def _children(node: yaml.Node, survey: _Survey) -> Iterator[tuple[str | int, int, yaml.Node]]:
    """Name, line and node of each part."""
    if isinstance(node, yaml.SequenceNode):
        for index, child in enumerate(node.value):
            yield index, _line(child.start_mark), child
    elif isinstance(node, yaml.MappingNode):
        for key, child in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag == _TEXT:
                yield key.value, _line(key.start_mark), child
            else:
                survey.faults.append((_line(key.start_mark), "a key is no word; put it in quotes"))


def _unreadable(node: yaml.ScalarNode, where: Where) -> list[tuple[int, str]]:
    """A value that looks like a date or a number and is none, such as 2026-13-45 or `!!int ""`."""
    try:
        yaml.constructor.SafeConstructor().construct_object(node)
    except (ValueError, LookupError, AttributeError, ArithmeticError):  # all of them come out of the library
        kind = node.tag.rpartition(":")[2]
        return [(_line(node.start_mark), f"{_name(where)}: {node.value} is no {kind}")]
    return []


def _fault(where: Where, message: str, lines: dict[Where, int]) -> tuple[int, str]:
    """A finding of the model, at the line of the key or, if that is missing, of the mapping that should hold it."""
    standing = where
    while standing not in lines:
        standing = standing[:-1]
    return lines[standing], f"{_name(where)}: {message}"


def _name(where: Where) -> str:
    return ".".join(map(str, where)) or "the file"


def _line(mark: yaml.Mark | None) -> int:
    return mark.line + 1 if mark else 1
