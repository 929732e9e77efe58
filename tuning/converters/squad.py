"""SQuAD 1.1 and 2.0 (Wikipedia paragraphs, CC BY-SA 4.0) to rows of refusal, citation and reranking.

    articles = read_squad(json.loads(text))
    refusal_rows(articles).rows                        # one paragraph: does it answer?
    refusal_rows(articles, passages=5).rows            # the paragraph somewhere among five of its article
    citation_rows(articles, passages=5).rows           # every question of five paragraphs over the same five

The format is in `squad_format`.
"""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

from serving.interface.context import Context, ContextPassage
from serving.interface.refusal import Answerability
from tuning.converters.converted import (
    BLANK,
    Converted,
    LeftOut,
    Part,
    collect,
    draw,
    one_part,
    quoted,
    sentences_of,
)
from tuning.converters.squad_format import (
    Article,
    Place,
    Question,
    paragraphs_of,
    passages_by_article,
    read_squad,
)
from tuning.rows import CitationRow, Origin, RankedPassage, RefusalRow, RerankRow

__all__ = [
    "ORIGIN",
    "Article",
    "Question",
    "citation_rows",
    "read_squad",
    "refusal_rows",
    "rerank_rows",
]

ORIGIN = Origin(source="squad", licence="CC BY-SA 4.0")

_FEW_PARAGRAPHS = LeftOut("its article has too few paragraphs")
_FEW_OTHERS = LeftOut("no other article has enough paragraphs")
_NO_ANSWER = LeftOut("unanswerable")
_NO_SENTENCE = LeftOut("the answer stands in no citable sentence, or not surely in one")


_Find = Callable[[ContextPassage, Question, Context], tuple[int, ...]]
"""From a passage and a question about it to the numbers of the sentences that answer."""


def refusal_rows(
    articles: Sequence[Article],
    *,
    passages: int = 1,
    foreign_share: float = 0.0,
    seed: int = 0,
    part: Part = one_part,
    origin: Origin = ORIGIN,
) -> Converted[RefusalRow]:
    """Each question with its paragraph, for `passages` > 1 at a random place among others of its article.

    For `foreign_share` of the questions, drawn at random, one more row asks the same of paragraphs of another article,
    which do not answer it (slice `foreign`, synthetic).
    """
    places = paragraphs_of(articles)
    return collect(_refusals(places, passages, foreign_share, seed, part, origin))


def citation_rows(
    articles: Sequence[Article],
    *,
    passages: int = 1,
    offsets: bool = True,
    seed: int = 0,
    part: Part = one_part,
    origin: Origin = ORIGIN,
) -> Converted[CitationRow]:
    """Each answerable question with the whole sentences that hold its answer as the answer.

    For `passages` > 1 the paragraphs of all articles of a part are shuffled into groups of that size, and every
    question of a group is asked over the same passages in the same order. Without `offsets` those of the file are not
    relied on (copies of the data exist in which each points to the first place where the answer's words stand):
    questions of which the words do not tell the sentence are left out.
    """
    find = _marked if offsets else _only_sentence
    return collect(_citations(paragraphs_of(articles), passages, find, seed, part, origin))


def rerank_rows(
    articles: Sequence[Article], *, passages: int = 10, seed: int = 0, origin: Origin = ORIGIN
) -> Converted[RerankRow]:
    """Each answerable question with its paragraph (relevance 1) among others of its article (relevance 0)."""
    places = paragraphs_of(articles)
    neighbours = passages_by_article(places)
    return collect(
        _ranking(place, question, neighbours[place.article], passages, seed, origin)
        for place in places
        for question in place.questions
    )


def _refusals(
    places: Sequence[Place], passages: int, foreign_share: float, seed: int, part: Part, origin: Origin
) -> Iterator[RefusalRow | LeftOut]:
    articles = passages_by_article(places)
    roomy: defaultdict[object, list[str]] = defaultdict(list)
    for article, found in articles.items():
        if len(found) >= passages:
            roomy[part(article)].append(article)
    for place in places:
        others = [article for article in roomy[part(place.article)] if article != place.article]
        for question in place.questions:
            if question.blank:
                yield BLANK
                continue
            yield _refusal(place, question, articles[place.article], passages, seed, origin)
            chance = draw(seed, "foreign", question.id)
            if chance.random() < foreign_share:
                shown = chance.sample(articles[chance.choice(others)], passages) if others else []
                yield _foreign(place, question, shown, origin)


def _refusal(
    place: Place, question: Question, article: Sequence[ContextPassage], passages: int, seed: int, origin: Origin
) -> RefusalRow | LeftOut:
    shown = _among(place.passage, article, passages, draw(seed, "among", question.id))
    if shown is None:
        return _FEW_PARAGRAPHS
    return RefusalRow(
        question=question.question,
        passages=tuple(shown),
        label=Answerability.ANSWERABLE if question.answerable else Answerability.UNANSWERABLE,
        answering=place.passage.id if question.answerable else None,
        origin=_origin(origin, place, "single" if passages == 1 else f"among_{passages}"),
    )


def _foreign(place: Place, question: Question, shown: Sequence[ContextPassage], origin: Origin) -> RefusalRow | LeftOut:
    if not shown:
        return _FEW_OTHERS
    return RefusalRow(
        question=question.question,
        passages=tuple(shown),
        label=Answerability.UNANSWERABLE,
        origin=_origin(origin, place, "foreign").model_copy(update={"synthetic": True}),
    )


def _citations(
    places: Sequence[Place], passages: int, find: _Find, seed: int, part: Part, origin: Origin
) -> Iterator[CitationRow | LeftOut]:
    parts: defaultdict[object, list[Place]] = defaultdict(list)
    for place in places:
        parts[part(place.article)].append(place)
    for members in parts.values():
        if len(members) < passages:
            yield from (LeftOut("its part has too few paragraphs") for place in members for _ in place.questions)
            continue
        mixed = members if passages == 1 else sorted(members, key=lambda p: draw(seed, "mix", p.passage.id).random())
        for first in range(0, len(mixed), passages):
            yield from _group_citations(mixed, first, passages, find, seed, origin)


def _group_citations(
    mixed: Sequence[Place], first: int, passages: int, find: _Find, seed: int, origin: Origin
) -> Iterator[CitationRow | LeftOut]:
    """Rows of one group; the last of a part is filled up with the first one's passages, but not their questions."""
    group = list(mixed[first : first + passages])
    shown = [place.passage for place in group] + [place.passage for place in mixed[: passages - len(group)]]
    draw(seed, "order", shown[0].id).shuffle(shown)
    context = sentences_of(shown)
    named = "single" if passages == 1 else f"among_{passages}"
    for place in group:
        for question in place.questions:
            yield _citation(place, question, find, context, shown, _origin(origin, place, named))


def _citation(
    place: Place, question: Question, find: _Find, context: Context, shown: Sequence[ContextPassage], origin: Origin
) -> CitationRow | LeftOut:
    if question.blank:
        return BLANK
    if not question.answerable:
        return _NO_ANSWER
    numbers = find(place.passage, question, context)
    if not numbers:
        return _NO_SENTENCE
    return CitationRow(
        question=question.question, passages=tuple(shown), answer=quoted(context, numbers), origin=origin
    )


def _marked(passage: ContextPassage, question: Question, context: Context) -> tuple[int, ...]:
    """Numbers of the sentences that most annotators' spans touch; of equally many the first annotator's.

    A span that does not hold the words it is said to hold (offsets in bytes, another edition) has no say.
    """
    spans = [(answer.answer_start, answer.answer_start + len(answer.text), answer.text) for answer in question.answers]
    votes = [context.numbers(passage.id, start, end) for start, end, words in spans if passage.text[start:end] == words]
    return max(filter(None, votes), key=votes.count, default=())


def _only_sentence(passage: ContextPassage, question: Question, context: Context) -> tuple[int, ...]:
    """Numbers of the only sentences in which every annotator's words stand, none if there are several such or none."""
    places = [
        {
            context.numbers(passage.id, found.start(), found.end())
            for found in re.finditer(re.escape(answer.text), passage.text)
        }
        for answer in question.answers
    ]
    common = set.intersection(*places)
    return common.pop() if len(common) == 1 else ()


def _ranking(
    place: Place, question: Question, article: Sequence[ContextPassage], passages: int, seed: int, origin: Origin
) -> RerankRow | LeftOut:
    if question.blank:
        return BLANK
    if not question.answerable:
        return _NO_ANSWER
    shown = _among(place.passage, article, passages, draw(seed, "rank", question.id))
    if shown is None:
        return _FEW_PARAGRAPHS
    ranked = [
        RankedPassage(**passage.model_dump(), relevance=float(passage.id == place.passage.id)) for passage in shown
    ]
    return RerankRow(
        question=question.question, passages=tuple(ranked), origin=_origin(origin, place, f"among_{passages}")
    )


def _among(
    gold: ContextPassage, article: Sequence[ContextPassage], passages: int, chance: random.Random
) -> list[ContextPassage] | None:
    """`gold` at a random place among `passages` of its article, None if there are not as many."""
    others = [passage for passage in article if passage.id != gold.id]
    if len(others) < passages - 1:
        return None
    shown = [gold, *chance.sample(others, passages - 1)]
    chance.shuffle(shown)
    return shown


def _origin(origin: Origin, place: Place, named: str) -> Origin:
    return origin.model_copy(update={"document": place.article, "slice": named})
