"""Rows are read strictly, and a wrong one is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuning.errors import RowsInvalid
from tuning.rows import RetrievalRow, read_rows

words = st.text(st.characters(codec="utf-8"), min_size=1)
rows = st.builds(RetrievalRow, question=words.filter(lambda text: bool(text.strip())), uri=words)


@given(st.lists(rows, min_size=1, max_size=5))
def test_rows_that_were_written_are_read_back_equal(
    tmp_path_factory: pytest.TempPathFactory, written: list[RetrievalRow]
):
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    path.write_text("".join(row.model_dump_json() + "\n" for row in written), "utf-8")
    assert read_rows(path, RetrievalRow) == written


WRONG = {
    "not json": ("{question}", "line 2"),
    "a missing field": (json.dumps({"question": "q"}), "line 2: uri"),
    "an unknown field": (json.dumps({"question": "q", "uri": "u", "url": "u"}), "line 2: url"),
    "a blank question": (json.dumps({"question": " ", "uri": "u"}), "line 2: question"),
    "no object": ("[]", "line 2"),
}


@pytest.mark.parametrize(("line", "named"), WRONG.values(), ids=WRONG)
def test_a_wrong_row_is_refused_by_its_line(tmp_path: Path, line: str, named: str):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"question": "q", "uri": "u"}\n' + line + "\n")
    with pytest.raises(RowsInvalid, match=named) as refused:
        read_rows(path, RetrievalRow)
    assert '"question"' in refused.value.remedy


@pytest.mark.parametrize("content", [b"", b"\n \n", b"\xff\xfe"], ids=["empty", "blank lines", "not utf-8"])
def test_a_file_without_rows_is_refused(tmp_path: Path, content: bytes):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(content)
    with pytest.raises(RowsInvalid):
        read_rows(path, RetrievalRow)


def test_a_missing_file_is_refused(tmp_path: Path):
    with pytest.raises(RowsInvalid, match="cannot be read"):
        read_rows(tmp_path / "none.jsonl", RetrievalRow)
