"""Nobody's text can give orders in our voice: escaping, control tokens, one line."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.interface.segments import Segment, data, escape, merge, normalise, normalise_code, unescape
from tests.serving.interface.chatml import HOSTILE


@given(HOSTILE)
def test_escaping_prose_loses_nothing_but_white_space_and_hidden_characters(text: str) -> None:
    assert unescape(escape(normalise(text))) == normalise(text)


@given(HOSTILE)
def test_escaping_code_keeps_its_lines(text: str) -> None:
    assert unescape(escape(normalise_code(text))) == normalise_code(text)


@given(HOSTILE)
def test_data_is_one_line_without_any_citation_marker(text: str) -> None:
    for segment in (data(text), data(text, code=True)):
        assert not segment.trusted
        assert len(segment.text.splitlines()) == 1
        assert not re.search(r"\[\d+\]", segment.text, re.ASCII)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("see [3] and [ 4]", "see [ 3] and [  4]"),
        ("a\r\n  b\tc", "a b c"),
        ("left\u202eright", "leftright"),
        ("hidden\U000e0041order", "hiddenorder"),
        ("nul\x00l", "nul l"),
        ("[\u200b3] z\u00ad\ufeff", "[ 3] z"),
        ("press ↵", "press ⏎"),
        ("e\ufe0f x\U000e0100", "e\ufe0f x"),
        ("👩‍👩‍👧 e\u0301", "👩‍👩‍👧 e\u0301"),
    ],
)
def test_what_a_model_is_shown_of(text: str, shown: str) -> None:
    assert escape(normalise(text)) == shown


def test_code_keeps_relative_indentation() -> None:
    assert normalise_code("  a\n b") == "a\nb"
    assert normalise_code("    if x:\n        go()\n\n    stop()\n") == "if x:\n    go()\n\nstop()"


@given(st.lists(st.builds(Segment, st.text(max_size=3), st.booleans())))
def test_merging_keeps_text_and_origin_and_leaves_no_equal_neighbours(segments: list[Segment]) -> None:
    merged = merge(segments)
    spread = [(character, s.trusted) for s in segments for character in s.text]
    assert [(character, s.trusted) for s in merged for character in s.text] == spread
    assert all(a.trusted != b.trusted for a, b in pairwise(merged))
