"""`ask`: the conversation goes in, text and evidence come out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from serving.assistant.answer import Answer
from serving.interface.refusal import Reason
from serving.interface.turns import Turn
from tests.flows.calls import Command
from tests.flows.test_demo_checks import answer

Call = Callable[..., Command]
CONVERSATION = [{"role": "user", "content": "What are plans?"}, {"role": "assistant", "content": "Plans are text."}]


class SpokenAnswer:
    """Says one prepared answer in two pieces, and keeps what it was asked."""

    def __init__(self, prepared: Answer) -> None:
        self.prepared = prepared
        self.asked: list[tuple[str, tuple[Turn, ...]]] = []

    def answer(
        self,
        question: str,
        *,
        history: Sequence[Turn] = (),
        seed: int = 0,
        on_text: Callable[[str], None],
        on_stage: Callable[[str], None],
    ) -> Answer:
        self.asked.append((question, tuple(history)))
        on_stage("search")
        on_text(self.prepared.text[:5])
        on_stage("support")
        on_text(self.prepared.text[5:])
        return self.prepared


def speak(monkeypatch: pytest.MonkeyPatch, prepared: Answer) -> SpokenAnswer:
    spoken = SpokenAnswer(prepared)

    @contextmanager
    def open_spoken(settings: Any, say: Any) -> Iterator[SimpleNamespace]:
        yield SimpleNamespace(assistant=spoken)

    monkeypatch.setattr("flows.ask.open_assistant", open_spoken)
    return spoken


def test_the_text_comes_whole_and_the_quotes_after_it_with_document_and_position(
    call: Call, monkeypatch: pytest.MonkeyPatch
):
    speak(monkeypatch, answer((0, "Plans are text."), (16, "A plan")))
    assert call("ask", "What are plans?").out == (
        "Plans are text.\n\n"
        "[1] docs/plans.md, characters 0 to 15:\n    Plans are text.\n"
        "[2] docs/plans.md, characters 16 to 22:\n    A plan\n"
        "Searched for: plans\n"
    )


def test_the_json_is_the_answer_and_nothing_else(call: Call, monkeypatch: pytest.MonkeyPatch):
    prepared = answer((0, "Plans are text."))
    speak(monkeypatch, prepared)
    assert call("ask", "What are plans?", "--json").document == prepared.model_dump(mode="json")


def test_a_refusal_is_a_result_and_says_why(call: Call, monkeypatch: pytest.MonkeyPatch):
    speak(monkeypatch, answer(refused=Reason.UNANSWERABLE))
    done = call("ask", "Why?")
    assert done.code == 0
    assert done.out.endswith("Refused: unanswerable. Searched for: plans\n")


def test_the_conversation_reaches_the_assistant_in_its_order(call: Call, monkeypatch: pytest.MonkeyPatch):
    spoken = speak(monkeypatch, answer((0, "Plans are text.")))
    Path("history.json").write_text(json.dumps(CONVERSATION))
    call("ask", "And when?", "--history", "history.json")
    assert spoken.asked == [("And when?", tuple(Turn.model_validate(turn) for turn in CONVERSATION))]


WRONG = {
    "not json": "What are plans?",
    "no list": json.dumps(CONVERSATION[0]),
    "a role that nobody has": json.dumps([{**CONVERSATION[0], "role": "system"}]),
    "a turn without content": json.dumps([{"role": "user"}]),
    "a field that no turn has": json.dumps([{**CONVERSATION[0], "name": "Ann"}]),
}


@pytest.mark.parametrize("content", WRONG.values(), ids=WRONG)
def test_a_file_that_is_no_conversation_is_refused_before_any_model_is_loaded(call: Call, content: str):
    Path("history.json").write_text(content)
    done = call("ask", "And when?", "--history", "history.json", "--json")
    assert (done.code, done.document["error"]["kind"]) == (2, "history_invalid")
