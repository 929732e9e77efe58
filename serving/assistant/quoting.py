"""The answer that needs no writer: the sentences that score best as evidence, quoted in reading order.

It is how citation runs un-tuned; a tuned answer is held against the same scores (`choice`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from serving.assistant.evidence import pick, score_sentences
from serving.assistant.library import Likeness, Query
from serving.interface import citation as contract
from serving.interface.citation import CitedSentence
from serving.interface.context import Context, NumberedSentence

__all__ = ["announces", "quote", "quote_best", "scores_as_evidence"]

SELDOM_ALONE = 0.7
"""Factor on the scores of code, rows of tables and sentences of under `FEWEST_WORDS`: they hold words of the question
but seldom answer alone; what announces code brings it along."""
FEWEST_WORDS = 4


def quote_best(context: Context, scores: Sequence[float]) -> tuple[CitedSentence, ...]:
    """The best sentences by a score of each; none of an empty context, or where even the best scores below 0."""
    return quote(context, pick(scores, lambda index: announces(context, index)))


def scores_as_evidence(query: Query, context: Context, likeness: Likeness) -> list[float]:
    """How well each sentence of the context would answer the query, over all its searches; higher is better."""
    shown = [sentence.shown for sentence in context.sentences]
    scores = [0.0] * len(shown)
    for text, weight in query.searches:
        found = score_sentences(text, shown, likeness.similarity(text, shown), likeness.terms)
        scores = [score + weight * more for score, more in zip(scores, found, strict=True)]
    return [score * _readable(sentence) for score, sentence in zip(scores, context.sentences, strict=True)]


def quote(context: Context, indices: Sequence[int]) -> tuple[CitedSentence, ...]:
    """The sentences at `indices` (0-based) as an answer that cites them, in the contract's grammar.

    What several of them say alike is said once and cites them all.
    """
    if not indices:
        return ()
    places: defaultdict[str, list[int]] = defaultdict(list)
    for index in indices:
        places[context.sentences[index].shown].append(index + 1)
    quoted = [CitedSentence(text, tuple(numbers)) for text, numbers in places.items()]
    return contract.parse(contract.build_target(quoted), context)


def announces(context: Context, index: int) -> bool:
    """Whether a sentence announces the next one of its passage, as before a code block."""
    here, *following = context.sentences[index : index + 2]
    return here.shown.endswith(":") and any(next_.passage_id == here.passage_id for next_ in following)


def _readable(sentence: NumberedSentence) -> float:
    alone = sentence.kind == "prose" and len(sentence.shown.split()) >= FEWEST_WORDS
    return 1.0 if alone else SELDOM_ALONE
