"""Retraining of refusal on the project's own rows, with an engine that a test can read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any

from flows.production import open_registry
from flows.retrain_adapter import Retrained, retrain_adapter
from flows.retrain_plan import RetrainRequest
from flows.settings import load_settings
from serving.assistant.engine import ScoreRequest
from serving.assistant.errors import PromptTooLong
from serving.interface.behaviours import Behaviour
from serving.interface.refusal import TASK
from serving.interface.standalone import wordings
from serving.registry.manifest import AdapterManifest
from tests.architecture.tree import ROOT
from tests.flows.fake_models import LoadingEngine
from tests.serving.registry.made_adapters import NOON
from tuning.rows import RefusalRow, read_rows

REFUSAL = Behaviour.REFUSAL
OWN_ROWS = ROOT / "tests" / "rows" / "refusal.jsonl"
GATE = Path("gate.yaml")
YES, NO = (0.0, -9.0, -9.0), (-9.0, 0.0, -9.0)


class Killed(BaseException):
    """Nothing in the code may catch it, as nothing catches a kill."""


def letters(text: str) -> str:
    return re.sub(r"\W+", "", text)


class Skill(StrEnum):
    """What an adapter does in this engine."""

    READS = "says yes where the passage that answers is shown"
    REMEMBERS = "says yes to questions that some passage answers, whichever is shown"
    NOTHING = "says yes, as the engine does without one"


class ReadingEngine(LoadingEngine):
    """Judges the project's own rows."""

    def __init__(self) -> None:
        super().__init__()
        self.skill, self.too_long = Skill.READS, ""
        self.asked: list[ScoreRequest] = []
        self.killed_after: int | None = None
        self.answering: dict[str, list[str]] = {}
        for row in read_rows(OWN_ROWS, RefusalRow):
            texts = [letters(p.text)[:80] for p in row.passages if p.id == row.answering]
            for asked in wordings(row.question, row.history, len):
                self.answering.setdefault(letters(asked), []).extend(texts)

    def score(self, requests: Sequence[ScoreRequest]) -> list[tuple[float, ...]]:
        if self.killed_after is not None and len(self.asked) >= self.killed_after:
            raise Killed
        scores = [self.judge(self.prompt(request), tuned=request.adapter is not None) for request in requests]
        self.asked += requests
        return scores

    def judge(self, prompt: str, *, tuned: bool) -> tuple[float, ...]:
        asked = letters(prompt.split("Question:")[-1].split(TASK)[0])
        if asked == self.too_long:
            raise PromptTooLong("It needs 9000 tokens.", remedy="none")
        if not tuned or self.skill is Skill.NOTHING:
            return YES
        known = self.answering[asked]
        return YES if any(self.skill is Skill.REMEMBERS or text in letters(prompt) for text in known) else NO


def retrain(**asked: Any) -> Retrained:
    request = RetrainRequest(**{"behaviour": REFUSAL, "data": (OWN_ROWS,), "gate": GATE} | asked)
    return retrain_adapter(load_settings(), request, clock=lambda: NOON)


def registered() -> list[AdapterManifest | None]:
    return [listed.manifest for listed in open_registry(load_settings()).store.list()]


def served() -> str:
    return open_registry(load_settings()).value(REFUSAL)


def other_gate() -> Path:
    text = GATE.read_text("utf-8")
    assert "budget: 0.4," in text
    Path("other.yaml").write_text(text.replace("budget: 0.4,", "budget: 0.41,"), "utf-8")
    return Path("other.yaml")
