"""Rows without repetition: equal rows, nearly equal rows, and rows that contradict each other.

    found = deduplicate(rows)
    found.rows, found.removed

*Exact*: question, conversation, passages and target are equal but for case, white space and the order of passages.
*Conflicting*: all that is given is equal and the label or the passage that answers (refusal) or the relevances (rerank)
are not. Nobody knows which is right, so all of them go. A row that does not say which passage answers contradicts none
that does, and does not stay beside it. A rewrite or an answer may be put in several ways: of those one stays, and the
others are near.
*Near*: question and conversation and passages are nearly equal, and the target is equal. Questions that differ in a
word on purpose, to have another label, stay.

Which rows stay, and their order, depends on the rows alone and not on the order in which they come.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Generic, TypeVar

from serving.interface.refusal import Answerability
from tuning.row_parts import TrainingRow, context_of, target_of
from tuning.rows import RefusalRow, RerankRow, dump_row
from tuning.shingles import fold, near_pairs, shingles, similarity

__all__ = ["NEAR", "Deduplicated", "deduplicate"]

NEAR = 0.8
"""Similarity (`tuning.shingles`) from which on two texts are nearly equal."""
COMPARED = 32
"""Kept rows of one question with which one more is compared."""

Row = TypeVar("Row", bound=TrainingRow)
Context = tuple[str, ...]
"""What is given beside the question."""


@dataclass(frozen=True)
class Deduplicated(Generic[Row]):
    """What stays, ordered by content, and what went."""

    rows: tuple[Row, ...]
    removed: Mapping[str, int]
    """Rows by reason: `exact`, `near`, `conflicting`."""


def deduplicate(rows: Sequence[Row]) -> Deduplicated[Row]:
    """`rows` of one behaviour without repetition; of equal rows one that people wrote stays before a synthetic one.

    Before both, one that says which passage answers.
    """
    removed = Counter(exact=0, near=0, conflicting=0)
    firsts: list[Row] = []
    for group in _equally_given(sorted(rows, key=_human_first)):
        first, *others = sorted(group, key=_is_vague)
        again = [_says_the_same(row, first) for row in others]
        if isinstance(first, RefusalRow | RerankRow) and not all(again):
            removed["conflicting"] += len(group)
            continue
        firsts.append(first)
        removed.update(exact=sum(again), near=len(again) - sum(again))
    kept = _without_near(sorted(firsts, key=_human_first))
    removed["near"] += len(firsts) - len(kept)
    return Deduplicated(tuple(sorted(kept, key=dump_row)), dict(removed))


def _equally_given(rows: Sequence[Row]) -> list[list[Row]]:
    """Rows to which the same is given, together; in the order of their first."""
    groups: defaultdict[tuple[str, ...], list[Row]] = defaultdict(list)
    for row in rows:
        groups[(fold(row.question), *map(fold, context_of(row)))].append(row)
    return list(groups.values())


def _human_first(row: TrainingRow) -> tuple[bool, str]:
    return row.origin.synthetic, dump_row(row)


def _is_vague(row: TrainingRow) -> bool:
    """Whether it leaves open which of its passages answers."""
    return isinstance(row, RefusalRow) and row.label is Answerability.ANSWERABLE and len(target_of(row)) == 1


def _says_the_same(row: TrainingRow, clear: TrainingRow) -> bool:
    if isinstance(row, RefusalRow) and isinstance(clear, RefusalRow) and _is_vague(row):
        return row.label == clear.label
    return _target(row) == _target(clear)


def _without_near(rows: Sequence[Row]) -> list[Row]:
    """The first of rows that are nearly equal; no two that stay are, within what `near_pairs` finds."""
    near = _neighbours(list(dict.fromkeys(fold(row.question) for row in rows)))
    cut = lru_cache(maxsize=1024)(lambda context: shingles("\n".join(context)))
    kept: defaultdict[tuple[str, ...], list[int]] = defaultdict(list)
    """By question and target."""
    for index, row in enumerate(rows):
        context, target = context_of(row), _target(row)
        alike = (other for question in near[fold(row.question)] for other in kept[question, *target][-COMPARED:])
        if not any(_alike(context, context_of(rows[other]), cut) for other in alike):
            kept[fold(row.question), *target].append(index)
    return [rows[index] for index in sorted(index for found in kept.values() for index in found)]


def _alike(left: Context, right: Context, cut: Callable[[Context], frozenset[int]]) -> bool:
    """Whether as many turns and passages say nearly the same."""
    return left == right or (len(left) == len(right) and similarity(cut(left), cut(right)) >= NEAR)


def _neighbours(questions: Sequence[str]) -> Mapping[str, list[str]]:
    """For each question itself and those nearly equal to it."""
    found = {question: [question] for question in questions}
    for left, right in near_pairs(questions, least=NEAR):
        found[questions[left]].append(questions[right])
        found[questions[right]].append(questions[left])
    return found


def _target(row: TrainingRow) -> tuple[str, ...]:
    return tuple(map(fold, target_of(row)))
