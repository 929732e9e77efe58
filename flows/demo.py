"""The main job once: a folder goes in, three answers come out, and each is held to what it promises.

    result = run_demo(load_settings(), "docs", console, with_flow=True)
    result.unmet        # what was not as promised; empty when all is well

One question the documents answer, one that makes sense only after it, one they do not answer; all made from the
folder's own headings (`flows.demo_questions`). Works for any folder with headings and prose.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from flows import answers
from flows.demo_checks import Evidence, unmet_by_answer, unmet_by_follow_up, unmet_by_refusal
from flows.demo_questions import HeadingQuestion, first_questions, follow_ups, foreign_question, heading_of
from flows.sources import choose_sources, renamed
from flows.wiring import AnswerDesk, open_assistant

if TYPE_CHECKING:
    from flows.console import Console
    from flows.settings import Settings
    from retrieval.documents import Hit, Passage
    from retrieval.search import Mode
    from retrieval.sources.folder import FolderSource
    from serving.assistant.answer import Answer

__all__ = ["DemoAnswer", "DemoResult", "run_demo"]

_TRIED = 40
"""Headings for which it is looked up whether search finds their own document first."""


@dataclass(frozen=True)
class DemoAnswer:
    """One question, its answer, and what was not as promised."""

    purpose: str
    question: str
    answer: Answer
    unmet: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """JSON-compatible; `answer` is as `ask --json` gives it."""
        answer = self.answer.model_dump(mode="json")
        return {"purpose": self.purpose, "question": self.question, "answer": answer, "unmet": list(self.unmet)}

    def as_text(self) -> str:
        """Question, answer, quotes with document and position, stage timings."""
        lines = [f"\n{self.purpose}:", f"> {self.question}", "", self.answer.text, "", answers.evidence(self.answer)]
        return "\n".join([*lines, f"Stages: {answers.timings(self.answer)}"])


@dataclass(frozen=True)
class DemoResult:
    """The refresh and the three answers."""

    refreshed: dict[str, Any]
    answers: tuple[DemoAnswer, ...]

    @property
    def unmet(self) -> list[str]:
        """Everything that was not as promised, in words."""
        return [f"{answer.purpose}: {unmet}" for answer in self.answers for unmet in answer.unmet]

    def as_json(self) -> dict[str, Any]:
        """JSON-compatible."""
        shown = [answer.as_json() for answer in self.answers]
        versions = self.answers[0].answer.versions.model_dump(mode="json")
        return {"refresh": self.refreshed, "answers": shown, "versions": versions, "unmet": self.unmet}

    def verdict(self) -> str:
        """The versions, and whether all is as promised."""
        versions = answers.versions(self.answers[0].answer.versions)
        if self.unmet:
            return "\n".join(["", versions, "Not as promised:", *(f"  {unmet}" for unmet in self.unmet)])
        return f"\n{versions}\nAll three answers are as promised, and every quote stands where it says."


def run_demo(settings: Settings, given: str, console: Console, *, with_flow: bool) -> DemoResult:
    """Refreshes, asks, checks; shows each answer as it comes. Raises what the steps raise, NothingToAsk too."""
    source, refreshed = _refresh(settings, given, console, with_flow)
    console.say(_introduced(source, refreshed))
    with open_assistant(settings, console.note) as desk:
        asked = []
        evidence = Evidence(settings.index_root, settings.texts_root, source)
        for answer in _conversation(desk, evidence, settings.seed, console.stage):
            console.say(answer.as_text())
            asked.append(answer)
    return DemoResult(refreshed, tuple(asked))


def _refresh(settings: Settings, given: str, console: Console, with_flow: bool) -> tuple[FolderSource, dict[str, Any]]:
    """A folder whose name another one has in this index goes by a name of its own, the same each time."""
    from retrieval.errors import SourceNameTaken

    (source,) = choose_sources(settings, [given])
    try:
        return source, _refresh_one(settings, source, console, with_flow)
    except SourceNameTaken:
        source = renamed(source)
        return source, _refresh_one(settings, source, console, with_flow)


def _refresh_one(settings: Settings, source: FolderSource, console: Console, with_flow: bool) -> dict[str, Any]:
    sources = [f"{source.name}={source.root}"]
    if with_flow:
        from flows.scheduled.run import run_refresh_flow

        console.note("Refreshing the index as a Prefect flow; its temporary server takes about 20 seconds to start.")
        return run_refresh_flow(settings, sources, console.progress)
    from flows.refresh_index import refresh_index

    return refresh_index(settings, sources, say=console.note, progress=console.progress).as_json()


def _introduced(source: FolderSource, refreshed: dict[str, Any]) -> str:
    from flows.refresh_index import as_text

    how = f"Prefect flow run {refreshed['flow_run']}" if "flow_run" in refreshed else "refreshed directly"
    return f"Source {source.name} ({source.root}), {how}.\n{as_text(refreshed)}"


def _conversation(
    desk: AnswerDesk, evidence: Evidence, seed: int, on_stage: Callable[[str], None]
) -> Iterator[DemoAnswer]:
    """The three questions, asked one after the other; the second with the first as its conversation."""
    from serving.interface.turns import Turn

    ask = partial(desk.assistant.answer, seed=seed, on_stage=on_stage)
    passages = _passages(desk, evidence.source)
    first = _first(desk, passages)
    answer = ask(first.question)
    unmet = unmet_by_answer(answer, evidence)
    yield DemoAnswer("A question the documents answer", first.question, answer, unmet)

    history = [Turn(role="user", content=first.question), Turn(role="assistant", content=answer.text)]
    second = _second(desk, passages, first).question
    answer = ask(second, history=history)
    unmet = unmet_by_follow_up(answer, second, history, evidence)
    yield DemoAnswer("A follow-up that leans on the conversation", second, answer, unmet)

    third = foreign_question(lambda question: bool(_found(desk, question, "bm25")))
    answer = ask(third)
    yield DemoAnswer("A question the documents do not answer", third, answer, unmet_by_refusal(answer))


def _passages(desk: AnswerDesk, source: FolderSource) -> list[Passage]:
    """The source's passages as they are served, by document and position."""
    with desk.search.reader.lease() as lease:
        served = [point.passage for point in lease.store.scroll()]
    own = [passage for passage in served if passage.document_id.startswith(f"{source.name}:")]
    return sorted(own, key=lambda passage: (passage.document_id, passage.start))


def _first(desk: AnswerDesk, passages: Sequence[Passage]) -> HeadingQuestion:
    """The first question for which search finds its own section first, and to which there is a follow-up."""
    candidates = first_questions(passages)
    own = [asked for asked in candidates[:_TRIED] if _finds(desk, asked)]
    leading_on = [asked for asked in own if len(follow_ups(passages, asked)) > 1]
    return next(iter(leading_on + own + candidates))


def _second(desk: AnswerDesk, passages: Sequence[Passage], first: HeadingQuestion) -> HeadingQuestion:
    """The first follow-up for which search finds its own section first, else the first."""
    candidates = follow_ups(passages, first)
    return next((asked for asked in candidates if _finds(desk, asked)), candidates[0])


def _finds(desk: AnswerDesk, asked: HeadingQuestion) -> bool:
    """Whether search puts a passage below the very heading first."""
    best = [hit.passage for hit in _found(desk, asked.question, "hybrid")]
    return [(p.document_id, heading_of(p)) for p in best] == [(asked.document_id, asked.heading)]


def _found(desk: AnswerDesk, text: str, mode: Mode) -> list[Hit]:
    from retrieval.search import search

    return search(desk.search.reader, desk.search.encoder, text, top_k=1, mode=mode)
