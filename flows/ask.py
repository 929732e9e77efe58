"""One question, answered on the terminal: the text as it is verified, then the evidence."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from flows.answers import evidence
from flows.errors import HistoryInvalid
from flows.wiring import open_assistant

if TYPE_CHECKING:
    from flows.console import Console
    from flows.settings import Settings
    from serving.assistant.answer import Answer
    from serving.interface.turns import Turn

__all__ = ["ask_question", "read_history"]


def ask_question(settings: Settings, question: str, history: Path | None, console: Console) -> Answer:
    """Answers and shows it, piece by piece as it is verified. Raises what reading, opening and asking raise."""
    turns = read_history(history) if history else ()
    with open_assistant(settings, console.note) as desk:
        answer = desk.assistant.answer(
            question,
            history=turns,
            seed=settings.seed,
            on_text=lambda piece: console.say(piece, end=""),
            on_stage=console.stage,
        )
    console.show(answer.model_dump(mode="json"), f"\n\n{evidence(answer)}")
    return answer


def read_history(path: Path) -> tuple[Turn, ...]:
    """The conversation in a JSON file. Raises HistoryInvalid if it is no list of turns."""
    from pydantic import TypeAdapter, ValidationError

    from serving.interface.turns import Turn

    try:
        return tuple(TypeAdapter(list[Turn]).validate_json(path.read_bytes()))
    except OSError as cause:
        raise _invalid(f"{path} cannot be read: {cause.strerror}.") from cause
    except ValidationError as cause:
        found = cause.errors()[0]
        where = ".".join(str(part) for part in found["loc"])
        raise _invalid(f"{path} is no conversation: {where + ': ' if where else ''}{found['msg']}.") from cause


def _invalid(message: str) -> HistoryInvalid:
    return HistoryInvalid(
        message,
        remedy="Give a JSON list of turns, oldest first; each is an object with role (user or assistant) and content.",
    )
