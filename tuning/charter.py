"""The charter of a behaviour: five questions to answer before anything is trained.

    advice = advise(read_charter(Path("tuning/charters/refusal.yaml")), today=date(2026, 12, 1))
    advice.verdict, advice.next_step        "no", NextStep.FEW_SHOT

Training is the last resort: whatever a prompt, an example or a search can do is cheaper and changes faster. A "no"
names what to do in its place, from the first question that stands in the way.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from serving.interface.behaviours import Behaviour
from tuning.errors import CharterInvalid, TrainingNotAdvised
from tuning.strict_yaml import read_yaml
from tuning.thresholds import MEASURES

__all__ = [
    "QUESTIONS",
    "Advice",
    "Answer",
    "Answers",
    "Budget",
    "Charter",
    "Failure",
    "LeastGain",
    "NextStep",
    "Objection",
    "RowsNeeded",
    "advise",
    "own_charter",
    "read_charter",
    "require_yes",
]

Text = Annotated[str, Field(pattern=r"\S")]

QUESTIONS = {
    "prompting_fails": "Does an evaluation exist, and do prompt and retrieval fail it?",
    "failure_is_behaviour": "Is the failure one of behaviour, and not of knowledge?",
    "enough_examples": "Are there enough examples in the form of production?",
    "owned_for_a_year": "Does somebody own the adapter for twelve months?",
    "worth_the_cost": "Is the cost estimated, and is the gain worth it?",
}
"""The five questions, by their key in a charter."""


class NextStep(StrEnum):
    """What to do about a behaviour."""

    PROMPT = "prompt"
    RETRIEVAL = "retrieval"
    FEW_SHOT = "few_shot"
    FINE_TUNE = "fine_tune"
    DISTILL = "distill"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Answer(_Part):
    """Yes or no to one question."""

    answer: bool
    evidence: Text
    """The measurement or the fact behind the answer, in a sentence."""


class Answers(_Part):
    """One answer a question; the fields are the keys of `QUESTIONS`."""

    prompting_fails: Answer
    failure_is_behaviour: Answer
    enough_examples: Answer
    owned_for_a_year: Answer
    worth_the_cost: Answer


class Failure(_Part):
    """The place in the 2x2 of what fails today."""

    of: Literal["knowledge", "behaviour"]
    """`knowledge`: facts are missing. `behaviour`: the facts are there, and something wrong is made of them."""
    pace: Literal["stable", "volatile"]
    """`volatile`: what is wanted changes faster than an adapter is trained, judged and put into service."""


class Budget(_Part):
    """What one training run may cost at most. A promise to the owner: no run is stopped by it."""

    hours: float = Field(gt=0)
    """Wall-clock hours on the machine that trains."""
    cost: float = Field(ge=0)
    """In the owner's currency; 0 for a machine that runs anyway."""


class RowsNeeded(_Part):
    """What the data must be before a run is worth its time."""

    minimum: int = Field(ge=1)
    """Least rows, after duplicates are removed."""
    synthetic_cap: float = Field(ge=0, le=1)
    """Largest share of rows that no person wrote."""


class LeastGain(_Part):
    """The gain for which the owner would pay; the gate decides by its own thresholds."""

    metric: Text
    """One of the behaviour's."""
    points: float = Field(gt=0, le=100)
    """Percentage points over the better of the un-tuned ways."""


class Charter(_Part):
    """What is known and promised about a behaviour before an adapter is trained for it."""

    behaviour: Annotated[Behaviour, Field(strict=False)]
    owner: str
    """Who retrains it, judges it and rolls it back; empty for nobody."""
    review_date: date
    """The last day on which these answers count."""
    budget: Budget
    rows: RowsNeeded
    least_gain: LeastGain
    evaluation: str
    """How it is measured, in words; empty when it is not."""
    teacher: str
    """A larger model that passes the evaluation by prompting alone and may write rows; empty for none."""
    failure: Failure
    questions: Answers

    @field_validator("least_gain")
    @classmethod
    def _is_gained_in_a_metric_of_the_behaviour(cls, gain: LeastGain, info: ValidationInfo) -> LeastGain:
        behaviour = info.data.get("behaviour")  # absent where it is faulty itself
        known = [metric.name for metric in MEASURES[behaviour]] if behaviour else [gain.metric]
        if gain.metric not in known:
            raise ValueError(f"{gain.metric} is no metric of {behaviour}; it has {', '.join(known)}")
        return gain


@dataclass(frozen=True)
class Objection:
    """One reason against training, and what to do in its place."""

    reason: str
    step: NextStep
    todo: str


@dataclass(frozen=True)
class Advice:
    """The verdict on a charter."""

    behaviour: Behaviour
    verdict: Literal["yes", "no"]
    reasons: tuple[str, ...]
    """For a no every objection, weightiest first; for a yes the evidence of the five answers."""
    next_step: NextStep
    todo: str
    """The next step in words."""


def own_charter(behaviour: Behaviour) -> Path:
    """The charter of the project's own adapter."""
    return Path(__file__).with_name("charters") / f"{behaviour}.yaml"


def read_charter(path: Path) -> Charter:
    """The charter in a YAML file. Raises `CharterInvalid`, which names every wrong key and its line."""
    remedy = f"Correct the file; compare it with {own_charter(Behaviour.REFUSAL)}."
    return read_yaml(path, Charter, error=CharterInvalid, remedy=remedy)


def advise(charter: Charter, *, today: date, rows: int | None = None) -> Advice:
    """Whether to train, and else what to do.

    `rows`: how many rows there are, where that is known; fewer than the charter's minimum count as too few whatever
    the charter answers.
    """
    objections = tuple(_objections(charter, today, rows))
    if objections:
        first, reasons = objections[0], tuple(objection.reason for objection in objections)
        return Advice(charter.behaviour, "no", reasons, first.step, first.todo)
    evidence = tuple(getattr(charter.questions, question).evidence for question in QUESTIONS)
    todo = f"Train it: groundskeeper retrain {charter.behaviour}. The gate compares it with what runs today."
    return Advice(charter.behaviour, "yes", evidence, NextStep.FINE_TUNE, todo)


def require_yes(advice: Advice) -> None:
    """Raises `TrainingNotAdvised` on a no; its remedy is the next step."""
    if advice.verdict == "no":
        reasons = " ".join(advice.reasons)
        raise TrainingNotAdvised(
            f"The charter of {advice.behaviour} says no. {reasons}",
            remedy=f"Next step, {advice.next_step}: {advice.todo}",
        )


def _objections(charter: Charter, today: date, rows: int | None) -> Iterator[Objection]:
    """In the order of the questions, because each makes sense only after a yes to the ones before."""
    yield from _about_evaluation(charter)
    yield from _about_the_failure(charter)
    yield from _about_examples(charter, rows)
    yield from _about_care(charter, today)


def _about_evaluation(charter: Charter) -> Iterator[Objection]:
    asked = charter.questions.prompting_fails
    if not charter.evaluation.strip():
        yield Objection(
            "No evaluation is named, so nobody knows whether prompting fails.",
            NextStep.PROMPT,
            "Write the evaluation first: rows of real use with the right result. Until then keep the prompt.",
        )
    elif not asked.answer:
        yield Objection(f"Prompting is enough: {asked.evidence}", NextStep.PROMPT, "Keep the prompt that passes.")


def _about_the_failure(charter: Charter) -> Iterator[Objection]:
    asked, failure = charter.questions.failure_is_behaviour, charter.failure
    if not asked.answer or failure.of == "knowledge":
        todo = "Put the facts into the documents, and refresh; an adapter would be out of date with the next change."
        if failure.pace == "stable":
            todo = "Put the facts into the documents, and refresh; a handful that never change may be few shots."
        yield Objection(f"The failure is one of knowledge: {asked.evidence}", NextStep.RETRIEVAL, todo)
    elif failure.pace == "volatile":
        yield Objection(
            "What is wanted changes faster than an adapter can be trained and judged.",
            NextStep.PROMPT,
            "Write it into the prompt, which changes in a minute; come back when the form has settled.",
        )


def _about_examples(charter: Charter, rows: int | None) -> Iterator[Objection]:
    asked, needed = charter.questions.enough_examples, charter.rows
    if rows is not None and rows < needed.minimum:
        reason = f"There are {rows} rows, and the charter asks for {needed.minimum}."
    elif not asked.answer:
        reason = f"There are too few examples: {asked.evidence}"
    else:
        return
    if _teacher_can_fill(charter, rows):
        todo = (
            f"Let {charter.teacher} write rows in the form of production, at most {needed.synthetic_cap:.0%} of all,"
            " check them by hand, and ask again."
        )
        yield Objection(reason, NextStep.DISTILL, todo)
    else:
        todo = "Use the examples there are as few shots, and collect corrected answers until there are enough."
        yield Objection(reason, NextStep.FEW_SHOT, todo)


def _teacher_can_fill(charter: Charter, rows: int | None) -> bool:
    """Whether rows that a teacher writes, up to their cap, would make up for those that are missing."""
    minimum, cap = charter.rows.minimum, charter.rows.synthetic_cap
    return bool(charter.teacher.strip()) and cap > 0 and (rows is None or (minimum - rows) / minimum <= cap)


def _about_care(charter: Charter, today: date) -> Iterator[Objection]:
    owned, worth = charter.questions.owned_for_a_year, charter.questions.worth_the_cost
    if not charter.owner.strip() or not owned.answer:
        yield Objection(
            f"Nobody would look after the adapter for twelve months: {owned.evidence}",
            NextStep.PROMPT,
            "Name an owner who retrains it, judges it and rolls it back; until then keep the prompt.",
        )
    if not worth.answer:
        yield Objection(
            f"It is not worth its cost: {worth.evidence}",
            NextStep.PROMPT,
            "Keep the prompt, and ask again when the cost falls or the failures grow dearer.",
        )
    if today > charter.review_date:
        yield Objection(
            f"These answers counted until {charter.review_date}; today is {today}.",
            NextStep.PROMPT,
            "Answer the five questions again with today's measurements, and set a new review date.",
        )
