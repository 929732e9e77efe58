"""Un-tuned, the base model's odds are one signal of three."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from serving.assistant.prompting import Prompter
from serving.assistant.refusal import calibrate, judge_passages
from serving.interface.context import ContextPassage
from serving.interface.refusal import Answerability, Judgement
from serving.interface.turns import Turn
from tests.fakes import QueueEngine

SHARE = st.floats(0, 1)


def test_each_passage_is_judged_alone_and_the_most_answerable_decides() -> None:
    engine = QueueEngine(scores=[(-3.0, -0.1, -3.0), (-0.1, -3.0, -3.0)])
    passages = [ContextPassage(id=i, text=f"Text {i}.") for i in "ab"]
    history = (Turn(role="user", content="Before?"),)
    judgement = judge_passages(Prompter(engine), "prompt", "Why?", passages, history)
    assert judgement.label(0.5) is Answerability.ANSWERABLE
    prompts = [engine.prompt(request) for request in engine.scored]
    assert ["Text a." in p for p in prompts] == [True, False]
    assert ["Text b." in p for p in prompts] == [False, True]
    assert all("Before?" in p and "Why?" in p for p in prompts)
    assert [len(c) for c in engine.scored[0].continuations] == [3, 2, 5]


def test_few_shot_mode_shows_the_examples_and_prompt_mode_does_not() -> None:
    engine = QueueEngine(scores=[(-1.0, -1.0, -1.0)] * 2)
    for mode in ("prompt", "few_shot"):
        judge_passages(Prompter(engine), mode, "Why?", [ContextPassage(id="a", text="Text.")], ())
    assert ["listen_port" in engine.prompt(request) for request in engine.scored] == [False, True]


@given(SHARE, SHARE, st.floats(-1, 1))
def test_calibrated_odds_sum_to_one(answerable: float, coverage: float, similarity: float) -> None:
    rest = (1 - answerable) / 2
    result = calibrate(Judgement(answerable, rest, rest), coverage, similarity)
    assert abs(result.answerable + result.unanswerable + result.underspecified - 1) < 1e-9


def test_words_and_meaning_can_overrule_the_base_model() -> None:
    sure, unsure = Judgement(0.9, 0.1, 0.0), Judgement(0.2, 0.8, 0.0)
    assert calibrate(sure, coverage=0.1, similarity=0.2).label(0.5) is Answerability.UNANSWERABLE
    assert calibrate(unsure, coverage=1.0, similarity=0.6).label(0.5) is Answerability.ANSWERABLE
