"""What a converter hands back, and what all of them need: strict reading, seeded drawing, whole sentences."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from serving.interface.context import Context, ContextPassage, build_context
from tuning.errors import DataInvalid
from tuning.rows import AnswerSentence, RowCitation

__all__ = [
    "BLANK",
    "Converted",
    "Foreign",
    "LeftOut",
    "Part",
    "collect",
    "draw",
    "one_part",
    "quoted",
    "read_as",
    "read_each",
    "sentences_of",
]

Row = TypeVar("Row", bound=BaseModel)
T = TypeVar("T")
Part = Callable[[str], Hashable]
"""From a document's id to the part it belongs to; only documents of one part meet in a row."""


class Foreign(BaseModel):
    """Base of records in somebody else's format: what we read is checked, what we do not read may be there."""

    model_config = ConfigDict(frozen=True, extra="ignore")


@dataclass(frozen=True)
class LeftOut:
    """Why something became no row."""

    reason: str


BLANK = LeftOut("blank")
"""Nobody asked anything, or nobody wrote what it meant."""


@dataclass(frozen=True)
class Converted(Generic[Row]):
    """The rows of a converter, in the order of its input, and how many candidates were left out, by reason."""

    rows: tuple[Row, ...]
    left_out: Mapping[str, int]


def collect(made: Iterable[Row | LeftOut]) -> Converted[Row]:
    """Rows apart from what was left out."""
    rows: list[Row] = []
    reasons: Counter[str] = Counter()
    for item in made:
        if isinstance(item, LeftOut):
            reasons[item.reason] += 1
        else:
            rows.append(item)
    return Converted(tuple(rows), dict(sorted(reasons.items())))


def read_as(kind: type[T], parsed: object, name: str) -> T:
    """`parsed` JSON checked against `kind`. Raises DataInvalid, naming the place, if `name`'s format is another one."""
    try:
        return TypeAdapter(kind).validate_python(parsed)
    except ValidationError as cause:
        raise DataInvalid(
            f"This is not {name}: {_what_is_wrong(cause)}.",
            remedy="Give the file as its makers publish it, or convert it to rows yourself.",
        ) from cause


def read_each(kind: type[T], records: Iterable[object], name: str) -> tuple[T, ...]:
    """As `read_as`, record by record: when it raises, the wrong record is the last that was taken."""
    return tuple(read_as(kind, record, name) for record in records)


_NO_OBJECT = "is not an object"
_PLAIN = MappingProxyType(
    {
        "missing": "is missing",
        "model_type": _NO_OBJECT,
        "dict_type": _NO_OBJECT,
        "tuple_type": "is not a list",
        "too_short": "has fewer than {min_length} items",
        "string_type": "is not a text",
        "string_unicode": "is not a text in Unicode",
        "int_type": "is not a whole number",
        "int_parsing": "is not a whole number",
        "int_from_float": "is not a whole number",
        "bool_type": "is neither true nor false",
        "bool_parsing": "is neither true nor false",
        "literal_error": "is not {expected}",
        "value_error": "{error}",
    }
)
"""What a reader of a foreign file is told, by pydantic's name of it: no word of ours, no class of ours."""


def _what_is_wrong(cause: ValidationError) -> str:
    """The first thing that is wrong, and where in the JSON: `data[0].title is missing`."""
    found = cause.errors()[0]
    where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in found["loc"]).lstrip(".")
    told: dict[str, Any] = found.get("ctx", {})
    return f"{where or 'it'} {_PLAIN.get(found['type'], 'is of another kind').format(**told)}"


def one_part(_: str) -> Hashable:
    """Every document in one part: any may meet any."""
    return None


def draw(*seed: object) -> random.Random:
    """A generator of its own for each seed and id, so that one row's draws never depend on another's."""
    return random.Random("\x1f".join(map(str, seed)))


def sentences_of(passages: Sequence[ContextPassage]) -> Context:
    """All citable sentences of `passages` as a model is shown them, whatever their length."""
    return build_context(passages, lambda _: 0)


def quoted(shown: Context, numbers: Sequence[int]) -> tuple[AnswerSentence, ...]:
    """An answer that says the numbered sentences in their own words, each citing itself."""
    return tuple(
        AnswerSentence(text=s.shown, citations=(RowCitation(passage_id=s.passage_id, start=s.start, end=s.end),))
        for s in map(shown.sentence, numbers)
    )
