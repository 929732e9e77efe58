"""Step five and six: an answer in which every sentence cites its evidence, and the check that the evidence holds.

With an adapter the model writes; each sentence is corrected and checked as soon as it is complete. An answer of which
nothing stands is a refusal. Un-tuned, a small base cites no better than chance, so the answer *is* its evidence, quoted
in the contract's grammar.

An adapter's calibration may hold `preference`, the weight of what it would like beside the evidence, and `margin`
(`choice`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from retrieval.documents import Passage
from serving.assistant.answer import Citation
from serving.assistant.asked import Asked
from serving.assistant.choice import MARGIN, Choice, Option
from serving.assistant.correction import correct
from serving.assistant.evidence import Terms
from serving.assistant.library import Likeness
from serving.assistant.prompting import Prompter
from serving.assistant.query_rewrite import worded
from serving.assistant.quoting import quote_best, scores_as_evidence
from serving.assistant.running import Running
from serving.assistant.support import SUPPORT_THRESHOLD, support
from serving.assistant.trace import Trace
from serving.interface import citation as contract
from serving.interface.behaviours import Behaviour
from serving.interface.citation import CitedSentence
from serving.interface.context import Context, NumberedSentence
from serving.interface.segments import Message, normalise
from serving.interface.turns import Turn

__all__ = ["Supported", "answer_sentences", "cite", "options_of", "written_answer"]

BEGINNING = 2
"""Tokens of a sentence by which an adapter's preference tells it from others."""


@dataclass(frozen=True)
class Supported:
    """A sentence that stood up to the support check."""

    text: str
    numbers: tuple[int, ...]
    support: float
    """How far its evidence supports it, from `SUPPORT_THRESHOLD` to 1."""


def answer_sentences(
    prompter: Prompter,
    running: Running,
    asked: Asked,
    context: Context,
    evidence: Sequence[float],
    terms: Terms,
    on_raw: Callable[[str], None] = lambda text: None,
) -> Iterator[Supported]:
    """The supported sentences of the answer, each as soon as it is complete.

    `evidence` scores the sentences of the context. `on_raw` is told what the model has written so far, uncorrected.
    Raises `QuestionTooLong`.
    """
    if running.tuned:
        written = _complete(_write(prompter, running, asked, context, on_raw), context)
        sentences = correct(written, context, _choice(prompter, running, asked, context, evidence).opening)
    else:
        sentences = iter(quote_best(context, evidence))
    return _supported(sentences, asked.trace, context, terms)


def written_answer(
    prompter: Prompter,
    running: Running,
    question: str,
    history: Sequence[Turn],
    context: Context,
    likeness: Likeness,
) -> tuple[str | None, tuple[CitedSentence, ...]]:
    """What the model wrote, unconstrained (None where none writes), and the sentences that an answer would show.

    The way of `answer_sentences` for a question whose context is given and that nobody has rewritten, to be evaluated.
    Raises `QuestionTooLong`.
    """
    raw: list[str] = [""]
    evidence = scores_as_evidence(worded(question, history, prompter.count), context, likeness)
    shown = answer_sentences(
        prompter, running, _given(question, history), context, evidence, likeness.terms, raw.append
    )
    sentences = tuple(CitedSentence(supported.text, supported.numbers) for supported in shown)
    return (raw[-1] if running.tuned else None), sentences


def options_of(
    prompter: Prompter,
    running: Running,
    question: str,
    history: Sequence[Turn],
    context: Context,
    likeness: Likeness,
) -> list[Option]:
    """What a tuned answer could begin with, as `written_answer` would weigh it: to calibrate the weight."""
    evidence = scores_as_evidence(worded(question, history, prompter.count), context, likeness)
    return _choice(prompter, running, _given(question, history), context, evidence).options()


def cite(supported: Supported, start: int, context: Context, passages: Mapping[str, Passage]) -> list[Citation]:
    """The citations of a sentence that begins at `start` of the answer's text."""
    return [
        _citation(supported, start, passages[numbered.passage_id], numbered)
        for numbered in map(context.sentence, supported.numbers)
    ]


def _given(question: str, history: Sequence[Turn]) -> Asked:
    """A question that nobody waits for."""
    return Asked(question, tuple(history), 0, Trace(lambda: 0.0, None), lambda text: None)


def _choice(prompter: Prompter, running: Running, asked: Asked, context: Context, evidence: Sequence[float]) -> Choice:
    return Choice(
        context,
        evidence,
        lambda sentences: _preference(prompter, running, asked, context, sentences),
        running.calibration.get("preference", 0.0),
        running.calibration.get("margin", MARGIN),
    )


def _preference(
    prompter: Prompter, running: Running, asked: Asked, context: Context, sentences: Sequence[CitedSentence]
) -> Sequence[float]:
    return prompter.score_beginnings(
        _messages(prompter, asked, context),
        [contract.build_target([sentence]) for sentence in sentences],
        tokens=BEGINNING,
        adapter=running.adapter(Behaviour.CITATION),
    )


def _supported(sentences: Iterator[CitedSentence], trace: Trace, context: Context, terms: Terms) -> Iterator[Supported]:
    while True:
        with trace.stage("answer"):
            sentence = next(sentences, None)
        if sentence is None:
            return
        with trace.stage("support"):
            value = support(sentence.text, [context.sentence(n).shown for n in sentence.numbers], terms)
        if value >= SUPPORT_THRESHOLD:
            yield Supported(sentence.text, sentence.numbers, round(value, 3))


def _write(
    prompter: Prompter, running: Running, asked: Asked, context: Context, on_raw: Callable[[str], None]
) -> Iterator[str]:
    """The growing text of the model."""
    for text in prompter.write(
        _messages(prompter, asked, context),
        adapter=running.adapter(Behaviour.CITATION),
        max_new_tokens=contract.OUTPUT_TOKENS,
        seed=asked.seed,
    ):
        on_raw(text)
        yield text


def _messages(prompter: Prompter, asked: Asked, context: Context) -> tuple[Message, ...]:
    return contract.build_messages(asked.question, context, asked.history, count=prompter.count)


def _complete(texts: Iterable[str], context: Context) -> Iterator[CitedSentence]:
    """The sentences of a growing text; what is uncited, says nothing, or cites a number not shown is left out."""
    done = 0
    sentences: tuple[CitedSentence, ...] = ()
    for text in texts:
        sentences, rest = contract.read_cited(text)
        if rest.strip().strip("[0123456789"):  # the next sentence has begun, so no marker can follow the last
            yield from _known(sentences[done:], context)
            done = len(sentences)
    yield from _known(sentences[done:], context)


def _citation(supported: Supported, at: int, passage: Passage, evidence: NumberedSentence) -> Citation:
    return Citation(
        answer_start=at,
        answer_end=at + len(supported.text),
        document_id=passage.document_id,
        uri=passage.uri,
        title=passage.title,
        passage_id=passage.id,
        source_start=passage.start + evidence.start,
        source_end=passage.start + evidence.end,
        quote=passage.text[evidence.start : evidence.end],
        support=supported.support,
    )


def _known(sentences: Sequence[CitedSentence], context: Context) -> Iterator[CitedSentence]:
    shown = range(1, len(context.sentences) + 1)
    return (s for s in sentences if normalise(s.text) and all(n in shown for n in s.numbers))
