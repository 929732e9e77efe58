"""Rows by which nobody could pass are refused before anything is trained."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from serving.interface.behaviours import Behaviour
from serving.interface.refusal import Answerability
from tests.tuning.gateway_rows import citation_row
from tests.tuning.made_rows import refusal
from tuning.enough import require_enough
from tuning.errors import TrainingNotAdvised
from tuning.row_parts import TrainingRow
from tuning.rows import Origin, RankedPassage, RerankRow
from tuning.snapshot import Snapshot, make_snapshot
from tuning.thresholds import GateThresholds, packaged_thresholds, read_thresholds


def snapshot(root: Path, behaviour: Behaviour, rows: Sequence[TrainingRow]) -> Snapshot:
    return make_snapshot(behaviour, rows, root=root, contract="c" * 64, seed=0, synthetic_cap=1.0)


def asking_for(behaviour: Behaviour, rows: int, swapped: int) -> GateThresholds:
    packaged = read_thresholds(packaged_thresholds(behaviour))
    least: dict[str, Any] = {
        name: getattr(packaged, name).model_copy(update={"least_judged": least})
        for name, least in (("rows", rows), ("content_leak", swapped))
    }
    return packaged.model_copy(update=least)


def of_classes(answerable: Callable[[int], bool]) -> list[TrainingRow]:
    """A hundred rows with nothing in common."""
    chance = random.Random(3)
    texts = ["".join(chance.choices("abcdefghij ", k=60)) for _ in range(100)]
    rows = [refusal(f"{text[:20]}?", text, document=str(n)) for n, text in enumerate(texts)]
    other = {"label": Answerability.UNANSWERABLE, "answering": None}
    return [row if answerable(n) else row.model_copy(update=other) for n, row in enumerate(rows)]


def test_rows_that_just_suffice_are_not_refused(tmp_path: Path) -> None:
    rows = snapshot(tmp_path, Behaviour.REFUSAL, of_classes(lambda n: n % 2 == 0))
    require_enough(asking_for(Behaviour.REFUSAL, 12, 5), rows, seed=0)
    with pytest.raises(TrainingNotAdvised, match="6 answerable rows in held_out of at least 7"):
        require_enough(asking_for(Behaviour.REFUSAL, 13, 5), rows, seed=0)


@pytest.mark.parametrize(
    ("rows", "swapped", "named"),
    [
        (21, 5, "20 held-out rows that can be judged of at least 21"),
        (14, 30, "whose facts can be swapped of at least 30"),
    ],
)
def test_what_is_missing_is_named_with_its_numbers(tmp_path: Path, rows: int, swapped: int, named: str) -> None:
    found = snapshot(tmp_path, Behaviour.REFUSAL, of_classes(lambda n: n % 2 == 0))
    with pytest.raises(TrainingNotAdvised, match=named) as refused:
        require_enough(asking_for(Behaviour.REFUSAL, rows, swapped), found, seed=0)
    assert "--gate" in refused.value.remedy


def test_refusal_needs_both_classes_in_both_parts(tmp_path: Path) -> None:
    """Rows that are asked back about are of neither."""
    underspecified = {"label": Answerability.UNDERSPECIFIED}
    rows = of_classes(lambda n: True)
    rows = [row.model_copy(update=underspecified) if n % 3 == 0 else row for n, row in enumerate(rows)]
    found = snapshot(tmp_path, Behaviour.REFUSAL, rows)
    named = "0 unanswerable rows in held_out of at least 7; 0 unanswerable rows in calibration"
    with pytest.raises(TrainingNotAdvised, match=named):
        require_enough(asking_for(Behaviour.REFUSAL, 14, 5), found, seed=0)


def test_passages_of_equal_relevance_have_no_order_to_judge(tmp_path: Path) -> None:
    def row(number: int, relevance: float) -> RerankRow:
        words = [f"Valve {number}-{place} opens at {number}{place} bar." for place in range(3)]
        passages = tuple(
            RankedPassage(id=f"{number}-{place}", title="Valves", text=text, relevance=relevance if place else 1.0)
            for place, text in enumerate(words)
        )
        origin = Origin(document=str(number))
        return RerankRow(question=f"When does valve {number}-0 open?", passages=passages, origin=origin)

    asked = asking_for(Behaviour.RERANK, 10, 1)
    require_enough(asked, snapshot(tmp_path, Behaviour.RERANK, [row(n, 0.0) for n in range(60)]), seed=0)
    named = "0 held-out rows that can be judged of at least 10.*; 0 rows in calibration whose passages differ"
    with pytest.raises(TrainingNotAdvised, match=named):
        require_enough(asked, snapshot(tmp_path, Behaviour.RERANK, [row(n, 1.0) for n in range(60)]), seed=0)


def test_rows_whose_facts_the_question_tells_already_cannot_be_swapped(tmp_path: Path) -> None:
    def told(number: int) -> TrainingRow:
        row = citation_row(number, Origin(document=str(number)))
        return row.model_copy(update={"question": " ".join(passage.text for passage in row.passages)})

    asked = asking_for(Behaviour.CITATION, 10, 5)
    require_enough(
        asked,
        snapshot(tmp_path, Behaviour.CITATION, [citation_row(n, Origin(document=str(n))) for n in range(60)]),
        seed=0,
    )
    with pytest.raises(TrainingNotAdvised, match="0 held-out rows whose facts can be swapped"):
        require_enough(asked, snapshot(tmp_path, Behaviour.CITATION, [told(n) for n in range(60)]), seed=0)
