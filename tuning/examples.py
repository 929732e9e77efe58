"""From rows to token ids, by the contract's own functions: what is trained on is what will be served.

    built = build_examples(rows, template, tokenizer)

Left out and counted by reason is what serving would not show or let be written: a passage to be judged that is cut, an
answer of which a sentence lost all its evidence to the budget, a target that is too long. Passages of an answer that
are cut behind its evidence are trained on as they are served, cut.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial

from serving.interface import citation, query_rewrite, refusal
from serving.interface.citation import CitedSentence
from serving.interface.context import Context, ContextPassage, build_context, passage_segments
from serving.interface.errors import ContractError, TemplateUnusable
from serving.interface.refusal import Answerability
from serving.interface.segments import Message, Tokenizer
from serving.interface.standalone import wordings
from serving.interface.template import ChatTemplate, completion_ids, prompt_ids
from serving.interface.turns import CountTokens
from tuning.packing import Example
from tuning.rows import CitationRow, QueryRewriteRow, RefusalRow, RowCitation

__all__ = ["Built", "build_examples"]

_WHOLE = 1_000_000
"""Tokens: a budget that cuts nothing."""


@dataclass(frozen=True)
class Built:
    """Examples in the order of their rows, and how many rows (or passages of rows) were left out, by reason."""

    examples: tuple[Example, ...]
    left_out: Mapping[str, int]


_REASONS = {
    "contract": "the target does not fit the contract",
    "question_too_long": "the question is longer than serving takes",
}
"""Of the contract's errors, whose messages hold numbers that differ from row to row."""


class _LeftOut(Exception):
    """A row, or a passage of it, that cannot be trained on as it will be served."""


@dataclass(frozen=True)
class _Writer:
    template: ChatTemplate
    tokenizer: Tokenizer
    count: CountTokens
    context: Callable[[tuple[ContextPassage, ...]], Context]

    def example(self, messages: Sequence[Message], target: str, limit: int | None = None) -> Example:
        completion = completion_ids(target, self.template, self.tokenizer)
        if limit is not None and len(completion) > limit:
            raise _LeftOut("the target is longer than serving lets a model write")
        return Example(tuple(prompt_ids(messages, self.template, self.tokenizer)), tuple(completion))


Row = QueryRewriteRow | RefusalRow | CitationRow


def build_examples(rows: Sequence[Row], template: ChatTemplate, tokenizer: Tokenizer) -> Built:
    """The examples of rows of one generative behaviour. Raises TemplateUnusable, which is no fault of a row."""
    writer = _writer(template, tokenizer)
    examples: list[Example] = []
    left_out: Counter[str] = Counter()
    for row in rows:
        for make in _examples_of(row, writer):
            try:
                examples.append(make())
            except TemplateUnusable:
                raise
            except (_LeftOut, ContractError) as why:
                left_out[_REASONS.get(type(why).kind, str(why)) if isinstance(why, ContractError) else str(why)] += 1
    return Built(tuple(examples), dict(left_out))


def _writer(template: ChatTemplate, tokenizer: Tokenizer) -> _Writer:
    count = lru_cache(maxsize=65536)(lambda text: len(tokenizer.encode_data(text)))
    context = lru_cache(maxsize=64)(lambda passages: build_context(passages, count))
    return _Writer(template, tokenizer, count, context)


def _examples_of(row: Row, writer: _Writer) -> Iterator[Callable[[], Example]]:
    if isinstance(row, QueryRewriteRow):
        yield partial(_rewrite, row, writer)
    elif isinstance(row, CitationRow):
        yield partial(_citation, row, writer)
    else:
        for passage in row.passages:
            yield partial(_refusal, row, passage, writer)


def _rewrite(row: QueryRewriteRow, writer: _Writer) -> Example:
    messages = query_rewrite.build_messages(row.question, row.history, count=writer.count)
    return writer.example(messages, query_rewrite.build_target(row.rewrite), query_rewrite.OUTPUT_TOKENS)


def _refusal(row: RefusalRow, passage: ContextPassage, writer: _Writer) -> Example:
    """One passage of a row: serving judges each alone."""
    if passage_segments(passage, writer.count) != passage_segments(passage, writer.count, _WHOLE):
        raise _LeftOut("the passage is longer than serving shows")
    question = wordings(row.question, row.history, writer.count)[-1]
    messages = refusal.build_messages(question, passage, count=writer.count)
    example = writer.example(messages, refusal.build_target(_label(row, passage)))
    choices = tuple(writer.tokenizer.encode_data(word)[0] for word in refusal.LABELS.values())
    return Example(example.prompt, example.completion, choices)


def _label(row: RefusalRow, passage: ContextPassage) -> Answerability:
    if row.label is not Answerability.ANSWERABLE or len(row.passages) == 1:
        return row.label
    if row.answering is None:
        raise _LeftOut("the row does not say which of its passages answers")
    return Answerability.ANSWERABLE if passage.id == row.answering else Answerability.UNANSWERABLE


def _citation(row: CitationRow, writer: _Writer) -> Example:
    context = writer.context(row.passages)
    cited = [CitedSentence(sentence.text, _numbers(sentence.citations, context)) for sentence in row.answer]
    messages = citation.build_messages(row.question, context, row.history, count=writer.count)
    return writer.example(messages, citation.build_target(cited), citation.OUTPUT_TOKENS)


def _numbers(citations: Sequence[RowCitation], context: Context) -> tuple[int, ...]:
    found = [context.numbers(c.passage_id, c.start, c.end) for c in citations]
    if not all(found):
        raise _LeftOut("the evidence lies beyond what serving shows")
    return tuple(dict.fromkeys(number for numbers in found for number in numbers))
