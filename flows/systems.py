"""From an open engine to what is measured: each system runs the step that answers a user's question, on a row.

    bench = make_bench(engine, encoder, rerankers)
    evaluate_refusal(rows, refusal_system(bench, Running("few_shot")), threshold=SERVED_THRESHOLD, seed=0)

A `Running` names what a system is made of: `few_shot` or `prompt`, or the version of an adapter that the engine holds
as `<behaviour>@<version>`. What a system writes for a row is what `serving.assistant` would write for a user who asks
this and is shown these passages; a prompt too long for the base model makes a row that cannot be judged.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from serving.interface.context import ContextPassage

if TYPE_CHECKING:
    from flows.rerankers import Rerankers
    from retrieval.documents import Passage
    from retrieval.encoding import DenseEncoder
    from serving.assistant.engine import Engine
    from serving.assistant.library import Likeness
    from serving.assistant.pipeline import Assistant
    from serving.assistant.prompting import Prompter
    from serving.assistant.refusal import Signals
    from serving.assistant.reranker import Reranker
    from serving.assistant.running import Running
    from serving.interface.refusal import Judgement
    from tuning.rows import AssistantRow, CitationRow, QueryRewriteRow, RefusalRow, RerankRow
    from tuning.systems import AssistantSystem, CitationSystem, RefusalSystem, Reply, RerankSystem, RewriteSystem

__all__ = [
    "SERVED_THRESHOLD",
    "Bench",
    "Choices",
    "assistant_system",
    "choice_system",
    "citation_system",
    "found_order",
    "make_bench",
    "odds_system",
    "refusal_system",
    "relevance",
    "rerank_system",
    "reranked_system",
    "rewrite_system",
    "signals_of",
]

SERVED_THRESHOLD = 0.5
"""Of the judgements of `refusal_system`, which carry the adapter's own threshold already."""

Row = TypeVar("Row")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Bench:
    """What systems are made of: the base model with its adapters, and retrieval's measures of likeness."""

    engine: Engine
    prompter: Prompter
    likeness: Likeness
    encoder: DenseEncoder
    rerankers: Rerankers


@dataclass(frozen=True)
class Choices:
    """What an answer to a row could begin with."""

    options: Sequence[tuple[float, float]]
    """Evidence and preference of each."""
    right: Collection[int]
    """Places of those that answer."""


def make_bench(engine: Engine, encoder: DenseEncoder, rerankers: Rerankers) -> Bench:
    """A bench over an open engine and the rerankers beside it."""
    from serving.assistant.library import EncodedLikeness
    from serving.assistant.prompting import Prompter

    return Bench(engine, Prompter(engine), EncodedLikeness(encoder), encoder, rerankers)


def rewrite_system(bench: Bench, running: Running, *, seed: int = 0) -> RewriteSystem:
    """The text that the model writes for a conversation, as it writes it."""
    from serving.assistant.query_rewrite import write_raw

    def write(row: QueryRewriteRow) -> str:
        return write_raw(bench.prompter, running, row.question, row.history, seed=seed)

    return _judgeable(write)


def odds_system(bench: Bench, running: Running) -> RefusalSystem:
    """The model's own odds, pooled over the passages: what a threshold is chosen on."""
    from serving.assistant.refusal import judge_passages

    def judge(row: RefusalRow) -> Judgement:
        return judge_passages(bench.prompter, running, row.question, row.passages, row.history)

    return _judgeable(judge)


def refusal_system(bench: Bench, running: Running) -> RefusalSystem:
    """The judgement that is served, at `SERVED_THRESHOLD`: the odds, and the signals of retrieval beside them.

    Raises `CalibrationMissing` for an adapter without a threshold.
    """
    from serving.assistant.refusal import calibrate, calibration

    odds, by = odds_system(bench, running), calibration(running)
    return lambda row: calibrate(odds(row), signals_of(bench, row), by)


def citation_system(bench: Bench, running: Running) -> CitationSystem:
    """The answer as the model wrote it, and as it would be shown: corrected, and each sentence checked for support."""
    from serving.assistant.citation import written_answer
    from serving.interface.context import build_context
    from tuning.systems import WrittenAnswer

    def answer(row: CitationRow) -> WrittenAnswer:
        context = build_context(row.passages, bench.prompter.count)
        raw, sentences = written_answer(bench.prompter, running, row.question, row.history, context, bench.likeness)
        return WrittenAnswer(raw, sentences, context)

    return _judgeable(answer)


def choice_system(bench: Bench, running: Running) -> Callable[[CitationRow], Choices]:
    """What an answer could begin with, and which of that is right."""
    from serving.assistant.citation import options_of
    from serving.interface.context import build_context
    from tuning.metrics.citation import gold_numbers

    def choose(row: CitationRow) -> Choices:
        context = build_context(row.passages, bench.prompter.count)
        found = options_of(bench.prompter, running, row.question, row.history, context, bench.likeness)
        gold = gold_numbers(row, context)
        return Choices(
            [(option.evidence, option.preference) for option in found],
            {place for place, option in enumerate(found) if option.number in gold},
        )

    return _judgeable(choose)


def rerank_system(bench: Bench, running: Running) -> RerankSystem:
    """The order in which a row's passages would be shown: that of hybrid search, which a reranker may change.

    Raises `CalibrationMissing` for a reranker without `weight`.
    """
    found, reranker = found_order(bench), bench.rerankers.of(running)
    if reranker is None:
        return lambda row: _places(found(row))(row)
    (weight,) = running.calibrated("weight")
    return reranked_system(found, relevance(reranker), weight)


def found_order(bench: Bench) -> Callable[[RerankRow], tuple[ContextPassage, ...]]:
    """A row's passages in the order of hybrid search, best first; equal ones by id."""
    from retrieval.in_memory import score_passages

    def order(row: RerankRow) -> tuple[ContextPassage, ...]:
        passages = [ContextPassage(**passage.model_dump(exclude={"relevance"})) for passage in row.passages]
        scores = score_passages(bench.encoder, row.question, [_as_indexed(passage) for passage in passages])
        ranked = sorted(zip(scores, passages, strict=True), key=lambda pair: (-pair[0], pair[1].id))
        return tuple(passage for _, passage in ranked)

    return order


def relevance(reranker: Reranker) -> Callable[[str, tuple[ContextPassage, ...]], tuple[float, ...]]:
    """What a reranker says of passages, in their order."""
    return lambda question, passages: tuple(reranker.score(question, passages))


def reranked_system(
    found: Callable[[RerankRow], tuple[ContextPassage, ...]],
    scored: Callable[[str, tuple[ContextPassage, ...]], tuple[float, ...]],
    weight: float,
) -> RerankSystem:
    """The order found, changed by relevance of this weight."""
    from serving.assistant.reranker import rerank

    def score(row: RerankRow) -> Sequence[float]:
        shown = found(row)
        places = rerank([passage.id for passage in shown], scored(row.question, shown), weight)
        return _places([shown[place] for place in places])(row)

    return _judgeable(score)


def assistant_system(assistant: Assistant, *, seed: int = 0) -> AssistantSystem:
    """The whole way of a question, from rewriting to the checked answer."""

    from tuning.systems import Reply

    def ask(row: AssistantRow) -> Reply:
        found: list[str] = []
        answer = assistant.answer(
            row.question,
            history=row.history,
            seed=seed,
            on_found=lambda passages: found.extend(passage.uri for passage in passages),
        )
        cited = dict.fromkeys(citation.uri for citation in answer.citations)
        return Reply(answer.refused, tuple(cited), tuple(dict.fromkeys(found)))

    return _judgeable(ask)


def _judgeable(system: Callable[[Row], Result]) -> Callable[[Row], Result]:
    """A row that the base model cannot take is not judged, nor is one of which a reranker makes no number."""
    from serving.assistant.errors import PromptTooLong
    from serving.interface.errors import MalformedOutput
    from tuning.errors import NotJudged

    @functools.wraps(system)
    def judged(row: Row) -> Result:
        try:
            return system(row)
        except (PromptTooLong, MalformedOutput) as cause:
            raise NotJudged(str(cause)) from cause

    return judged


def signals_of(bench: Bench, row: RefusalRow) -> Signals:
    """The signals that retrieval would give, had it found the row's passages and nobody rewritten the question."""
    from serving.assistant.library import Shelf
    from serving.assistant.query_rewrite import worded
    from serving.assistant.refusal import signals
    from serving.assistant.shown import Found

    texts = [_as_indexed(passage).embedded_text for passage in row.passages]
    query = worded(row.question, row.history, bench.prompter.count)
    shelf = Shelf(generation=0, hits=(), cosines=tuple(bench.likeness.similarity(query.searches[0][0], texts)))
    return signals(query, Found(shelf, row.passages), bench.likeness)


def _places(order: Sequence[ContextPassage]) -> Callable[[RerankRow], list[float]]:
    """Scores that put a row's passages into this order: the first is worth most."""
    worth = {passage.id: float(len(order) - place) for place, passage in enumerate(order)}
    return lambda row: [worth[passage.id] for passage in row.passages]


def _as_indexed(passage: ContextPassage) -> Passage:
    """A passage of a row as the index would hold it."""
    from retrieval.documents import Passage

    title, *headings = passage.title.split(" > ")
    return Passage(
        id=passage.id,
        document_id=passage.id,
        uri="",
        title=title,
        heading_path=tuple(headings),
        start=0,
        end=len(passage.text),
        text=passage.text,
        embedded_text=f"{passage.title}\n{passage.text}",
        trust=passage.trust,
    )
