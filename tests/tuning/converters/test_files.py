"""What is wrong with a file is told with its name, the line or record, and plain words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuning.converters.files import DataFile, read_file, read_files
from tuning.errors import DataInvalid

PARTS = st.none() | st.integers() | st.text(max_size=9)
OBJECTS = st.dictionaries(st.text(max_size=9), PARTS | st.lists(PARTS, max_size=3), max_size=3)


def records(path: Path) -> list[object]:
    return read_files([path], lambda file: list(file.records()))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("files") / "data"


@given(objects=st.lists(OBJECTS, max_size=4))
def test_records_come_back_from_lines_and_from_a_list(path: Path, objects: list[object]):
    path.write_text("\n\n".join(json.dumps(each) for each in objects), "utf-8")
    assert records(path) == objects
    for indent in (None, 2):
        path.write_text(json.dumps(objects, indent=indent), "utf-8")
        assert records(path) == objects
        assert read_file(path, DataFile.whole) == objects


def test_one_document_over_several_lines_is_one_record(tmp_path: Path):
    path = tmp_path / "data.json"
    path.write_text(json.dumps({"a": {"b": 1}}, indent=2), "utf-8-sig")
    assert records(path) == [{"a": {"b": 1}}]
    assert records(path) == [read_file(path, DataFile.whole)]


def refusal(text: str, tmp_path: Path) -> str:
    """What is told of a file with an item that is refused, without the name of its folder."""
    path = tmp_path / "data"
    path.write_text(text, "utf-8")

    def read(file: DataFile) -> list[object]:
        taken = []
        for record in file.records():
            if not record:
                raise DataInvalid("It is empty.", remedy="Fill it.")
            taken.append(record)
        raise DataInvalid("There is too little.", remedy="Give more.")

    with pytest.raises(DataInvalid) as told:
        read_file(path, read)
    assert told.value.remedy
    return f"{told.value}".replace(f"{tmp_path}/", "")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1}\n\n{}\n', "data, line 3: It is empty."),
        ("{}\n", "data, line 1: It is empty."),
        ('[{"a": 1}, {}]', "data, record 2: It is empty."),
        ('{\n"a": 1\n}', "data: There is too little."),
        ('{"a": 1}\n', "data: There is too little."),
        ("", "data: There is too little."),
        (
            '{"a": 1}\n{"a" 1}\n',
            "data, line 2: This is no JSON that can be read: Expecting ':' delimiter (column 6).",
        ),
        (
            '{\n"a": 1,\n}',
            "data: This is no JSON that can be read: Expecting property name enclosed in double quotes "
            "(line 3, column 1).",
        ),
        ('{"a": 1}\n' + "[" * 100_000, "data, line 2: This is no JSON that can be read: it is nested too deep."),
    ],
)
def test_an_error_is_told_with_the_place_that_was_come_to(text: str, message: str, tmp_path: Path):
    assert refusal(text, tmp_path) == message


def test_a_number_that_is_too_long_is_no_json_that_can_be_read(tmp_path: Path):
    assert refusal("9" * 5000, tmp_path).startswith("data, line 1: This is no JSON that can be read: Exceeds the limit")


def test_a_file_that_is_missing_or_no_text_is_told_by_its_name(tmp_path: Path):
    with pytest.raises(DataInvalid, match=r"none: It cannot be read: No such file or directory\."):
        records(tmp_path / "none")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    with pytest.raises(DataInvalid, match=r"bytes: It is not text in UTF-8\."):
        records(tmp_path / "bytes")


def test_several_documents_are_not_one(tmp_path: Path):
    (tmp_path / "data").write_text("{}\n{}\n", "utf-8")
    with pytest.raises(DataInvalid, match=r"data: This is no JSON that can be read: Extra data \(line 2, column 1\)"):
        read_file(tmp_path / "data", DataFile.whole)
