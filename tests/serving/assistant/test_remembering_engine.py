"""What an engine answered is found again by another process, and nothing else is."""

from __future__ import annotations

from pathlib import Path

import pytest

from serving.assistant.engine import GenerateRequest, ScoreRequest
from serving.assistant.remembering_engine import RememberingEngine
from tests.fakes import QueueEngine

SCORED = ScoreRequest((1, 2), ((3,), (4,)), adapter="refusal@a1")
OTHERS = [
    ScoreRequest((1, 2), ((3,), (4,)), adapter="refusal@a2"),
    ScoreRequest((1, 2), ((3,), (4,))),
    ScoreRequest((1, 2), ((3,), (4, 5)), adapter="refusal@a1"),
]
WRITTEN = GenerateRequest((1, 2), 9, (0,), adapter="citation@a1")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "run" / "answers.sqlite"


def test_scores_are_asked_for_once_and_in_their_order(file: Path) -> None:
    engine = QueueEngine(scores=[(-1.0, -2.0), (-3.0, -4.0), (-5.0, -6.0)])
    assert RememberingEngine(engine, file).score([SCORED, OTHERS[0]]) == [(-1.0, -2.0), (-3.0, -4.0)]
    again = RememberingEngine(engine, file).score([OTHERS[1], OTHERS[0], SCORED, SCORED])
    assert again == [(-5.0, -6.0), (-3.0, -4.0), (-1.0, -2.0), (-1.0, -2.0)]
    assert engine.scored == [SCORED, OTHERS[0], OTHERS[1]]


@pytest.mark.parametrize("other", OTHERS, ids=["another adapter", "none", "another text"])
def test_another_request_is_another_answer(file: Path, other: ScoreRequest) -> None:
    engine = QueueEngine(scores=[(-1.0, -2.0), (-3.0, -4.0)])
    RememberingEngine(engine, file).score([SCORED])
    assert RememberingEngine(engine, file).score([other]) == [(-3.0, -4.0)]


def test_a_text_is_written_once(file: Path) -> None:
    engine = QueueEngine(["Port 7001. [1]"])
    first, second = (list(RememberingEngine(engine, file).generate(WRITTEN)) for _ in range(2))
    assert engine.tokenizer.decode(first) == "Port 7001. [1]"
    assert second == first


def test_a_text_that_was_cancelled_is_written_anew(file: Path) -> None:
    engine = QueueEngine(["Port 7001.", "Port 7001."])
    cancelled = RememberingEngine(engine, file).generate(WRITTEN)
    next(cancelled)
    cancelled.close()  # type: ignore[attr-defined]
    assert engine.tokenizer.decode(list(RememberingEngine(engine, file).generate(WRITTEN))) == "Port 7001."
    assert len(engine.generated) == 2


def test_a_file_that_cannot_be_read_is_begun_anew(file: Path) -> None:
    file.parent.mkdir()
    file.write_bytes(b"no database " * 99)
    engine = QueueEngine(scores=[(-1.0, -2.0)])
    for _ in range(2):
        assert RememberingEngine(engine, file).score([SCORED]) == [(-1.0, -2.0)]


def test_a_file_that_was_damaged_or_is_taken_costs_time_and_nothing_else(file: Path) -> None:
    engine = QueueEngine(scores=[(-1.0, -2.0)] * 102)
    many = [ScoreRequest((number,), ((3,) * 99,)) for number in range(1, 101)]
    assert len(RememberingEngine(engine, file).score(many)) == 100
    content = bytearray(file.read_bytes())
    content[4096:] = b"x" * (len(content) - 4096)
    file.write_bytes(content)
    assert RememberingEngine(engine, file).score(many[:1]) == [(-1.0, -2.0)]
    file.unlink()
    file.mkdir()
    assert RememberingEngine(engine, file).score(many[:1]) == [(-1.0, -2.0)]


def test_what_was_closed_asks_the_engine_which_says_so(file: Path) -> None:
    engine = QueueEngine(scores=[(-1.0, -2.0), (-3.0, -4.0)])
    remembering = RememberingEngine(engine, file)
    remembering.score([SCORED])
    remembering.close()
    assert remembering.score([SCORED]) == [(-3.0, -4.0)]


def test_it_passes_for_the_engine_that_it_asks(file: Path) -> None:
    engine = QueueEngine()
    remembering = RememberingEngine(engine, file)
    assert remembering.identity == engine.identity
    assert (remembering.tokenizer, remembering.template) == (engine.tokenizer, engine.template)
