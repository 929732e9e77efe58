"""Which rows belong together, so that no two splits may share them.

    for members in families(rows): ...                 # indices into rows

Kin are rows of one document, of one conversation, with equal or nearly equal passages that answer; and, where no
document is named, with equal or nearly equal questions after what was said before. Kin of kin are kin. Not kin, since
else a few hundred rows over one index would be a single family: rows that only show the same passage and do not have
the answer from it, and like questions about different documents.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from tuning.deduplicate import NEAR
from tuning.row_parts import TrainingRow, gold_passages, said_before
from tuning.rows import RerankRow
from tuning.shingles import fold, near_pairs

__all__ = ["families"]

TELLING = 4
"""Words from which on questions and openings are a sign of kinship; `yes` and `hello there` are none."""


def families(rows: Sequence[TrainingRow]) -> list[list[int]]:
    """The indices of `rows`, each once, in families."""
    members: defaultdict[int, list[int]] = defaultdict(list)
    for index, first in enumerate(_components(len(rows), _links(rows))):
        members[first].append(index)
    return list(members.values())


def _said(row: TrainingRow) -> str:
    """What was said up to and with the question."""
    return fold("\n".join([*(turn.content for turn in said_before(row)), row.question]))


def _links(rows: Sequence[TrainingRow]) -> Iterator[tuple[int, int]]:
    """Pairs of kin; enough of them to reach all."""
    firsts: dict[tuple[str, str], int] = {}
    for index, row in enumerate(rows):
        for key in _keys(row):
            yield firsts.setdefault(key, index), index
    for kind in ("said", "passage"):
        yield from _near(kind, firsts)


def _near(kind: str, firsts: Mapping[tuple[str, str], int]) -> Iterator[tuple[int, int]]:
    texts = sorted(text for found, text in firsts if found == kind)
    for left, right in near_pairs(texts, least=NEAR):
        yield firsts[kind, texts[left]], firsts[kind, texts[right]]


def _keys(row: TrainingRow) -> Iterator[tuple[str, str]]:
    """What rows that are kin have in common, by kind."""
    if row.origin.document:
        yield "document", row.origin.document  # whatever the source: SQuAD and Disfl-QA ask about the same articles
    if row.origin.conversation:
        yield "conversation", f"{row.origin.source}\n{row.origin.conversation}"
    if not row.origin.document:
        yield from _words(row)
    for passage in gold_passages(row):
        yield "passage", fold(passage.text)


def _words(row: TrainingRow) -> Iterator[tuple[str, str]]:
    """What was said; and how it began, by which a conversation without an id is known."""
    yield from (("said", text) for text in [_said(row)] if _tells(text))
    if not row.origin.conversation and not isinstance(row, RerankRow):
        opening = fold(row.history[0].content if row.history else row.question)
        yield from (("opening", text) for text in [opening] if _tells(text))


def _tells(text: str) -> bool:
    return len(text.split()) >= TELLING


def _components(count: int, links: Iterable[tuple[int, int]]) -> list[int]:
    """For each of `count` items the smallest that it is linked to, over others too."""
    above = list(range(count))

    def root(item: int) -> int:
        while above[item] != item:
            above[item] = above[above[item]]
            item = above[item]
        return item

    for left, right in links:
        one, other = sorted((root(left), root(right)))
        above[other] = one
    return [root(item) for item in range(count)]
