"""Models and training that stand in for real ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import flows.training
import flows.wiring
from flows.production import Adapters, adapters_of
from flows.settings import Settings
from flows.systems import Bench, make_bench
from serving.assistant.remembering_engine import RememberingEngine
from tests.flows.fake_models import prepare_tiny_model
from tests.flows.retraining.workshop import GATE, REFUSAL, ReadingEngine
from tests.retrieval.readable import ReadableEncoder
from tests.serving.registry.made_adapters import write_source
from tuning.thresholds import packaged_thresholds


@pytest.fixture
def engine() -> ReadingEngine:
    return ReadingEngine()


@pytest.fixture
def trained() -> list[Path]:
    """Folders of the runs that were trained, in order."""
    return []


@pytest.fixture
def trained_on() -> list[Sequence[Any]]:
    """The rows of each training."""
    return []


@pytest.fixture(autouse=True)
def workshop(
    engine: ReadingEngine,
    trained: list[Path],
    trained_on: list[Sequence[Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Stands in for models and training."""
    model = prepare_tiny_model(tmp_path / "tiny", monkeypatch)

    @contextmanager
    def opened(
        settings: Settings, say: Callable[[str], None], *, tries_rerankers: bool, answers: Path
    ) -> Iterator[tuple[Bench, Adapters]]:
        assert not tries_rerankers
        remembering = RememberingEngine(engine, answers)
        adapters = adapters_of(settings, remembering, model, say)
        yield make_bench(remembering, ReadableEncoder(), adapters.rerankers), adapters

    def train(plan: Any, rows: Sequence[Any], base: Any, run: Path, **told: Any) -> None:
        trained.append(run)
        trained_on.append(rows)
        if not (run / "adapter").exists():
            write_source(run / "adapter")

    monkeypatch.setattr(flows.wiring, "open_bench", opened)
    monkeypatch.setattr(flows.training, "train", train)
    Path("starters").mkdir()
    monkeypatch.setenv("GROUNDSKEEPER_STARTER", "starters")
    quick = packaged_thresholds(REFUSAL).read_text("utf-8").replace("few_shot: 0.05, ", "")
    GATE.write_text(quick, "utf-8")
