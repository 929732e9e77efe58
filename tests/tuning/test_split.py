"""No family crosses from one split into another, and more rows move few."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.interface.context import ContextPassage
from serving.interface.refusal import Answerability
from tests.tuning.made_rows import refusal, rewrite, training_rows
from tuning.deduplicate import deduplicate
from tuning.kinship import families
from tuning.row_parts import TrainingRow, gold_passages
from tuning.rows import Origin, RefusalRow, dump_row
from tuning.shingles import fold
from tuning.split import Share, Split, SplitRule, Splits, _Family, split_rows

HALVES = SplitRule(calibration=Share(share=0.2), held_out=Share(share=0.3))
NAMES = st.sampled_from(["", "a", "b", "c", "d"])
TEXTS = st.sampled_from(
    [f"The page number {n} tells how one {verb} a folder." for n in "123" for verb in ("opens", "shuts")]
)


@st.composite
def related(draw: st.DrawFn) -> RefusalRow:
    """Rows that share documents, conversations, pages and questions by chance."""
    texts = draw(st.lists(TEXTS, min_size=1, max_size=3, unique=True))
    label = draw(st.sampled_from(Answerability))
    shown = tuple(ContextPassage(id=text, text=text) for text in texts)
    return RefusalRow(
        question=draw(st.sampled_from([f"Where is the {n} button of my folder?" for n in "xyz"]) | st.just("Why?")),
        passages=shown,
        label=label,
        answering=draw(st.sampled_from(texts)) if label is Answerability.ANSWERABLE else None,
        origin=Origin(document=draw(NAMES), conversation=draw(NAMES)),
    )


def splits_by(found: Any, keys: Any) -> dict[str, set[Split]]:
    """In which splits each key of a row lies."""
    places: dict[str, set[Split]] = {}
    for split, rows in found.rows.items():
        for row in rows:
            for key in keys(row):
                places.setdefault(key, set()).add(split)
    return places


KINDS = {
    "document": lambda row: [row.origin.document] if row.origin.document else [],
    "conversation": lambda row: [row.origin.conversation] if row.origin.conversation else [],
    "passage that answers": lambda row: [fold(passage.text) for passage in gold_passages(row)],
    "question without a document": lambda row: [] if row.origin.document or row.question == "Why?" else [row.question],
}


@pytest.mark.parametrize("keys", KINDS.values(), ids=KINDS)
@given(st.lists(related(), max_size=20), st.integers(0, 3))
def test_what_rows_have_in_common_is_in_one_split(keys: Any, rows: list[RefusalRow], seed: int):
    found = split_rows(deduplicate(rows).rows, HALVES, seed=seed)
    assert [key for key, splits in splits_by(found, keys).items() if len(splits) > 1] == []


@given(st.lists(related() | training_rows, max_size=12), st.integers(0, 3), st.randoms())
def test_the_order_of_rows_changes_nothing_and_none_is_lost(rows: list[TrainingRow], seed: int, chance: random.Random):
    found = split_rows(rows, HALVES, seed=seed)
    shuffled = list(rows)
    chance.shuffle(shuffled)
    again = split_rows(shuffled, HALVES, seed=seed)
    assert Counter(dump_row(row) for split in found.rows.values() for row in split) == Counter(map(dump_row, rows))
    for split in Split:
        assert Counter(map(dump_row, found.rows[split])) == Counter(map(dump_row, again.rows[split]))


def pages(count: int, rows_each: int = 3) -> list[RefusalRow]:
    """Rows about different pages, whose texts have nothing in common."""
    chance = random.Random(5)
    texts = ["".join(chance.choices("abcdefghij ", k=60)) for _ in range(count)]
    return [
        refusal(f"{text[:20]} {n}?", text, document=f"page {number}")
        for number, text in enumerate(texts)
        for n in range(rows_each)
    ]


def test_the_shares_are_kept_within_a_family():
    rows = pages(100)
    found = split_rows(rows, HALVES, seed=1)
    assert abs(len(found.rows[Split.HELD_OUT]) - 90) <= 3
    assert abs(len(found.rows[Split.CALIBRATION]) - 60) <= 3


def test_the_work_grows_with_the_families_and_not_with_their_pairs(monkeypatch: pytest.MonkeyPatch):
    compared = Counter[str]()
    equal = _Family.__eq__

    def counted(left: object, right: object) -> bool:
        compared["pairs"] += 1
        return equal(left, right)  # type: ignore[arg-type]

    monkeypatch.setattr(_Family, "__eq__", counted)
    split_rows(pages(400, 1), HALVES, seed=1)
    assert compared["pairs"] < 400


def test_another_seed_is_another_split():
    rows = pages(40)
    assert split_rows(rows, HALVES, seed=1).rows != split_rows(rows, HALVES, seed=2).rows


def test_more_rows_move_few():
    rows = pages(101)
    was, now = (split_of(split_rows(given, HALVES, seed=3), rows[:-3]) for given in (rows[:-3], rows))
    assert sum(before is not after for before, after in zip(was, now, strict=True)) <= 9


def sourced(source: str, rows: list[RefusalRow]) -> list[RefusalRow]:
    return [
        row.model_copy(update={"origin": Origin(document=f"{source} {row.origin.document}", source=source)})
        for row in rows
    ]


def one_family(source: str, rows: list[RefusalRow]) -> list[RefusalRow]:
    return [row.model_copy(update={"origin": Origin(document=source, source=source)}) for row in rows]


def split_of(found: Splits[RefusalRow], wanted: list[RefusalRow]) -> list[Split]:
    places = {dump_row(row): split for split, rows in found.rows.items() for row in rows}
    return [places[dump_row(row)] for row in wanted]


def held_out(rows: list[RefusalRow], source: str, seed: int) -> float:
    """The share of a source's rows that is held out."""
    judged = split_rows(rows, HALVES, seed=seed).rows[Split.HELD_OUT]
    return sum(row.origin.source == source for row in judged) / sum(row.origin.source == source for row in rows)


def test_each_source_gives_each_split_its_share():
    many = pages(120)
    rows = [*sourced("few", many[:60]), *sourced("many", many[60:])]
    for seed in range(12):  # by chance alone the share of 20 families would vary by .1
        assert held_out(rows, "few", seed) == pytest.approx(0.3, abs=0.06)
        assert held_out(rows, "many", seed) == pytest.approx(0.3, abs=0.06)


def test_sources_of_one_family_each_give_their_share_together():
    many = pages(60)
    small = [row for n in range(20) for row in one_family(f"small {n}", many[n * 3 : n * 3 + 3])]
    rows = [*small, *sourced("large", many[90:])]
    for seed in range(12):
        judged = split_rows(rows, HALVES, seed=seed).rows[Split.HELD_OUT]
        assert sum(row.origin.source.startswith("small") for row in judged) / len(small) == pytest.approx(0.3, abs=0.06)
        assert held_out(rows, "large", seed) == pytest.approx(0.3, abs=0.06)


def test_a_source_that_cannot_give_its_share_takes_none_from_others():
    many = pages(200, 1)
    rows = [*one_family("single", many[:100]), *sourced("small", many[100:])]
    for seed in range(12):
        assert held_out(rows, "small", seed) == pytest.approx(0.3, abs=0.01)


def test_what_one_source_grows_by_moves_nothing_of_another():
    many = pages(121, 1)
    other = sourced("other", many[:60])
    before, after = (split_rows([*other, *one_family("grown", many[60:end])], HALVES, seed=3) for end in (119, 121))
    assert split_of(before, other) == split_of(after, other)


@given(st.lists(related(), max_size=12), st.integers(0, 3), st.floats(0.05, 0.9), st.floats(0.01, 0.9))
def test_something_is_always_left_to_train_on(rows: list[RefusalRow], seed: int, share: float, of_rest: float):
    rule = SplitRule(calibration=Share(share=(1 - share) * of_rest), held_out=Share(share=share))
    assert split_rows(rows, rule, seed=seed).rows[Split.TRAIN] or not rows


def test_shares_that_leave_nothing_are_refused():
    with pytest.raises(ValueError, match="no row to train on"):
        SplitRule(calibration=Share(share=0.5), held_out=Share(share=0.5))


def test_bounds_lower_the_usual_shares_and_never_raise_them():
    assert SplitRule.bounded(1000, {Split.CALIBRATION: 50, Split.HELD_OUT: 500}) == SplitRule(
        calibration=Share(share=0.05, rows=50), held_out=Share(share=0.2, rows=500)
    )


def test_a_large_family_of_one_source_does_not_stand_for_the_others():
    rows = pages(90)
    few, many = rows[:90], rows[90::3]
    one = [row.model_copy(update={"origin": Origin(document="one")}) for row in many[:40]]
    rows = [*sourced("few", few), *sourced("many", [*one, *many[40:]])]
    for seed in range(12):
        assert held_out(rows, "few", seed) == pytest.approx(0.3, abs=0.06)


def test_a_large_family_stays_out_of_a_small_split():
    rows = pages(120, 1)
    related = [row.model_copy(update={"origin": Origin(document="one")}) for row in rows[:80]]
    found = split_rows([*related, *rows[80:]], HALVES, seed=0)
    assert set(map(dump_row, related)) <= set(map(dump_row, found.rows[Split.TRAIN]))
    assert len(found.rows[Split.HELD_OUT]) > 20


def test_of_two_families_one_is_judged_and_one_is_trained_on():
    found = split_rows(pages(2), HALVES, seed=0)
    assert {split: len(members) for split, members in found.rows.items()} == {
        Split.TRAIN: 3,
        Split.HELD_OUT: 3,
        Split.CALIBRATION: 0,
    }


def test_a_split_that_was_not_asked_for_is_absent_and_not_empty():
    found = split_rows(pages(10), SplitRule(calibration=None), seed=0)
    assert found.rows.keys() == {Split.TRAIN, Split.HELD_OUT}


def test_rows_beyond_the_cap_are_counted_and_used_nowhere():
    rule = SplitRule(calibration=None, held_out=Share(share=0.5, rows=7))
    found = split_rows(pages(20), rule, seed=0)
    assert len(found.rows[Split.HELD_OUT]) == 7
    assert len(found.rows[Split.TRAIN]) + 7 + found.over_cap[Split.HELD_OUT] == 60
    assert found.over_cap[Split.HELD_OUT] > 10


def test_a_passage_that_only_stands_by_makes_no_kin_and_is_counted():
    rows = pages(30, 1)
    beside = ContextPassage(id="beside", text="Everybody finds this page.")
    shown = [
        row.model_copy(update={"passages": (beside, *row.passages), "answering": row.passages[0].id}) for row in rows
    ]
    assert len(families(shown)) == 30
    found = split_rows(shown, HALVES, seed=0)
    assert found.shared_passages == {split: len(found.rows[split]) for split in HALVES.shares}
    assert split_rows(rows, HALVES, seed=0).shared_passages == {Split.HELD_OUT: 0, Split.CALIBRATION: 0}


def test_turns_of_a_conversation_without_an_id_are_kin():
    opening = "How do I pause the folder of photographs?"
    rows = [
        rewrite("And resume it?", "How do I resume it?", opening, "Press Pause."),
        rewrite("Why?", "Why does it pause?", opening, "Press Pause.", "And resume it?", "Press Resume."),
        rewrite("Why?", "Why does it rain?", "What is the weather in Lisbon today?", "It rains."),
    ]
    assert sorted(map(sorted, families(rows))) == [[0, 1], [2]]


def test_nearly_equal_pages_are_kin():
    page = "A folder that is paused is neither scanned nor sent. Press Resume in its menu to go on."
    rows = [
        refusal("How is a folder resumed?", page, document="v1"),
        refusal("What rests?", f"{page} Wait.", document="v2"),
    ]
    assert families(rows) == [[0, 1]]
