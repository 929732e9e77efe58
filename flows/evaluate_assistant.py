"""`evaluate assistant`: whole answers to questions, those that the documents answer and those that they do not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.evaluate_behaviour import sampled
from flows.systems import assistant_system
from flows.wiring import open_assistant

if TYPE_CHECKING:
    from flows.settings import Settings
    from serving.interface.behaviours import Behaviour
    from tuning.evaluation import Evaluation

__all__ = ["AssistantEvaluation", "evaluate_answers"]


@dataclass(frozen=True)
class AssistantEvaluation:
    """The figures, and what was served while they were taken."""

    evaluation: Evaluation
    generation: int
    served: dict[Behaviour, str]

    def as_json(self) -> dict[str, Any]:
        """As every evaluation, with the index generation and what each behaviour ran as."""
        adapters = {str(behaviour): value for behaviour, value in self.served.items()}
        return self.evaluation.as_json() | {"generation": self.generation, "adapters": adapters}

    def as_text(self) -> str:
        """A row a metric; then what was served."""
        served = ", ".join(f"{behaviour} {value}" for behaviour, value in self.served.items())
        return f"{self.evaluation.as_text()}\nIndex generation {self.generation}; {served}."


def evaluate_answers(
    settings: Settings,
    data: Path,
    *,
    limit: int | None = None,
    say: Callable[[str], None],
    progress: Callable[[str, int, int], None],
) -> AssistantEvaluation:
    """Asks the questions of `data`, or `limit` of them drawn with the settings' seed.

    Raises RowsInvalid, and what opening index, models and adapters raises.
    """
    from tuning.metrics.assistant import evaluate_assistant
    from tuning.rows import AssistantRow, read_rows

    rows = sampled(read_rows(data, AssistantRow), limit, settings.seed)
    with open_assistant(settings, say) as desk:
        evaluation = evaluate_assistant(
            rows,
            assistant_system(desk.assistant, seed=settings.seed),
            seed=settings.seed,
            adapter="production",
            progress=partial(progress, "evaluate assistant"),
        )
        return AssistantEvaluation(evaluation, desk.search.reader.generation.number, desk.served)
