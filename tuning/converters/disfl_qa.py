"""Disfl-QA (questions with a speaker's slips, CC BY 4.0, over SQuAD 2.0) to rows of query rewriting.

    pairs = read_disfl_qa(json.loads(text))            # {id: {"original", "disfluent"}}
    query_rewrite_rows(pairs, articles).rows           # articles: of tuning.converters.squad

Serving rewrites only what has a conversation before it. So each question follows one or two others of its paragraph
with their answers; that they are answered already also teaches that nothing of them belongs into the rewrite.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from serving.interface.turns import Turn
from tuning.converters.converted import BLANK, Converted, Foreign, LeftOut, collect, draw, read_as
from tuning.converters.squad_format import Article, Question
from tuning.rows import Origin, QueryRewriteRow

__all__ = ["ORIGIN", "Pair", "query_rewrite_rows", "read_disfl_qa"]

ORIGIN = Origin(source="disfl_qa", licence="CC BY 4.0", slice="disfluent")

_NO_ARTICLE = LeftOut("its question is in none of the articles")
_NO_OTHERS = LeftOut("its paragraph has too few other questions with answers")


class Pair(Foreign):
    """A question as it was meant and as it was said."""

    original: str
    disfluent: str


def read_disfl_qa(parsed: object) -> dict[str, Pair]:
    """Pairs by the id of their SQuAD question. Raises DataInvalid for another format."""
    return read_as(dict[str, Pair], parsed, "a Disfl-QA file")


def query_rewrite_rows(
    pairs: Mapping[str, Pair],
    articles: Sequence[Article],
    *,
    turns: tuple[int, int] = (1, 2),
    seed: int = 0,
    origin: Origin = ORIGIN,
) -> Converted[QueryRewriteRow]:
    """One row a pair, after at least and at most `turns` questions with answers; (0, 0) gives no history."""
    return collect(_rows(pairs, articles, turns, seed, origin))


def _rows(
    pairs: Mapping[str, Pair], articles: Sequence[Article], turns: tuple[int, int], seed: int, origin: Origin
) -> Iterator[QueryRewriteRow | LeftOut]:
    places = {
        question.id: (article.title, paragraph.qas)
        for article in articles
        for paragraph in article.paragraphs
        for question in paragraph.qas
    }
    for name, pair in pairs.items():
        if name not in places:
            yield _NO_ARTICLE
            continue
        article, asked = places[name]
        yield _row(name, pair, asked, turns, seed, origin.model_copy(update={"document": article}))


def _row(
    name: str, pair: Pair, asked: Sequence[Question], turns: tuple[int, int], seed: int, origin: Origin
) -> QueryRewriteRow | LeftOut:
    if not pair.original.strip() or not pair.disfluent.strip():
        return BLANK
    others = [q for q in asked if q.id != name and q.answers and q.question.strip() not in ("", pair.original.strip())]
    least, most = turns
    if len(others) < least:
        return _NO_OTHERS
    chance = draw(seed, "before", name)
    before = chance.sample(others, chance.randint(least, min(most, len(others))))
    return QueryRewriteRow(
        history=tuple(turn for question in before for turn in _said(question)),
        question=pair.disfluent,
        rewrite=pair.original,
        origin=origin,
    )


def _said(question: Question) -> tuple[Turn, Turn]:
    return (
        Turn(role="user", content=question.question),
        Turn(role="assistant", content=question.answers[0].text),
    )
