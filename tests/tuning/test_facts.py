"""Facts are found by their form and exchanged for others of their kind, everywhere and nowhere else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuning.facts import Fact, FactKind, choose_swaps, find_facts, swap, words_of

pieces = st.sampled_from(
    "Talvik's|the |port |7001|2.5| |. |max_retries|--dry-run|In |May|\n|é|(|5GB".split("|"),
)
texts = st.lists(pieces, max_size=14).map("".join)
spaced = st.lists(pieces, max_size=14).map(" ".join)


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("The port is 7001.", [("7001", FactKind.NUMBER)]),
        ("It costs 3,500.50 or 40%, about 5GB on the 21st.", ["3,500.50", "40", "5GB", "21st"]),
        ("Set `max_retries` or pass --max-retries.", [("max_retries", FactKind.IDENTIFIER), "--max-retries"]),
        ("Call ray.init before useState.", ["ray.init", "useState"]),
        ("It was founded by Anna Talvik in Orrin.", [("Anna", FactKind.NAME), "Talvik", "Orrin"]),
        ("On Monday, 3 May, two of the NATO sites close.", ["Monday", "3", "May", ("two", FactKind.NUMERAL), "NATO"]),
        ("However, it is not so. There it ends. I'm sure.", []),
        ("e.g. the one with U.S. rules", []),
        ("Talvik's gateway", []),  # every sentence begins with a capital letter
        ("the gateway of Talvik's", ["Talvik"]),
        ("", []),
    ],
)
def test_a_fact_is_a_word_that_could_be_another(text: str, facts: list[object]):
    found = find_facts(text)
    assert [fact.text for fact in found] == [fact[0] if isinstance(fact, tuple) else fact for fact in facts]
    assert [fact for fact in facts if isinstance(fact, tuple) and Fact(*fact) not in found] == []


@given(spaced, st.integers())
def test_others_are_of_the_same_kind_and_stand_nowhere_yet(text: str, seed: int):
    facts = find_facts(text)
    taken = words_of(text)
    swaps = choose_swaps(facts, taken=taken, seed=str(seed))
    assert swaps == choose_swaps(facts, taken=taken, seed=str(seed))
    assert len({new.casefold() for new in swaps.values()}) == len(swaps)
    assert {new.casefold() for new in swaps.values()}.isdisjoint(word.casefold() for word in taken)
    kinds = {fact.text: fact.kind for fact in facts}
    for old, new in swaps.items():
        assert [fact.kind for fact in find_facts(f"this is {new}")] == [kinds[old]], (old, new)


def test_numbers_and_code_keep_their_shape():
    facts = find_facts("at 10:30 with 1,000 of s3_bucket and MAX_SIZE and --dry-run")
    swaps = choose_swaps(facts, taken=(), seed="0")
    assert [len(swaps[old]) for old in ("10:30", "1,000")] == [5, 5]
    assert swaps["10:30"][2] == ":"
    assert swaps["MAX_SIZE"].isupper()
    assert swaps["--dry-run"].startswith("--")
    assert "_" in swaps["s3_bucket"]


def test_another_seed_chooses_others():
    facts = find_facts("the port is 7001 in Talvik")
    assert len({str(choose_swaps(facts, taken=(), seed=str(seed))) for seed in range(5)}) > 1


def test_whole_words_are_exchanged_everywhere():
    swapped, _ = swap("Talvik's port 5 is not 15, 5.5 or v5; Talvik-based (5).", {"Talvik": "Orrin", "5": "8"})
    assert swapped == "Orrin's port 8 is not 15, 5.5 or v5; Orrin-based (8)."


@given(texts)
def test_offsets_follow_their_words(text: str):
    swaps = choose_swaps(find_facts(text), taken=words_of(text), seed="0")
    swapped, moved = swap(text, swaps)
    for position, character in enumerate(text):
        if not (character.isalnum() or character in "_-.'"):
            assert swapped[moved(position)] == character
    assert moved(len(text)) == len(swapped)
    assert moved(0) == 0 or text[:1] == ""


@given(texts)
def test_swapping_back_gives_the_text_again(text: str):
    swaps = choose_swaps(find_facts(text), taken=words_of(text), seed="0")
    there, _ = swap(text, swaps)
    back, _ = swap(there, {new: old for old, new in swaps.items()})
    assert back == text
    assert not words_of(there) & swaps.keys()
