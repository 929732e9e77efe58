"""SQuAD 1.1 and 2.0 as its makers publish it, and its paragraphs as passages.

Format: `{"data": [{"title", "paragraphs": [{"context", "qas": [{"id", "question", "answers": [{"text",
"answer_start"}], "is_impossible"}]}]}]}`. A paragraph's id is its article's title, `#` and its number there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from serving.interface.context import ContextPassage
from tuning.converters.converted import Foreign, read_as

__all__ = ["Answer", "Article", "Paragraph", "Place", "Question", "paragraphs_of", "passages_by_article", "read_squad"]


class Answer(Foreign):
    """A span of the paragraph, as one annotator marked it."""

    text: str
    answer_start: int
    """Code points into the paragraph."""


class Question(Foreign):
    """A question about one paragraph; without answers it is unanswerable."""

    id: str
    question: str
    answers: tuple[Answer, ...] = ()
    is_impossible: bool = False

    @property
    def answerable(self) -> bool:
        return bool(self.answers) and not self.is_impossible

    @property
    def blank(self) -> bool:
        return not self.question.strip()


class Paragraph(Foreign):
    """A paragraph and its questions."""

    context: str
    qas: tuple[Question, ...]


class Article(Foreign):
    """A Wikipedia article; underscores in its title stand for spaces."""

    title: str
    paragraphs: tuple[Paragraph, ...]


class _File(Foreign):
    data: tuple[Article, ...]


@dataclass(frozen=True)
class Place:
    """A paragraph as a passage, and what is asked about it."""

    article: str
    passage: ContextPassage
    questions: tuple[Question, ...]


def read_squad(parsed: object) -> tuple[Article, ...]:
    """The articles of a parsed SQuAD file. Raises DataInvalid for another format."""
    return read_as(_File, parsed, "a SQuAD file").data


def paragraphs_of(articles: Sequence[Article]) -> list[Place]:
    """Every paragraph; of articles that occur twice, as in joined files, the paragraphs are counted on."""
    counts: defaultdict[str, int] = defaultdict(int)
    places = []
    for article in articles:
        for paragraph in article.paragraphs:
            passage = ContextPassage(
                id=f"{article.title}#{counts[article.title]}",
                text=paragraph.context,
                title=article.title.replace("_", " "),
            )
            places.append(Place(article.title, passage, paragraph.qas))
            counts[article.title] += 1
    return places


def passages_by_article(places: Sequence[Place]) -> dict[str, list[ContextPassage]]:
    """The passages of each article, in its order."""
    found: defaultdict[str, list[ContextPassage]] = defaultdict(list)
    for place in places:
        found[place.article].append(place.passage)
    return found
