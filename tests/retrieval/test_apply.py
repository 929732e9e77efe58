"""Applying a plan: once is as good as twice, and the store then holds what was planned."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.apply import PointMaker, apply_plan, check_ids, copy_points
from retrieval.bm25 import Bm25
from retrieval.documents import Passage
from retrieval.errors import IndexDamaged
from retrieval.plan import plan_changes
from retrieval.store.edge import EdgeStore, create_edge_store
from retrieval.store.payload import fingerprint
from tests.retrieval.readable import ReadableEncoder
from tests.retrieval.store.test_store_contract import point

State = dict[str, Passage]
names = st.sampled_from(["ant", "bee", "cat", "dog"])
states = st.dictionaries(names, st.integers(0, 3)).map(
    lambda starts: {
        passage.id: replace(passage, start=start)
        for passage, start in ((point(name, text=name).passage, start) for name, start in starts.items())
    }
)


@contextmanager
def new_store() -> Iterator[EdgeStore]:
    with tempfile.TemporaryDirectory() as folder:
        store = create_edge_store(Path(folder) / "s", dimensions=27)
        yield store
        store.close()


def bring(store: EdgeStore, old: State, new: State) -> None:
    plan = plan_changes(*({key: fingerprint(value) for key, value in state.items()} for state in (old, new)))
    apply_plan(plan, store, PointMaker(new, ReadableEncoder().encode, Bm25()))


@settings(max_examples=15, deadline=None)
@given(states, states)
def test_a_plan_applied_twice_equals_the_plan_applied_once_equals_scratch(old: State, new: State):
    with new_store() as store, new_store() as scratch:
        bring(store, {}, old)
        bring(store, old, new)
        once = list(store.scroll())
        bring(store, old, new)
        bring(scratch, {}, new)
        assert list(store.scroll()) == once == list(scratch.scroll())
        check_ids(store, new)


def test_progress_counts_the_points_that_are_written():
    new = {p.id: p for p in (point(f"p{number}").passage for number in range(300))}
    seen: list[tuple[int, int]] = []
    with new_store() as store:
        plan = plan_changes({}, {key: fingerprint(value) for key, value in new.items()})
        maker = PointMaker(new, ReadableEncoder().encode, Bm25())
        apply_plan(plan, store, maker, lambda done, total: seen.append((done, total)))
    assert seen == [(256, 300), (300, 300)]


def test_a_store_that_holds_something_else_is_found_out():
    with new_store() as store:
        bring(store, {}, {p.id: p for p in [point("a").passage, point("b").passage]})
        with pytest.raises(IndexDamaged, match="1 passages too many and lacks 2"):
            check_ids(store, [point(name).passage.id for name in ("a", "c", "d")])


def test_copying_takes_the_named_points_as_they_are():
    with new_store() as store, new_store() as copy:
        bring(store, {}, {p.id: p for p in (point(f"p{number}").passage for number in range(600))})
        wanted = sorted(store.ids())[::2]
        copy_points(store, copy, set(wanted))
        assert list(copy.scroll()) == store.fetch(wanted)
