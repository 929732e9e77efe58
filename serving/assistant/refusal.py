"""Step four: do the passages answer the question?

Each passage is judged alone by the model's odds of the contract's words, and the most answerable one decides. A
follow-up is judged by itself and after the user's last question, and the more answerable of the two decides; its
rewrite tells less (infra/decisions/judging-follow-ups.md).

Beside the odds stand two signals of retrieval: how well the best passage covers the question's words, and how close the
closest passage is in meaning. They tell off-topic questions; the odds tell near misses. An un-tuned base of this size
hardly judges (see infra/decisions/), so there they decide nearly alone.

A registered adapter's calibration holds `threshold`, the least probability that counts as answerable, and may hold
`bias`, `odds`, `coverage` and `similarity`, the weights of a `Calibration`; without them the threshold alone decides.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from serving.assistant.asked import Asked
from serving.assistant.evidence import coverage
from serving.assistant.library import Library, Likeness, Query
from serving.assistant.prompting import Prompter
from serving.assistant.running import Running
from serving.assistant.shown import Found
from serving.interface import refusal as contract
from serving.interface.behaviours import Behaviour, UntunedMode
from serving.interface.context import ContextPassage
from serving.interface.refusal import Answerability, Judgement, Reason
from serving.interface.standalone import wordings
from serving.interface.turns import Turn

__all__ = [
    "UNTUNED",
    "Calibration",
    "Signals",
    "calibrate",
    "calibration",
    "judge_passages",
    "log_odds",
    "reason_to_refuse",
    "signals",
]


@dataclass(frozen=True)
class Signals:
    """What retrieval tells about a question, whatever a model says."""

    coverage: float
    """Share of the question's words that the best passage holds, rare words counting more: 0 to 1."""
    similarity: float
    """Cosine of the question and the closest passage."""


@dataclass(frozen=True)
class Calibration:
    """A logistic model over the signals; its output is a probability, so its threshold is one half."""

    bias: float
    odds: float
    """Of the model's log-odds of `answerable`, counted from the threshold's."""
    coverage: float
    similarity: float
    threshold: float = 0.5
    """The model's probability from which its odds speak for an answer."""


UNTUNED = Calibration(bias=-5.8, odds=0.2, coverage=4.0, similarity=10.0)


def reason_to_refuse(
    prompter: Prompter, running: Running, asked: Asked, query: Query, found: Found, library: Library
) -> Reason | None:
    """Why the question is not answered from what was found; None when it is.

    Raises `QuestionTooLong`, `CalibrationMissing`.
    """
    if not found.passages:
        return Reason.NOTHING_FOUND
    judgement = judge_passages(prompter, running, asked.question, found.passages, asked.history)
    judgement = calibrate(judgement, signals(query, found, library), calibration(running))
    label = judgement.label(threshold=0.5)
    return None if label is Answerability.ANSWERABLE else Reason(label)


def judge_passages(
    prompter: Prompter,
    running: Running,
    question: str,
    passages: Sequence[ContextPassage],
    history: Sequence[Turn] = (),
) -> Judgement:
    """The model's judgement over all passages. Raises `QuestionTooLong`."""
    build = contract.few_shot_messages if running.mode == UntunedMode.FEW_SHOT else contract.build_messages
    asked = wordings(question, history, prompter.count)
    scores = prompter.score(
        [build(wording, passage, count=prompter.count) for passage in passages for wording in asked],
        [contract.build_target(label) for label in Answerability],
        adapter=running.adapter(Behaviour.REFUSAL),
    )
    return contract.pool([contract.judge(dict(zip(Answerability, row, strict=True))) for row in scores])


def signals(query: Query, found: Found, likeness: Likeness) -> Signals:
    """The signals of retrieval for a query that found something."""
    texts = [f"{passage.title}\n{passage.text}" for passage in found.passages]
    covered = sum(weight * max(coverage(text, texts, likeness.terms)) for text, weight in query.searches)
    return Signals(covered, max(found.shelf.cosines))


def calibration(running: Running) -> Calibration:
    """How a model's odds decide: by its calibration, which an adapter has in its manifest; else `UNTUNED`.

    Raises `CalibrationMissing` for an adapter without.
    """
    if not running.tuned and not running.calibration:
        return UNTUNED
    (threshold,) = running.calibrated("threshold")
    if running.calibration.keys() <= {"threshold"}:
        return Calibration(bias=0.0, odds=1.0, coverage=0.0, similarity=0.0, threshold=threshold)
    return Calibration(*running.calibrated("bias", "odds", "coverage", "similarity", "threshold"))


def calibrate(judgement: Judgement, told: Signals, by: Calibration) -> Judgement:
    """The judgement with `answerable` corrected by the other signals; the rest keeps its proportion."""
    logit = by.bias + by.odds * (log_odds(judgement.answerable) - log_odds(by.threshold))
    logit += by.coverage * told.coverage + by.similarity * told.similarity
    corrected = 1 / (1 + math.exp(-logit))
    others = judgement.unanswerable + judgement.underspecified
    share = judgement.underspecified / others if others else 0.0
    return Judgement(corrected, (1 - corrected) * (1 - share), (1 - corrected) * share)


def log_odds(probability: float) -> float:
    """Natural log-odds of a probability, within those of one in a million."""
    within = min(max(probability, 1e-6), 1 - 1e-6)
    return math.log(within / (1 - within))
