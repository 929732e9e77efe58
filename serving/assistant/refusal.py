"""Step four: do the passages answer the question?

Each passage is judged alone by the base model's odds of the contract's words, and the most answerable one decides. An
un-tuned base of this size hardly tells (see infra/decisions/), so there its odds are one signal of three, beside how
well the passages cover the question's words and how close they are in meaning.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from serving.assistant.asked import Asked
from serving.assistant.evidence import coverage
from serving.assistant.library import Library, Query
from serving.assistant.prompting import Prompter, adapter_name
from serving.assistant.shown import Found
from serving.interface import refusal as contract
from serving.interface.behaviours import Behaviour, UntunedMode
from serving.interface.context import ContextPassage
from serving.interface.refusal import Answerability, Judgement, Reason
from serving.interface.turns import Turn

__all__ = ["UNTUNED", "Calibration", "calibrate", "judge_passages", "reason_to_refuse"]


@dataclass(frozen=True)
class Calibration:
    """A logistic model over the signals; its output is a probability, so the threshold is one half."""

    bias: float
    odds: float
    """Of the base model's log-odds of `answerable`."""
    coverage: float
    similarity: float


UNTUNED = Calibration(bias=-5.8, odds=0.2, coverage=4.0, similarity=10.0)


def reason_to_refuse(
    prompter: Prompter, mode: str, asked: Asked, query: Query, found: Found, library: Library
) -> Reason | None:
    """Why the question is not answered from what was found; None when it is. Raises `QuestionTooLong`."""
    passages = found.passages
    if not passages:
        return Reason.NOTHING_FOUND
    judgement = judge_passages(prompter, mode, asked.question, passages, asked.history)
    if mode in set(UntunedMode):
        judgement = calibrate(judgement, _coverage(query, passages, library), max(found.shelf.cosines))
    label = judgement.label(threshold=0.5)
    return None if label is Answerability.ANSWERABLE else Reason(label)


def judge_passages(
    prompter: Prompter, mode: str, question: str, passages: Sequence[ContextPassage], history: Sequence[Turn]
) -> Judgement:
    """The model's judgement over all passages. Raises `QuestionTooLong`."""
    build = contract.few_shot_messages if mode == UntunedMode.FEW_SHOT else contract.build_messages
    scores = prompter.score(
        [build(question, passage, history, count=prompter.count) for passage in passages],
        [contract.build_target(label) for label in Answerability],
        adapter=adapter_name(Behaviour.REFUSAL, mode),
    )
    return contract.pool([contract.judge(dict(zip(Answerability, row, strict=True))) for row in scores])


def calibrate(judgement: Judgement, coverage: float, similarity: float, by: Calibration = UNTUNED) -> Judgement:
    """The judgement with `answerable` corrected by the other signals; the rest keeps its proportion."""
    answerable = min(max(judgement.answerable, 1e-6), 1 - 1e-6)
    logit = by.bias + by.odds * math.log(answerable / (1 - answerable))
    logit += by.coverage * coverage + by.similarity * similarity
    corrected = 1 / (1 + math.exp(-logit))
    others = judgement.unanswerable + judgement.underspecified
    share = judgement.underspecified / others if others else 0.0
    return Judgement(corrected, (1 - corrected) * (1 - share), (1 - corrected) * share)


def _coverage(query: Query, passages: Sequence[ContextPassage], library: Library) -> float:
    """How well the best passage covers the query's words, weighted over its searches: 0 to 1."""
    texts = [f"{passage.title}\n{passage.text}" for passage in passages]
    return sum(weight * max(coverage(text, texts, library.terms)) for text, weight in query.searches)
