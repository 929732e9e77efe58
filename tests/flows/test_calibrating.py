"""Numbers that an adapter is served with come from calibration rows, and from no row that cannot tell."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from flows.calibrating import _rounded, calibrated
from flows.production import adapters_of
from flows.retrain_plan import RetrainRequest, freeze_plan
from flows.settings import load_settings
from flows.systems import make_bench
from serving.assistant.engine import ScoreRequest
from serving.assistant.errors import PromptTooLong
from serving.assistant.running import Running
from serving.interface.behaviours import Behaviour
from serving.interface.context import ContextPassage
from tests.flows.fake_models import LoadingEngine, prepare_tiny_model
from tests.retrieval.readable import ReadableEncoder
from tests.serving.registry.made_adapters import write_source
from tuning.errors import RowsInvalid
from tuning.rows import AnswerSentence, CitationRow, Origin, RankedPassage, RerankRow, RowCitation
from tuning.thresholds import packaged_thresholds

TEXT = "The backups of the gateway are many. Every Sunday they run. Nobody knows why."
GOLD = "Every Sunday they run."
PASSAGE = ContextPassage(id="p", text=TEXT)


class LikingEngine(LoadingEngine):
    """Would begin an answer with one text rather than with any other."""

    def __init__(self, liked: str = "") -> None:
        super().__init__()
        self.liked, self.too_long = liked, False

    def score(self, requests: Sequence[ScoreRequest]) -> list[tuple[float, ...]]:
        if self.too_long:
            raise PromptTooLong("It needs 9000 tokens.", remedy="none")
        return [tuple(map(self._liking, request.continuations)) for request in requests]

    def _liking(self, beginning: Sequence[int]) -> float:
        return -0.1 if self.liked and self.liked.startswith(self.tokenizer.decode(beginning)) else -5.0


class Rows:
    """A snapshot of which only calibration rows may be asked for."""

    def __init__(self, rows: Sequence[Any]) -> None:
        self._rows = rows

    def rows(self, split: str) -> Sequence[Any]:
        assert split == "calibration"
        return self._rows


Calibrate = Callable[..., Running]


@pytest.fixture
def calibrate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Calibrate:
    model = prepare_tiny_model(tmp_path / "tiny", monkeypatch)

    def run(behaviour: Behaviour, engine: LoadingEngine, rows: Sequence[Any], gate: Path | None = None) -> Running:
        settings = load_settings()
        request = RetrainRequest(behaviour, (Path("rows.jsonl"),), gate=gate)
        plan = freeze_plan(settings, request, today=date(2026, 11, 25))
        rerank = behaviour is Behaviour.RERANK
        adapters = adapters_of(settings, engine, model, lambda text: None, tries_rerankers=rerank)
        bench, told = make_bench(engine, ReadableEncoder(), adapters.rerankers), list[tuple[int, int]]()
        source = write_source(tmp_path / "trained")
        held: Any = Rows(rows)
        running = calibrated(
            bench, adapters, plan, held, source, progress=lambda stage, done, total: told.append((done, total))
        )
        assert told[-1] == (len(rows), len(rows))
        return running

    return run


def citing() -> CitationRow:
    start = TEXT.index(GOLD)
    cited = RowCitation(passage_id="p", start=start, end=start + len(GOLD))
    answer = (AnswerSentence(text=GOLD, citations=(cited,)),)
    return CitationRow(question="When do backups of the gateway run?", passages=(PASSAGE,), answer=answer)


def test_a_preference_that_finds_the_right_sentence_is_weighed_and_needs_no_margin(calibrate: Calibrate) -> None:
    running = calibrate(Behaviour.CITATION, LikingEngine(GOLD), [citing()] * 4)
    assert running.calibration.keys() == {"preference", "margin"}
    assert running.calibration["preference"] > 0
    assert running.calibration["preference"] == float(f"{running.calibration['preference']:.3g}")
    assert running.calibration["margin"] == 0


@pytest.mark.parametrize(("liked", "too_long"), [("Nobody knows why.", False), (GOLD, True)], ids=["no help", "no row"])
def test_a_preference_of_which_nothing_is_known_leaves_the_margin_of_serving(
    calibrate: Calibrate, liked: str, too_long: bool
) -> None:
    engine = LikingEngine(liked)
    engine.too_long = too_long
    assert calibrate(Behaviour.CITATION, engine, [citing()] * 4).calibration == {}


class Scoring:
    """A reranker of which the scores are written here, by the id of a passage."""

    def __init__(self, scores: dict[str, float]) -> None:
        self._scores = scores

    def score(self, question: str, passages: Sequence[ContextPassage]) -> list[float]:
        from serving.interface.rerank import parse

        return [parse(self._scores[passage.id]) for passage in passages]


def ranking(relevant: str) -> RerankRow:
    """Search finds `a` first, which holds the words of the question."""
    texts = {"a": "which port does the gateway use", "b": "seven thousand", "c": "Sundays"}
    passages = [RankedPassage(id=name, text=text, relevance=float(name == relevant)) for name, text in texts.items()]
    return RerankRow(question="which port does the gateway use", passages=tuple(passages))


@pytest.fixture
def scoring(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    scores: dict[str, float] = {}
    monkeypatch.setattr("serving.assistant.reranker.open_reranker", lambda *given, **named: Scoring(scores))
    return scores


def test_a_reranker_gets_the_least_weight_that_is_best(calibrate: Calibrate, scoring: dict[str, float]) -> None:
    scoring.update(a=0.0, b=1.0, c=0.0)
    found = calibrate(Behaviour.RERANK, LoadingEngine(), [ranking("b")]).calibration
    assert found.keys() == {"passage_tokens", "weight"}
    assert found["weight"] == 0.4


@pytest.mark.parametrize(("losing", "weight"), [(60, 0.0), (40, 0.4)])
def test_a_reranker_gets_no_more_weight_than_each_large_part_of_the_rows_bears(
    calibrate: Calibrate, scoring: dict[str, float], losing: int, weight: float
) -> None:
    """As the gate will ask; a part of fewer rows than it asks about has no say."""
    scoring.update(a=0.0, b=1.0, c=0.0)
    rows = [*[in_part(ranking("b"), "wins")] * 120, *[in_part(ranking("a"), "loses")] * losing]
    assert calibrate(Behaviour.RERANK, LoadingEngine(), rows).calibration["weight"] == weight


def in_part(row: RerankRow, source: str) -> RerankRow:
    return row.model_copy(update={"origin": Origin(source=source)})


@pytest.mark.parametrize(
    ("number", "rounded"), [(-1.8654224, -1.87), (0.163569, 0.164), (0.9999612, 0.9999612), (0.4, 0.4), (112.0, 112.0)]
)
def test_what_is_calibrated_is_rounded_and_never_to_certainty(number: float, rounded: float) -> None:
    assert _rounded(number) == pytest.approx(rounded, abs=1e-12)
    assert [_rounded(step / 10) for step in range(11)] == [step / 10 for step in range(11)]


def test_where_no_part_may_lose_anything_a_reranker_that_errs_gets_no_weight(
    calibrate: Calibrate, scoring: dict[str, float]
) -> None:
    strict = packaged_thresholds(Behaviour.RERANK).read_text("utf-8").replace("largest_loss: 0.01", "largest_loss: 0.0")
    Path("gate.yaml").write_text(strict, "utf-8")
    scoring.update(a=0.0, b=1.0, c=1.0)
    found = calibrate(Behaviour.RERANK, LoadingEngine(), [in_part(ranking("a"), "loses")] * 60, gate=Path("gate.yaml"))
    assert found.calibration["weight"] == 0.0


def test_a_reranker_that_only_errs_gets_no_weight(calibrate: Calibrate, scoring: dict[str, float]) -> None:
    scoring.update(a=0.0, b=1.0, c=1.0)
    assert calibrate(Behaviour.RERANK, LoadingEngine(), [ranking("a")]).calibration["weight"] == 0.0


def test_a_reranker_whose_scores_are_no_numbers_gets_no_weight_at_all(
    calibrate: Calibrate, scoring: dict[str, float]
) -> None:
    scoring.update(a=math.nan, b=math.nan, c=math.nan)
    with pytest.raises(RowsInvalid, match="none of 1 could be judged"):
        calibrate(Behaviour.RERANK, LoadingEngine(), [ranking("b")])
