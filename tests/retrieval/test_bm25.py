"""BM25 vectors: what counts as a word, and that a vector is the text's own affair."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.bm25 import Bm25, lexical_text
from retrieval.documents import Passage


@pytest.mark.parametrize(
    ("text", "stems"),
    [
        ("The retries are configured", ["retri", "configur"]),
        ("RETRY, retrying; retried!", ["retri", "retri", "retri"]),
        ("max_retry_delay", ["max_retry_delay", "max", "retri", "delay"]),
        ("__init__", ["__init__", "init"]),
        ("ﬁle ２", ["file", "2"]),
        ("Überschrift 検索", ["überschrift", "検索"]),
        ("the of and", []),
        ("", []),
    ],
    ids=["stop words", "inflections", "identifier", "dunder", "compatibility forms", "other scripts", "none", "empty"],
)
def test_a_text_becomes_its_stems(text: str, stems: list[str]):
    assert Bm25().stems(text) == stems


def test_a_query_counts_each_term_once_and_a_passage_saturates():
    bm25 = Bm25()
    assert bm25.query("retry retry").values == (1.0,)
    once, often = bm25.passage("retry").values[0], bm25.passage("retry " * 50).values[0]
    assert once < often < 2.5


def test_a_long_passage_weighs_each_of_its_terms_less():
    bm25 = Bm25()
    term = bm25.query("retry").indices[0]
    weights = [
        dict(zip(v.indices, v.values, strict=True))[term] for v in map(bm25.passage, ("retry", "retry " + "x " * 200))
    ]
    assert weights[0] > weights[1]


def test_title_headings_and_path_count_once_more_and_the_suffix_not_at_all():
    passage = Passage(
        "id", "d:x", "docs/user-guide/autoscaling.md", "Scaling", ("Down",), 0, 4, "idle", "Scaling > Down\nidle"
    )
    stems = Bm25().stems(lexical_text(passage))
    assert sorted(stems) == sorted(["scale", "idl", "scale", "doc", "user", "guid", "autosc"])


@given(st.lists(st.text(max_size=40), min_size=1, max_size=4))
def test_a_vector_depends_on_its_text_alone(texts: list[str]):
    used = Bm25()
    for text in texts:
        used.passage(text)
    assert used.passage(texts[0]) == Bm25().passage(texts[0])


@given(st.text(max_size=200))
def test_a_vector_is_sorted_positive_and_exact_in_32_bits(text: str):
    vector = Bm25().passage(text)
    assert list(vector.indices) == sorted(set(vector.indices))
    assert all(0 <= index < 2**32 for index in vector.indices)
    assert all(value > 0 and struct.unpack("f", struct.pack("f", value))[0] == value for value in vector.values)
