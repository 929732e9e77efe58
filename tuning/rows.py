"""Rows: JSON lines that a user brings or a converter makes, read strictly.

    rows = read_rows(Path("rows.jsonl"), ROWS[Behaviour.REFUSAL])
    write_rows(Path("copy.jsonl"), rows)

A row that is wrong is an error that names its line; nothing is passed over. Rows hold text as it stands in its source;
what a model is shown of it is the contract's affair (`serving.interface`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from serving.interface.behaviours import Behaviour
from serving.interface.context import ContextPassage
from serving.interface.refusal import Answerability
from serving.interface.turns import Turn
from serving.registry.files import replace_file
from tuning.errors import RowsInvalid

__all__ = [
    "ROWS",
    "AnswerSentence",
    "AssistantRow",
    "CitationRow",
    "Origin",
    "QueryRewriteRow",
    "RankedPassage",
    "RefusalRow",
    "RerankRow",
    "RetrievalRow",
    "RowCitation",
    "Words",
    "dump_row",
    "dump_rows",
    "read_rows",
    "write_rows",
]

Row = TypeVar("Row", bound=BaseModel)
Words = Annotated[str, Field(pattern=r"\S")]
"""A text that is not blank."""
_FROZEN = ConfigDict(frozen=True, extra="forbid")


class Origin(BaseModel):
    """Where a row comes from; empty when unknown. Splits keep equal conversations and equal documents together."""

    model_config = _FROZEN

    source: str = ""
    """Name of the data set or of the person that made it."""
    licence: str = ""
    conversation: str = ""
    """Id of the conversation, unique in its source."""
    document: str = ""
    """Id of the document (article, page) that the row is about, unique in its source."""
    synthetic: bool = False
    """Whether a machine wrote the question, or a label was made rather than given."""
    slice: str = ""
    """Name of a part of the data that the gate may hold to a floor of its own."""


class RetrievalRow(BaseModel):
    """A question and the document that answers it."""

    model_config = _FROZEN

    question: Words
    uri: str = Field(min_length=1)
    """The document's uri, or its end from a `/` on."""


class AssistantRow(BaseModel):
    """A question for the whole assistant: to be answered, citing the document if one is named, or to be refused."""

    model_config = _FROZEN

    question: Words
    uri: str | None = Field(default=None, min_length=1)
    """As in `RetrievalRow`."""
    answerable: bool
    history: tuple[Turn, ...] = ()


class QueryRewriteRow(BaseModel):
    """A question at the end of a conversation, and the same so that it stands alone."""

    model_config = _FROZEN

    history: tuple[Turn, ...] = ()
    question: Words
    rewrite: Words
    origin: Origin = Origin()


class _PassageRow(BaseModel):
    """What refusal and citation rows share."""

    model_config = _FROZEN

    history: tuple[Turn, ...] = ()
    question: Words
    passages: tuple[ContextPassage, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _each_passage_has_its_own_id(self) -> Self:
        _require_distinct_ids(self.passages)
        return self


class RefusalRow(_PassageRow):
    """A question, the passages that were found for it, and whether they answer it."""

    label: Answerability
    answering: str | None = None
    """Id of the passage that answers. Needed to train on several passages, since each is judged alone."""
    origin: Origin = Origin()

    @model_validator(mode="after")
    def _only_a_given_passage_answers(self) -> Self:
        if self.answering is not None and self.answering not in {passage.id for passage in self.passages}:
            raise ValueError(f"answering names no passage of the row: {self.answering}")
        if self.answering is not None and self.label is not Answerability.ANSWERABLE:
            raise ValueError(f"answering is given although the label is {self.label}")
        return self


class RowCitation(BaseModel):
    """Half-open code points of the passage's text."""

    model_config = _FROZEN

    passage_id: str
    start: int = Field(ge=0)
    end: int


class AnswerSentence(BaseModel):
    """A sentence of an answer, in the house tone, and the evidence it rests on."""

    model_config = _FROZEN

    text: Words
    citations: tuple[RowCitation, ...] = Field(min_length=1)


class CitationRow(_PassageRow):
    """A question, passages, and the answer that should be written from them."""

    answer: tuple[AnswerSentence, ...] = Field(min_length=1)
    origin: Origin = Origin()

    @model_validator(mode="after")
    def _every_citation_resolves(self) -> Self:
        texts = {passage.id: passage.text for passage in self.passages}
        for cited in (citation for sentence in self.answer for citation in sentence.citations):
            if cited.passage_id not in texts:
                raise ValueError(f"a citation names no passage of the row: {cited.passage_id}")
            if not texts[cited.passage_id][cited.start : cited.end].strip() or cited.end > len(texts[cited.passage_id]):
                raise ValueError(f"a citation covers no text: {cited.passage_id} from {cited.start} to {cited.end}")
        return self


class RankedPassage(ContextPassage):
    """A passage and how relevant it is to the row's question."""

    relevance: float = Field(ge=0, le=1)


class RerankRow(BaseModel):
    """A question and passages with their relevance."""

    model_config = _FROZEN

    question: Words
    passages: tuple[RankedPassage, ...] = Field(min_length=1)
    origin: Origin = Origin()

    @model_validator(mode="after")
    def _each_passage_has_its_own_id(self) -> Self:
        _require_distinct_ids(self.passages)
        return self


ROWS: Mapping[Behaviour, type[QueryRewriteRow | RefusalRow | CitationRow | RerankRow]] = MappingProxyType(
    {
        Behaviour.QUERY_REWRITE: QueryRewriteRow,
        Behaviour.REFUSAL: RefusalRow,
        Behaviour.CITATION: CitationRow,
        Behaviour.RERANK: RerankRow,
    }
)


def read_rows(path: Path, kind: type[Row]) -> list[Row]:
    """All rows of a JSON lines file, in order; blank lines are none, and a byte order mark is passed over.

    Raises RowsInvalid, naming the line, if the file cannot be read, holds no row, or holds a wrong one.
    """
    try:
        lines = path.read_text("utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as cause:
        raise _invalid(f"{path} cannot be read: {cause}.", kind) from cause
    rows = [_read_row(path, number, line, kind) for number, line in enumerate(lines, 1) if line.strip()]
    if not rows:
        raise _invalid(f"{path} holds no row.", kind)
    return rows


def dump_row(row: BaseModel) -> str:
    """A row as one line without its end: fields in their order, those that say nothing left out."""
    return row.model_dump_json(exclude_defaults=True)


def dump_rows(rows: Sequence[BaseModel]) -> bytes:
    """Rows as a file of JSON lines."""
    return "".join(dump_row(row) + "\n" for row in rows).encode()


def write_rows(path: Path, rows: Sequence[BaseModel]) -> None:
    """Write rows as JSON lines, whole or not at all. Raises OSError."""
    replace_file(path, dump_rows(rows))


def _read_row(path: Path, number: int, line: str, kind: type[Row]) -> Row:
    try:
        return kind.model_validate_json(line, strict=True)
    except ValidationError as cause:
        found = cause.errors()[0]
        where = ".".join(str(part) for part in found["loc"])
        raise _invalid(f"{path}, line {number}: {where + ': ' if where else ''}{found['msg']}.", kind) from cause


def _invalid(message: str, kind: type[BaseModel]) -> RowsInvalid:
    shape = ", ".join(f'"{name}": ...' for name in kind.model_fields)
    return RowsInvalid(message, remedy=f"Give a file with one JSON object a line: {{{shape}}}.")


def _require_distinct_ids(passages: Sequence[ContextPassage]) -> None:
    if len({passage.id for passage in passages}) < len(passages):
        raise ValueError("two passages have one id")
