"""Rows are read strictly, a wrong one is named, and what is written is read back."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from serving.interface.behaviours import Behaviour
from serving.interface.context import ContextPassage
from tests.tuning import made_rows
from tuning.errors import RowsInvalid
from tuning.rows import (
    ROWS,
    CitationRow,
    Origin,
    QueryRewriteRow,
    RefusalRow,
    RerankRow,
    RetrievalRow,
    read_rows,
    write_rows,
)

any_rows = st.sampled_from(
    [
        made_rows.retrieval_rows,
        made_rows.assistant_rows,
        made_rows.rewrite_rows,
        made_rows.refusal_rows(),
        made_rows.citation_rows(),
        made_rows.rerank_rows,
    ]
).flatmap(lambda rows: st.lists(rows, min_size=1, max_size=4))


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(any_rows)
def test_rows_that_were_written_are_read_back_equal(tmp_path_factory: pytest.TempPathFactory, written: list[BaseModel]):
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    write_rows(path, written)
    assert read_rows(path, type(written[0])) == written
    assert [file.name for file in path.parent.iterdir()] == ["rows.jsonl"]


PASSAGES = [{"id": "a", "text": "Press Resume."}, {"id": "b", "text": "Press Pause."}]
DESIGNED: dict[Behaviour, dict[str, Any]] = {
    Behaviour.QUERY_REWRITE: {
        "history": [{"role": "user", "content": "How do I pause a folder?"}],
        "question": "And resume it?",
        "rewrite": "How do I resume a folder?",
    },
    Behaviour.REFUSAL: {"question": "How?", "passages": PASSAGES, "label": "answerable"},
    Behaviour.CITATION: {
        "question": "How?",
        "passages": PASSAGES,
        "answer": [{"text": "Press it.", "citations": [{"passage_id": "a", "start": 0, "end": 13}]}],
    },
    Behaviour.RERANK: {
        "question": "How?",
        "passages": [{**passage, "relevance": n} for n, passage in enumerate(PASSAGES)],
    },
}


DOCUMENTED = Path(__file__).resolve().parents[2] / "docs" / "rows.md"


@pytest.mark.parametrize("behaviour", Behaviour, ids=str)
def test_the_documentation_shows_a_row_of_every_behaviour(behaviour: Behaviour):
    section = DOCUMENTED.read_text("utf-8").split(f"\n## Rows of {behaviour}\n")[1].split("\n## ")[0]
    (block,) = re.findall(r"^```json\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    row = ROWS[behaviour].model_validate_json(block)
    if isinstance(row, CitationRow):
        (cited,) = row.answer[0].citations
        assert row.passages[0].text[cited.start : cited.end] == row.answer[0].text


@pytest.mark.parametrize(("heading", "kind"), [("a passage", ContextPassage), ("an origin", Origin)])
def test_the_documentation_lists_every_field(heading: str, kind: type[BaseModel]):
    section = DOCUMENTED.read_text("utf-8").split(f"\n## Fields of {heading}\n")[1]
    fields = re.findall(r"^\| `(\w+)` \|", section.split("\n## ")[0], re.MULTILINE)
    assert fields == list(kind.model_fields)


@pytest.mark.parametrize("behaviour", Behaviour, ids=str)
def test_the_row_of_every_behaviour_is_as_short_as_it_was_written(tmp_path: Path, behaviour: Behaviour):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(DESIGNED[behaviour]) + "\n")
    (row,) = read_rows(path, ROWS[behaviour])
    write_rows(path, [row])
    assert json.loads(path.read_text()) == DESIGNED[behaviour]


WRONG = {
    "not json": ("{question}", "line 2"),
    "a missing field": (json.dumps({"question": "q"}), "line 2: uri"),
    "an unknown field": (json.dumps({"question": "q", "uri": "u", "url": "u"}), "line 2: url"),
    "a blank question": (json.dumps({"question": " ", "uri": "u"}), "line 2: question"),
    "no object": ("[]", "line 2"),
    "a number for a word": (json.dumps({"question": "q", "uri": 7}), "line 2: uri"),
}


@pytest.mark.parametrize(("line", "named"), WRONG.values(), ids=WRONG)
def test_a_wrong_row_is_refused_by_its_line(tmp_path: Path, line: str, named: str):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"question": "q", "uri": "u"}\n' + line + "\n")
    with pytest.raises(RowsInvalid, match=named) as refused:
        read_rows(path, RetrievalRow)
    assert '"question"' in refused.value.remedy


def cited(**changes: object) -> dict[str, Any]:
    return {"answer": [{"text": "Press it.", "citations": [{"passage_id": "a", "start": 0, "end": 13} | changes]}]}


CONTRADICTIONS: dict[str, tuple[type[BaseModel], dict[str, Any], str]] = {
    "two passages of one id": (RefusalRow, {"passages": [PASSAGES[0], PASSAGES[0]]}, "one id"),
    "ranked passages of one id": (RerankRow, {"passages": [DESIGNED[Behaviour.RERANK]["passages"][0]] * 2}, "one id"),
    "no passages": (RefusalRow, {"passages": []}, "passages"),
    "an unknown label": (RefusalRow, {"label": "maybe"}, "label"),
    "an unknown passage answers": (RefusalRow, {"answering": "c"}, "names no passage"),
    "a passage answers the unanswerable": (RefusalRow, {"answering": "a", "label": "unanswerable"}, "although"),
    "a citation of no passage": (CitationRow, cited(passage_id="c"), "names no passage"),
    "a citation past the end": (CitationRow, cited(end=14), "covers no text"),
    "an empty citation": (CitationRow, cited(start=5, end=5), "covers no text"),
    "a citation of white space": (CitationRow, cited(start=5, end=6), "covers no text"),
    "a citation from before the beginning": (CitationRow, cited(start=-1), "start"),
    "a sentence without a citation": (CitationRow, {"answer": [{"text": "x", "citations": []}]}, "citations"),
    "no answer": (CitationRow, {"answer": []}, "answer"),
    "a relevance above one": (RerankRow, {"passages": [{**PASSAGES[0], "relevance": 1.5}]}, "relevance"),
    "a word for a number": (CitationRow, cited(start="0"), "start"),
    "a yes for a number": (CitationRow, cited(end=True), "end"),
    "a word for a yes": (QueryRewriteRow, {"origin": {"synthetic": "no"}}, "origin.synthetic"),
    "a blank rewrite": (QueryRewriteRow, {"rewrite": "\n"}, "rewrite"),
    "a role that nobody has": (QueryRewriteRow, {"history": [{"role": "system", "content": "x"}]}, "history.0.role"),
}


@pytest.mark.parametrize(("kind", "change", "named"), CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_a_row_that_contradicts_itself_is_refused(
    tmp_path: Path, kind: type[BaseModel], change: dict[str, Any], named: str
):
    designed = next(row for behaviour, row in DESIGNED.items() if ROWS[behaviour] is kind)
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(designed | change))
    with pytest.raises(RowsInvalid, match=named):
        read_rows(path, kind)


@pytest.mark.parametrize("content", [b"", b"\n \n", b"\xff\xfe"], ids=["empty", "blank lines", "not utf-8"])
def test_a_file_without_rows_is_refused(tmp_path: Path, content: bytes):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(content)
    with pytest.raises(RowsInvalid):
        read_rows(path, RetrievalRow)


def test_a_byte_order_mark_and_other_line_ends_say_nothing(tmp_path: Path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"question": "q", "uri": "u"}\r\n')
    assert read_rows(path, RetrievalRow) == [RetrievalRow(question="q", uri="u")]


def test_a_missing_file_is_refused(tmp_path: Path):
    with pytest.raises(RowsInvalid, match="cannot be read"):
        read_rows(tmp_path / "none.jsonl", RetrievalRow)


def test_rows_that_cannot_be_written_whole_leave_the_old_ones(tmp_path: Path):
    path = tmp_path / "rows.jsonl"
    write_rows(path, [RetrievalRow(question="q", uri="u")])
    with pytest.raises(AttributeError):
        write_rows(path, [RetrievalRow(question="q", uri="other"), None])  # type: ignore[list-item]
    assert read_rows(path, RetrievalRow) == [RetrievalRow(question="q", uri="u")]
