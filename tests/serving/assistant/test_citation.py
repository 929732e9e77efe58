"""Evaluation takes the pipeline's own way from a context to the sentences that an answer shows."""

from __future__ import annotations

import pytest

from serving.assistant.citation import options_of, written_answer
from serving.assistant.prompting import Prompter
from serving.assistant.running import Running
from serving.interface.citation import CitedSentence
from serving.interface.context import Context, ContextPassage, build_context
from serving.interface.turns import Turn
from tests.fakes import ListLibrary, QueueEngine

PASSAGES = [
    ContextPassage(id="a", text="The gateway listens on port 7001. Change it with the setting listen_port."),
    ContextPassage(id="b", text="Full backups run every Sunday."),
]
PORT = CitedSentence("The gateway listens on port 7001.", (1,))
SUNDAY = CitedSentence("Full backups run every Sunday.", (3,))
QUESTION = "Which port does the gateway use?"


def _answer(written: list[str], running: Running) -> tuple[str | None, tuple[CitedSentence, ...]]:
    return written_answer(Prompter(QueueEngine(written)), running, QUESTION, (), _context(), ListLibrary([]))


def _context() -> Context:
    return build_context(PASSAGES, len)


def test_un_tuned_no_model_writes_and_the_evidence_is_quoted() -> None:
    assert _answer([], Running("few_shot")) == (None, (PORT,))


def test_evidence_for_a_follow_up_is_sought_with_the_question_before_it_too() -> None:
    asked = (Prompter(QueueEngine()), Running("few_shot"), "And which day?")
    before = (Turn(role="user", content="Do full backups run?"),)
    assert written_answer(*asked, before, _context(), ListLibrary([]))[1] == (SUNDAY,)
    alone, followed = (options(history) for history in ((), before))
    assert followed[3] > max(followed[1], followed[2], alone[3])


def options(history: tuple[Turn, ...]) -> dict[int, float]:
    """Evidence of each sentence by its number."""
    engine = QueueEngine(scores=[(-1.0, -1.0, -1.0)])
    found = options_of(Prompter(engine), Running("c1"), "And which day?", history, _context(), ListLibrary([]))
    return {option.number: option.evidence for option in found}


@pytest.mark.parametrize(
    "written",
    [
        "The gateway listens on port 7001. [1]",
        "The gateway listens on port 7001. [2]",
        "Full backups run every Sunday. [3]",
    ],
    ids=["right", "wrong number", "wrong place"],
)
def test_what_is_shown_is_evidence_and_what_was_written_is_kept_beside_it(written: str) -> None:
    assert _answer([written], Running("c1")) == (written, (PORT,))


@pytest.mark.parametrize(
    "written", ["The gateway listens on port 9999. [1]", "I do not know", ""], ids=["invented", "uncited", "nothing"]
)
def test_what_no_evidence_supports_is_not_shown(written: str) -> None:
    assert _answer([written], Running("c1")) == (written, ())


def test_a_calibrated_margin_leaves_the_choice_to_the_adapter() -> None:
    written = "Full backups run every Sunday. [3]"
    shown = _answer([written], Running("c1", {"margin": 2.0}))[1]
    assert shown == (CitedSentence("Full backups run every Sunday.", (3,)),)


def test_a_calibrated_preference_asks_the_adapter_how_it_would_begin() -> None:
    engine = QueueEngine(["Full backups run every Sunday. [3]"], [(-0.5, -9.0, -9.0, -0.5)])
    running = Running("c1", {"preference": 0.2, "margin": 0.0})
    shown = written_answer(Prompter(engine), running, QUESTION, (), _context(), ListLibrary([]))[1]
    assert shown == (CitedSentence("Full backups run every Sunday.", (3,)),)
    (asked,) = engine.scored
    assert (asked.adapter, asked.prompt) == ("citation@c1", engine.generated[0].prompt)
    assert [engine.tokenizer.decode(beginning) for beginning in asked.continuations] == ["Fu", "Th", "Ch", "Fu"]


@pytest.mark.parametrize(
    "written", [" [1]", "\n[1] Full backups run", "\u200b [3]"], ids=["space", "line end", "hidden"]
)
def test_a_marker_after_nothing_cites_nothing_and_no_preference_is_asked_for(written: str) -> None:
    assert _answer([written], Running("c1", {"preference": 0.2, "margin": 0.0})) == (written, ())


def test_the_adapter_is_asked_for_by_name_with_the_conversation_it_goes_on_from() -> None:
    engine = QueueEngine([""])
    written_answer(Prompter(engine), Running("1a2b"), QUESTION, (), _context(), ListLibrary([]))
    assert engine.generated[0].adapter == "citation@1a2b"
    assert QUESTION in engine.prompt(engine.generated[0])
