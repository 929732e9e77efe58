"""`advise`: what a charter says to training, with the five questions and the 2x2."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.exit_codes import DONE, NOT_SO

if TYPE_CHECKING:
    from tuning.charter import Advice, Charter

__all__ = ["Advised", "advise_on"]

_WAYS = {
    ("knowledge", "stable"): "retrieval",
    ("knowledge", "volatile"): "retrieval",
    ("behaviour", "stable"): "fine-tune",
    ("behaviour", "volatile"): "prompt",
}
"""What helps in each quarter of the 2x2."""
_ENFORCED = (
    "Budget and gain bind the owner alone: no run is stopped by them, and the gate decides by thresholds of its own"
    " (tuning/gates, or yours with --gate)."
)


@dataclass(frozen=True)
class Advised:
    """A charter and the advice on it."""

    path: Path
    charter: Charter
    advice: Advice

    @property
    def code(self) -> int:
        """The exit code: a no is not so."""
        return DONE if self.advice.verdict == "yes" else NOT_SO

    def as_json(self) -> dict[str, Any]:
        """The verdict on top, everything that the charter says below."""
        advice = self.advice
        head = {"charter": str(self.path), "behaviour": str(advice.behaviour), "verdict": advice.verdict}
        step = {"next_step": str(advice.next_step), "todo": advice.todo, "reasons": list(advice.reasons)}
        return head | step | self.charter.model_dump(mode="json", exclude={"behaviour"})

    def as_text(self) -> str:
        """Questions with their evidence, the 2x2, then the verdict and the next step."""
        charter, advice = self.charter, self.advice
        return "\n".join(
            [
                f"{advice.behaviour}, owned by {charter.owner or 'nobody'}, to be reviewed by {charter.review_date}.",
                f"Budget {charter.budget.hours:g} hours and {charter.budget.cost:g}; at least {charter.rows.minimum} "
                f"rows, at most {charter.rows.synthetic_cap:.0%} synthetic; worth it from "
                f"{charter.least_gain.points:g} points of {charter.least_gain.metric}.",
                _ENFORCED,
                "",
                *_questions(charter),
                "",
                *_two_by_two(charter),
                "",
                f"Verdict: {advice.verdict}. Next step: {advice.next_step}.",
                *(f"- {reason}" for reason in advice.reasons if advice.verdict == "no"),
                advice.todo,
            ]
        )


def advise_on(path: Path, *, today: date) -> Advised:
    """Reads a charter and weighs it. Raises CharterInvalid."""
    from tuning.charter import advise, read_charter

    charter = read_charter(path)
    return Advised(path, charter, advise(charter, today=today))


def _questions(charter: Charter) -> list[str]:
    from tuning.charter import QUESTIONS

    lines = []
    for number, (key, question) in enumerate(QUESTIONS.items(), 1):
        asked = getattr(charter.questions, key)
        lines += [f"{number}. {question} {'Yes' if asked.answer else 'No'}.", f"   {asked.evidence}"]
    return lines


def _two_by_two(charter: Charter) -> list[str]:
    """What helps where, with the charter's own quarter in brackets."""
    lines = [f"{'':<12}{'stable':<14}volatile"]
    for of in ("knowledge", "behaviour"):
        cells = [_cell(charter, of, pace) for pace in ("stable", "volatile")]
        lines.append(f"{of:<12}{cells[0]:<14}{cells[1]}")
    return lines


def _cell(charter: Charter, of: str, pace: str) -> str:
    way = _WAYS[of, pace]
    return f"[{way}]" if (charter.failure.of, charter.failure.pace) == (of, pace) else way
