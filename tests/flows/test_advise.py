"""What `advise` shows of a charter."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from flows.advise import advise_on
from flows.exit_codes import DONE, NOT_SO
from serving.interface.behaviours import Behaviour
from tuning.charter import QUESTIONS, own_charter
from tuning.errors import CharterInvalid

TODAY = date(2026, 12, 1)
LATER = date(2030, 1, 1)


def test_a_yes_is_done_and_a_no_is_not_so():
    path = own_charter(Behaviour.REFUSAL)
    assert advise_on(path, today=TODAY).code == DONE
    assert advise_on(path, today=LATER).code == NOT_SO


def test_the_document_holds_verdict_questions_and_place():
    path = own_charter(Behaviour.CITATION)
    shown = json.loads(json.dumps(advise_on(path, today=TODAY).as_json(), allow_nan=False))
    assert shown["charter"] == str(path)
    assert (shown["behaviour"], shown["verdict"], shown["next_step"]) == ("citation", "yes", "fine_tune")
    assert shown["failure"] == {"of": "behaviour", "pace": "stable"}
    assert list(shown["questions"]) == list(QUESTIONS)
    assert all(shown["questions"][key]["answer"] is True for key in QUESTIONS)


def test_the_text_shows_each_question_with_its_evidence_and_the_quarter_of_the_charter():
    advised = advise_on(own_charter(Behaviour.QUERY_REWRITE), today=TODAY)
    text = advised.as_text()
    for key, question in QUESTIONS.items():
        assert f"{question} Yes." in text
        assert getattr(advised.charter.questions, key).evidence in text
    assert "behaviour   [fine-tune]   prompt" in text
    assert text.endswith(advised.advice.todo)


def test_beside_the_least_gain_stands_that_the_gate_decides_by_thresholds_of_its_own():
    text = advise_on(own_charter(Behaviour.REFUSAL), today=TODAY).as_text()
    _, after = text.split("worth it from 15 points of balanced_accuracy.\n")
    assert "no run is stopped by them, and the gate decides by thresholds of its own (tuning/gates" in after


def test_the_text_of_a_no_gives_every_reason(tmp_path: Path):
    path = tmp_path / "charter.yaml"
    written = own_charter(Behaviour.RERANK).read_text("utf-8")
    path.write_text(
        written.replace("owner: maintainers", 'owner: ""').replace("pace: stable", "pace: volatile"), "utf-8"
    )
    advised = advise_on(path, today=LATER)
    assert len(advised.advice.reasons) == 3
    assert all(f"- {reason}" in advised.as_text() for reason in advised.advice.reasons)
    assert "owned by nobody" in advised.as_text()
    assert "[prompt]" in advised.as_text()


def test_a_charter_that_is_none_is_refused(tmp_path: Path):
    with pytest.raises(CharterInvalid, match="cannot be read"):
        advise_on(tmp_path / "none.yaml", today=TODAY)
