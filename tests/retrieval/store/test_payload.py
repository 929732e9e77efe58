"""Payloads: what is stored of a passage is all of it."""

from __future__ import annotations

import json
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.documents import Passage
from retrieval.errors import IndexDamaged
from retrieval.store.payload import fingerprint, passage_from, payload_of

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
passages = st.builds(
    Passage,
    id=st.uuids().map(str),
    document_id=text,
    uri=text,
    title=text,
    heading_path=st.lists(text, max_size=3).map(tuple),
    start=st.integers(0, 2**40),
    end=st.integers(0, 2**40),
    text=text,
    embedded_text=text,
    trust=st.sampled_from(["official", "community", "unreviewed"]),
)


@given(passages)
def test_a_passage_survives_the_way_through_json(passage: Passage):
    assert passage_from(passage.id, json.loads(json.dumps(payload_of(passage)))) == passage


@given(passages, passages)
def test_fingerprints_are_equal_exactly_when_everything_but_the_id_is(one: Passage, other: Passage):
    assert fingerprint(one) == fingerprint(replace(one, id=other.id))
    assert (fingerprint(one) == fingerprint(other)) == (replace(one, id="") == replace(other, id=""))


@pytest.mark.parametrize("name", [field.name for field in fields(Passage) if field.name != "id"])
def test_every_field_of_a_passage_is_part_of_its_fingerprint(name: str):
    passage = Passage("id", "docs:a.md", "docs/a.md", "A", ("B",), 0, 4, "text", "A\ntext")
    value = getattr(passage, name)
    other = {str: f"{value}x", int: 99, tuple: ("C",)}[type(value)]
    assert fingerprint(replace(passage, **{name: other})) != fingerprint(passage)


@pytest.mark.parametrize("change", [{"surplus": 1}, {"title": None}], ids=["a key too many", "a key too few"])
def test_a_payload_of_another_layout_is_refused(change: dict[str, object]):
    payload = payload_of(Passage("id", "docs:a.md", "docs/a.md", "A", (), 0, 4, "text", "A\ntext")) | change
    with pytest.raises(IndexDamaged, match="payload"):
        passage_from("id", {key: value for key, value in payload.items() if value is not None})
