"""Citation: does an answer keep its form, do its citations resolve, is its evidence right, does it say the right thing?

Measured twice: on the sentences that would be shown, after the pipeline's corrections, and as `raw_...` on what the
model wrote. Format is always that of the raw text, unconstrained. Whether citations resolve is recomputed here from the
row's own passage texts: numbers are read by a pattern of this module's own and each is looked up as a slice of its
passage, so that a fault of the contract's parser cannot hide itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from serving.interface import citation as contract
from serving.interface.context import Context
from serving.interface.errors import MalformedOutput
from tuning.errors import NotJudged
from tuning.evaluation import Evaluation, Judged, Metric, Subject, run_rows, summarise
from tuning.metrics.words import answer_words, overlap
from tuning.rows import CitationRow
from tuning.statistics import RESAMPLES
from tuning.systems import CitationSystem, Progress, WrittenAnswer

__all__ = ["METRICS", "evaluate_citation", "gold_numbers", "judge_citation"]

_OF_AN_ANSWER = ("citations_resolve", "sentence_correct", "answer_f1", "citations")
METRICS = tuple(Metric(name) for name in ("format_valid", *_OF_AN_ANSWER, *(f"raw_{n}" for n in _OF_AN_ANSWER)))

_BRACKETED = re.compile(r"\[([0-9]+)\]")


def evaluate_citation(
    rows: Sequence[CitationRow],
    system: CitationSystem,
    *,
    seed: int,
    adapter: str = "none",
    progress: Progress | None = None,
    resamples: int = RESAMPLES,
) -> Evaluation:
    """Measures answers. `citations` is their mean number in an answer; the other metrics lie between 0 and 1."""
    outcomes = run_rows(rows, lambda row: judge_citation(row, system(row)), progress=progress)
    return summarise(Subject("citation", adapter), METRICS, outcomes, seed=seed, resamples=resamples)


def judge_citation(row: CitationRow, written: WrittenAnswer) -> Judged:
    """What an answer earns. Raises NotJudged when no gold sentence was shown to the model.

    A refusal has no citation that could resolve or not, and no right sentence: 0. Where no model writes there is no raw
    text to judge.
    """
    gold = gold_numbers(row, written.context)
    if not gold:
        raise NotJudged("no sentence of the gold answer fits into the prompt")
    numbers = [number for sentence in written.sentences for number in sentence.numbers]
    text = " ".join(sentence.text for sentence in written.sentences)
    values = _values(row, written.context, gold, numbers, text)
    counts = [] if written.sentences else ["refused"]
    if written.raw is not None:
        values |= _raw_values(row, written.context, gold, written.raw)
        counts += [] if values["format_valid"] else ["malformed"]
    return Judged(
        values, counts=tuple(counts), shown=f"{row.question} -> {text if written.raw is None else written.raw}"
    )


def _raw_values(row: CitationRow, context: Context, gold: frozenset[int], raw: str) -> dict[str, float]:
    numbers = [int(number) for number in _BRACKETED.findall(raw)]
    values = _values(row, context, gold, numbers, _BRACKETED.sub(" ", raw))
    return {"format_valid": float(_is_valid(raw, context)), **{f"raw_{name}": value for name, value in values.items()}}


def _values(
    row: CitationRow, context: Context, gold: frozenset[int], numbers: Sequence[int], text: str
) -> dict[str, float]:
    wanted = answer_words(" ".join(sentence.text for sentence in row.answer))
    values = {
        "sentence_correct": float(bool(numbers) and numbers[0] in gold),
        "answer_f1": overlap(answer_words(text), wanted).f1,
        "citations": float(len(numbers)),
    }
    if numbers:
        texts = {passage.id: passage.text for passage in row.passages}
        values["citations_resolve"] = float(all(_resolves(number, context, texts) for number in numbers))
    return values


def gold_numbers(row: CitationRow, context: Context) -> frozenset[int]:
    """Numbers of the shown sentences that share a code point with a citation of the gold answer."""
    return frozenset(
        shown.number
        for shown in context.sentences
        for sentence in row.answer
        for cited in sentence.citations
        if cited.passage_id == shown.passage_id and cited.start < shown.end and shown.start < cited.end
    )


def _is_valid(raw: str, context: Context) -> bool:
    try:
        contract.parse(raw, context)
    except MalformedOutput:
        return False
    return True


def _resolves(number: int, context: Context, texts: Mapping[str, str]) -> bool:
    """Whether `[number]` stands for a slice of a passage of the row, and that slice for what the model was shown."""
    named = [sentence for sentence in context.sentences if sentence.number == number]
    if len(named) != 1 or named[0].passage_id not in texts:
        return False
    text, start, end = texts[named[0].passage_id], named[0].start, named[0].end
    return 0 <= start < end <= len(text) and _is_read_from(named[0].shown, text[start:end])


def _is_read_from(shown: str, source: str) -> bool:
    """Whether every letter and digit that is shown stands in the source in this order; markup may be left out."""
    letters = iter(source)
    return all(letter in letters for letter in shown if letter.isalnum())
