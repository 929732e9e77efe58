"""After any history the index equals one built from scratch: payloads, both vectors, catalogue, search."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from retrieval.generations import current_number, discard_work, read_catalogue
from retrieval.reader import open_index
from retrieval.search import Found, find
from tests.retrieval.readable import House, ReadableEncoder

Step = Callable[[House], None]

PATHS = ["a.md", "b.md", "deep/a.md"]
PARAGRAPHS = ["red apples", "green pears", "red apples", "blue 🌱 berries"]  # equal paragraphs on purpose


class Crash(BaseException):
    """Ends a refresh as a kill would, but for the process."""


def write(path: str, paragraphs: list[str], house: House) -> None:
    house.write(path, "\n\n".join(paragraphs))


def delete(path: str, house: House) -> None:
    (house.docs / path).unlink(missing_ok=True)


def rename(old: str, new: str, house: House) -> None:
    if (house.docs / old).exists():
        (house.docs / new).parent.mkdir(exist_ok=True)
        (house.docs / old).replace(house.docs / new)


def refresh(house: House) -> None:
    known, before = set(house.encoder.seen), len(house.encoder.seen)
    result = house.refresh()
    sent = house.encoder.seen[before:]
    assert len(sent) == len(set(sent)) == result.encoder_calls
    assert known.isdisjoint(sent), "a text was encoded twice"


def crash(after: int, house: House) -> None:
    """A refresh that dies at its `after`-th report of progress, if it has so many; the dead clean nothing up."""
    reports = iter(range(after))

    def report(stage: str, done: int, total: int) -> None:
        if next(reports, None) is None:
            raise Crash

    with suppress(Crash), pytest.MonkeyPatch.context() as patched:
        patched.setattr("retrieval.refresh.discard_work", dying(discard_work))
        house.refresh(progress=report)


def dying(clean_up: Callable[[Path], None]) -> Callable[[Path], None]:
    """The clean-up before a refresh, and none after it."""
    calls = iter([clean_up])
    return lambda index_root: next(calls, lambda _: None)(index_root)


paths = st.sampled_from(PATHS)
steps = st.one_of(
    st.builds(partial, st.just(write), paths, st.lists(st.sampled_from(PARAGRAPHS), max_size=4)),
    st.builds(partial, st.just(delete), paths),
    st.builds(partial, st.just(rename), paths, paths),
    st.builds(partial, st.just(crash), st.integers(0, 4)),
    st.just(refresh),
)
write_a, write_b = partial(write, "a.md", PARAGRAPHS), partial(write, "b.md", PARAGRAPHS[::-1])


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@example([write_a, refresh, partial(delete, "a.md")])  # the last document
@example([write_a, write_b, refresh, partial(rename, "a.md", "b.md")])
@example([write_a, refresh, write_b, partial(crash, 4), partial(delete, "a.md")])
@given(st.lists(steps, max_size=7))
def test_after_any_history_the_index_equals_one_built_from_scratch(history: list[Step]):
    with tempfile.TemporaryDirectory() as folder:
        house = House(Path(folder) / "lived")
        house.docs.mkdir(parents=True)
        for step in [*history, refresh]:
            step(house)
        scratch = House(Path(folder) / "scratch")
        shutil.copytree(house.docs, scratch.docs)
        scratch.refresh()
        assert state(house) == state(scratch)


def state(house: House) -> object:
    number = current_number(house.index_root)
    if number is None or not (documents := read_catalogue(house.index_root, number)[1].documents):
        return "empty"
    return documents, house.points(), searched(house)


def searched(house: House) -> list[Found]:
    encoder = ReadableEncoder()
    with open_index(house.index_root, embedder=encoder.digest) as reader:
        found = [find(reader, encoder, query, top_k=20) for query in ("red apples", "pears and berries")]
    return [Found(0, each.hits, each.cosines) for each in found]
