"""Names of files: printable whatever their bytes, and never two names one."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.sources.names import escaped, printable, unescaped

paths = st.binary(max_size=12) | st.lists(st.sampled_from([b"\\", b"x", b"e9", b"\xe9", b"5c", "é".encode()])).map(
    b"".join
)


@given(paths)
def test_a_path_survives_the_way_through_text(path: bytes):
    text = escaped(os.fsdecode(path))
    assert os.fsencode(unescaped(text.encode().decode())) == path


@pytest.mark.parametrize(
    ("path", "text"),
    [(b"a/\xc3\xa9.md", "a/é.md"), (b"caf\xe9.md", r"caf\xe9.md"), (rb"caf\xe9.md", r"caf\\xe9.md")],
)
def test_ordinary_names_stay_as_they_are_and_odd_ones_differ(path: bytes, text: str):
    assert escaped(os.fsdecode(path)) == text


def test_a_chosen_name_keeps_its_backslashes():
    assert printable(os.fsdecode(b"d\xe9cs\\a")) == r"d\xe9cs\a"
