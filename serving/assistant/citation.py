"""Step five and six: an answer in which every sentence cites its evidence, and the check that the evidence holds.

With an adapter the model writes, and each sentence is checked as soon as it is complete. Un-tuned, a small base cites
no better than chance, so the answer *is* its evidence: the best-scoring sentences, quoted in the contract's grammar.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from retrieval.documents import Passage
from serving.assistant.answer import Citation
from serving.assistant.asked import Asked
from serving.assistant.evidence import pick, score_sentences
from serving.assistant.library import Library, Query
from serving.assistant.prompting import Prompter
from serving.assistant.running import Running
from serving.assistant.support import SUPPORT_THRESHOLD, support
from serving.interface import citation as contract
from serving.interface.behaviours import Behaviour
from serving.interface.citation import CitedSentence
from serving.interface.context import Context, NumberedSentence

__all__ = ["Supported", "answer_sentences", "cite", "quote_evidence"]


SELDOM_ALONE = 0.7
"""Factor on the scores of code, rows of tables and sentences of under `FEWEST_WORDS`: they hold words of the question
but seldom answer alone; what announces code brings it along."""
FEWEST_WORDS = 4


@dataclass(frozen=True)
class Supported:
    """A sentence that stood up to the support check."""

    text: str
    numbers: tuple[int, ...]
    support: float
    """How far its evidence supports it, from `SUPPORT_THRESHOLD` to 1."""


def answer_sentences(
    prompter: Prompter, running: Running, asked: Asked, query: Query, context: Context, library: Library
) -> Iterator[Supported]:
    """The supported sentences of the answer, each as soon as it is complete. Raises `QuestionTooLong`."""
    sentences = _write(prompter, running, asked, context) if running.tuned else _quote(query, context, library)
    while True:
        with asked.trace.stage("answer"):
            sentence = next(sentences, None)
        if sentence is None:
            return
        with asked.trace.stage("support"):
            value = support(sentence.text, [context.sentence(n).shown for n in sentence.numbers], library.terms)
        if value >= SUPPORT_THRESHOLD:
            yield Supported(sentence.text, sentence.numbers, round(value, 3))


def quote_evidence(query: Query, context: Context, library: Library) -> tuple[CitedSentence, ...]:
    """The un-tuned answer: the sentences that score best as evidence, quoted, in reading order."""
    shown = [sentence.shown for sentence in context.sentences]
    scores = [0.0] * len(shown)
    for text, weight in query.searches:
        found = score_sentences(text, shown, library.similarity(text, shown), library.terms)
        scores = [score + weight * more for score, more in zip(scores, found, strict=True)]
    scores = [score * _readable(sentence) for score, sentence in zip(scores, context.sentences, strict=True)]
    chosen = pick(scores, lambda i: _introduces(context, i))
    if not chosen:
        return ()
    quoted = [CitedSentence(shown[i], (i + 1,)) for i in chosen]
    return contract.parse(contract.build_target(quoted), context)


def cite(supported: Supported, start: int, context: Context, passages: Mapping[str, Passage]) -> list[Citation]:
    """The citations of a sentence that begins at `start` of the answer's text."""
    return [
        _citation(supported, start, passages[numbered.passage_id], numbered.start, numbered.end)
        for numbered in map(context.sentence, supported.numbers)
    ]


def _quote(query: Query, context: Context, library: Library) -> Iterator[CitedSentence]:
    yield from quote_evidence(query, context, library)


def _write(prompter: Prompter, running: Running, asked: Asked, context: Context) -> Iterator[CitedSentence]:
    """The model's sentences; what it leaves uncited, or cites by a number that was not shown, is left out."""
    done = 0
    sentences: tuple[CitedSentence, ...] = ()
    for text in prompter.write(
        contract.build_messages(asked.question, context, asked.history, count=prompter.count),
        adapter=running.adapter(Behaviour.CITATION),
        max_new_tokens=contract.OUTPUT_TOKENS,
        seed=asked.seed,
    ):
        sentences, rest = contract.read_cited(text)
        if rest.strip().strip("[0123456789"):  # the next sentence has begun, so no marker can follow the last
            yield from _known(sentences[done:], context)
            done = len(sentences)
    yield from _known(sentences[done:], context)


def _citation(supported: Supported, at: int, passage: Passage, start: int, end: int) -> Citation:
    return Citation(
        answer_start=at,
        answer_end=at + len(supported.text),
        document_id=passage.document_id,
        uri=passage.uri,
        title=passage.title,
        passage_id=passage.id,
        source_start=passage.start + start,
        source_end=passage.start + end,
        quote=passage.text[start:end],
        support=supported.support,
    )


def _known(sentences: Sequence[CitedSentence], context: Context) -> Iterator[CitedSentence]:
    return (s for s in sentences if all(1 <= n <= len(context.sentences) for n in s.numbers))


def _readable(sentence: NumberedSentence) -> float:
    alone = sentence.kind == "prose" and len(sentence.shown.split()) >= FEWEST_WORDS
    return 1.0 if alone else SELDOM_ALONE


def _introduces(context: Context, index: int) -> bool:
    """Whether a sentence announces the next one of its passage, as before a code block."""
    here, *following = context.sentences[index : index + 2]
    return here.shown.endswith(":") and any(next_.passage_id == here.passage_id for next_ in following)
