"""Whether the passages answer: the model's odds against its threshold, beside what retrieval tells."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.assistant.errors import CalibrationMissing
from serving.assistant.prompting import Prompter
from serving.assistant.refusal import UNTUNED, Signals, calibrate, calibration, judge_passages
from serving.assistant.running import Running
from serving.interface.context import ContextPassage
from serving.interface.refusal import Answerability, Judgement
from serving.interface.turns import Turn
from tests.fakes import QueueEngine

SHARE = st.floats(0, 1)


def test_each_passage_is_judged_alone_and_the_most_answerable_decides() -> None:
    engine = QueueEngine(scores=[(-3.0, -0.1, -3.0), (-0.1, -3.0, -3.0)])
    passages = [ContextPassage(id=i, text=f"Text {i}.") for i in "ab"]
    judgement = judge_passages(Prompter(engine), Running("prompt"), "Why?", passages)
    assert judgement.label(0.5) is Answerability.ANSWERABLE
    prompts = [engine.prompt(request) for request in engine.scored]
    assert ["Text a." in p for p in prompts] == [True, False]
    assert ["Text b." in p for p in prompts] == [False, True]
    assert all("Why?" in p for p in prompts)
    assert [len(c) for c in engine.scored[0].continuations] == [3, 2, 5]


def test_a_follow_up_is_judged_by_itself_and_after_what_the_user_said_before_it() -> None:
    engine = QueueEngine(scores=[(-3.0, -0.1, -3.0), (-0.1, -3.0, -3.0)])
    history = (Turn(role="user", content="Which port?"), Turn(role="assistant", content="Port 7001."))
    passages = [ContextPassage(id="a", text="Text.")]
    judgement = judge_passages(Prompter(engine), Running("prompt"), "And why?", passages, history)
    assert judgement.label(0.5) is Answerability.ANSWERABLE
    asked = [engine.prompt(request).rpartition("Question: ")[2].partition("\n")[0] for request in engine.scored]
    assert asked == ["And why?", "Which port? And why?"]


def test_only_few_shot_mode_shows_the_examples_and_only_an_adapter_is_asked_for_by_name() -> None:
    engine = QueueEngine(scores=[(-1.0, -1.0, -1.0)] * 3)
    for mode in ("prompt", "few_shot", "1a2b"):
        judge_passages(Prompter(engine), Running(mode), "Why?", [ContextPassage(id="a", text="Text.")])
    assert ["listen_port" in engine.prompt(request) for request in engine.scored] == [False, True, False]
    assert [request.adapter for request in engine.scored] == [None, None, "refusal@1a2b"]


@given(SHARE, SHARE, st.floats(-1, 1), SHARE)
def test_calibrated_odds_sum_to_one(answerable: float, coverage: float, similarity: float, threshold: float) -> None:
    rest = (1 - answerable) / 2
    by = calibration(Running("v", {"threshold": threshold, "bias": 1, "odds": 1, "coverage": 2, "similarity": 3}))
    result = calibrate(Judgement(answerable, rest, rest), Signals(coverage, similarity), by)
    assert abs(result.answerable + result.unanswerable + result.underspecified - 1) < 1e-9


def test_words_and_meaning_can_overrule_the_base_model() -> None:
    sure, unsure = Judgement(0.9, 0.1, 0.0), Judgement(0.2, 0.8, 0.0)
    assert calibrate(sure, Signals(0.1, 0.2), UNTUNED).label(0.5) is Answerability.UNANSWERABLE
    assert calibrate(unsure, Signals(1.0, 0.6), UNTUNED).label(0.5) is Answerability.ANSWERABLE


@given(st.floats(0.01, 0.99), st.floats(0.01, 0.99), SHARE, SHARE)
def test_a_threshold_alone_decides_as_it_says(answerable: float, threshold: float, asking: float, any_: float) -> None:
    judgement = Judgement(answerable, (1 - answerable) * (1 - asking), (1 - answerable) * asking)
    decided = calibrate(judgement, Signals(any_, any_), calibration(Running("v", {"threshold": threshold})))
    if abs(answerable - threshold) > 1e-6:
        assert decided.label(0.5) is judgement.label(threshold)


def test_the_weights_of_a_manifest_let_retrieval_overrule_an_adapter() -> None:
    weights = {"threshold": 0.4, "bias": -4.0, "odds": 1.0, "coverage": 2.0, "similarity": 6.0}
    by = calibration(Running("v", weights))
    assert calibrate(Judgement(0.6, 0.4, 0.0), Signals(0.1, 0.1), by).label(0.5) is Answerability.UNANSWERABLE
    assert calibrate(Judgement(0.3, 0.7, 0.0), Signals(1.0, 0.7), by).label(0.5) is Answerability.ANSWERABLE


@pytest.mark.parametrize(
    ("numbers", "absent"),
    [({}, "threshold"), ({"threshold": 0.5, "bias": 1.0, "odds": 1.0}, "coverage and similarity")],
    ids=["no threshold", "half a model"],
)
def test_an_adapter_without_its_numbers_is_refused_with_what_is_absent(numbers: dict[str, float], absent: str) -> None:
    with pytest.raises(CalibrationMissing, match=absent):
        calibration(Running("1a2b", numbers))
