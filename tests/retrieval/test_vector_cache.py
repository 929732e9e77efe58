"""The embedder's memory: each text once, ever, and nothing but unit vectors."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from retrieval.errors import EncoderFailed, IndexBusy, IndexDamaged, IndexUnusable
from retrieval.vector_cache import missing_texts, open_vector_cache
from tests.retrieval.readable import ReadableEncoder, files_below


def encode(path: Path, texts: Sequence[str], encoder: ReadableEncoder) -> int:
    with open_vector_cache(path, encoder.digest) as cache:
        return cache.encode_missing(texts, encoder)


def test_a_text_is_encoded_once_whatever_happens_between(tmp_path: Path):
    path, encoder = tmp_path / "v.sqlite", ReadableEncoder()
    assert encode(path, ["a b", "c", "a b"], encoder) == 2
    assert encode(path, ["c", "d"], encoder) == 1
    assert encode(path, [], encoder) == 0
    assert sorted(encoder.seen) == ["a b", "c", "d"]


def test_what_is_read_back_is_what_the_encoder_said_in_the_order_asked(tmp_path: Path):
    path, encoder = tmp_path / "v.sqlite", ReadableEncoder()
    texts = [f"{word} {number}" for word in ("ant", "bee", "cat") for number in range(40)]
    encode(path, texts, encoder)
    asked = [*reversed(texts), texts[0]]
    with open_vector_cache(path, encoder.digest) as cache:
        np.testing.assert_array_equal(cache.vectors(asked), ReadableEncoder().encode(asked))
        assert cache.dimensions(asked) == 27
        assert cache.dimensions([]) == 0


def test_another_embedder_finds_nothing(tmp_path: Path):
    path = tmp_path / "v.sqlite"
    encode(path, ["a"], ReadableEncoder("one"))
    assert encode(path, ["a"], ReadableEncoder("other")) == 1


def test_an_unknown_text_has_no_vector(tmp_path: Path):
    with open_vector_cache(tmp_path / "v.sqlite", "x") as cache, pytest.raises(KeyError, match="never seen"):
        cache.vectors(["never seen"])


def test_a_failing_encoder_loses_one_batch_at_most(tmp_path: Path):
    path, texts = tmp_path / "v.sqlite", [f"text {number}" for number in range(200)]
    with pytest.raises(EncoderFailed, match="out of order"):
        encode(path, texts, ReadableEncoder(fail_after=150))
    assert encode(path, texts, ReadableEncoder()) == 200 - 128


def test_asking_what_is_missing_writes_nothing(tmp_path: Path):
    path = tmp_path / "v.sqlite"
    assert missing_texts(path, "readable", ["a", "b", "a"]) == ["a", "b"]
    assert files_below(tmp_path) == {}
    encode(path, ["a"], ReadableEncoder())
    before = files_below(tmp_path)
    assert missing_texts(path, "readable", ["a", "b"]) == ["b"]
    assert files_below(tmp_path) == before


class Answering(ReadableEncoder):
    def __init__(self, answer: NDArray[np.float32]) -> None:
        super().__init__()
        self._answer = answer

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self._answer


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (np.full((1, 27), np.nan, dtype=np.float32), "unit length"),
        (np.zeros((1, 27), dtype=np.float32), "unit length"),
        (np.eye(1, 5, dtype=np.float32), "shape"),
        (np.eye(2, 27, dtype=np.float32), "shape"),
    ],
    ids=["not a number", "zero", "too short", "too many"],
)
def test_an_answer_that_is_no_unit_vector_is_refused(tmp_path: Path, answer: NDArray[np.float32], complaint: str):
    with pytest.raises(EncoderFailed, match=complaint):
        encode(tmp_path / "v.sqlite", ["a"], Answering(answer))
    assert missing_texts(tmp_path / "v.sqlite", "readable", ["a"]) == ["a"]


def test_a_broken_file_is_named_with_the_way_out(tmp_path: Path):
    path = tmp_path / "v.sqlite"
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(IndexDamaged, match="damaged") as failure:
        encode(path, ["a"], ReadableEncoder())
    assert str(path) in failure.value.remedy


def test_an_empty_file_holds_no_vector_and_looking_leaves_it_empty(tmp_path: Path):
    path = tmp_path / "a?b#c.sqlite"
    path.touch()
    assert missing_texts(path, "readable", ["a", "b", "a"]) == ["a", "b"]
    assert path.read_bytes() == b""
    assert encode(path, ["a"], ReadableEncoder()) == 1
    assert missing_texts(path, "readable", ["a", "b"]) == ["b"]


def test_a_cache_that_another_process_writes_is_busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("retrieval.vector_cache._PATIENCE", 0.01)
    path = tmp_path / "v.sqlite"
    encode(path, ["a"], ReadableEncoder())
    other = sqlite3.connect(path)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(IndexBusy):
        encode(path, ["b"], ReadableEncoder())
    with pytest.raises(IndexBusy):
        missing_texts(path, "readable", ["b"])
    other.close()


def test_a_cache_that_cannot_be_opened_is_named_with_its_path(tmp_path: Path):
    (tmp_path / "v.sqlite").mkdir()
    with pytest.raises(IndexUnusable, match=r"v\.sqlite cannot be used") as failure:
        encode(tmp_path / "v.sqlite", ["a"], ReadableEncoder())
    assert "read and write" in failure.value.remedy
