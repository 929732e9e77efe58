"""Facts in a text, and the same text with other facts in their place.

    swaps = choose_swaps(find_facts(sentence), taken=words_of(everything), seed="1:row")
    swapped, moved = swap(text, swaps)                    moved(start) is where an offset of the text went

A fact is a word that could be another one without breaking the sentence: a number, a month or weekday, a name, an
identifier of code. Found by their form alone, in scripts that have capital letters. Not found: names at the beginning
of a sentence, where every word is capitalised, and names that are written small.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from tuning.metrics.words import content_words

__all__ = ["Fact", "FactKind", "choose_swaps", "find_facts", "swap", "words_of"]


class FactKind(StrEnum):
    """Facts are exchanged for others of their kind."""

    NUMBER = "number"
    NUMERAL = "numeral"
    MONTH = "month"
    WEEKDAY = "weekday"
    NAME = "name"
    IDENTIFIER = "identifier"


@dataclass(frozen=True)
class Fact:
    """A word that states something."""

    text: str
    kind: FactKind


_WORD = re.compile(r"(?<![\w-])--?[A-Za-z]\w*(?:-\w+)*|\d+(?:[.,:]\d+)+\w*|\w+(?:[._:'\u2019]\w+)*")
_POSSESSIVES = ("'s", "\u2019s")
_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*(?:st|nd|rd|th|[A-Za-z]{1,2})?")
_NAME = re.compile(r"[^\W\d_a-z][^\W\d_]+(?:['\u2019][^\W\d_]+)*")
_DOTTED = re.compile(r"\w{3,}[.:]\w|\w[.:]\w{3,}")
_INNER_CAPITAL = re.compile(r"[a-z][A-Z]")
_BEFORE_A_BEGINNING = re.compile(r"(?:\A|[.!?:\n])[\s\"'(\[*_`\u201c\u2018]*\Z")
_LISTS: Mapping[FactKind, tuple[str, ...]] = {
    FactKind.NUMERAL: tuple("two three four five six seven eight nine ten eleven twelve".split()),
    FactKind.MONTH: tuple(
        "January February March April May June July August September October November December".split()
    ),
    FactKind.WEEKDAY: tuple("Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()),
}
_NAMES = tuple(
    """
    Tolver Brannick Maresh Ostrand Velmore Kastin Durnell Halvick Pemrose Quillan Rosweth Sandrick Torvane Ulmeth
    Wexford Yarrow Zelnik Ardmoor Belcott Corvin Drayton Elsmere Fenwick Garrow Holbeck Ingram Jorvik Kelmar Lorrimer
    Mantell Norwick Orlane Prescot Ravenna Selwick Tamsin Ursell Varden Wendell Alderic
    """.split()
)
_CODE_WORDS = tuple(
    """
    lantern copper meadow basket ribbon saddle timber velvet walnut anchor barrel candle dragon engine forest garden
    hammer island jacket kettle ladder magnet needle orchid pepper quartz rocket silver tunnel violet window cotton
    marble nutmeg oyster pillow raisin spruce thistle urchin
    """.split()
)
_TRIES = 50
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def find_facts(text: str) -> tuple[Fact, ...]:
    """The distinct facts of a text, in order."""
    found = (_classify(word, text[: match.start()]) for match, word in _words(text))
    return tuple(dict.fromkeys(fact for fact in found if fact))


def words_of(text: str) -> frozenset[str]:
    """The words of a text as facts are compared: whole, with their capitals, without a possessive s."""
    return frozenset(word for _, word in _words(text))


def choose_swaps(facts: Sequence[Fact], *, taken: Collection[str], seed: str) -> dict[str, str]:
    """Another word of its kind for each fact, none of them `taken` (words of all texts involved) or used twice."""
    chance = random.Random(seed)
    used = {word.casefold() for word in taken}
    swaps: dict[str, str] = {}
    for fact in facts:
        fitting = (word for word in _candidates(fact, chance) if word.casefold() not in used)
        found = next(fitting, None)
        if found is not None:
            swaps[fact.text] = found
            used.add(found.casefold())
    return swaps


def swap(text: str, swaps: Mapping[str, str]) -> tuple[str, Callable[[int], int]]:
    """The text with each word of `swaps` exchanged, and where each offset of the text (outside these words) went."""
    pieces, shifts, done = list[str](), list[tuple[int, int]](), 0
    for match, word in _words(text):
        if word in swaps:
            pieces += [text[done : match.start()], swaps[word]]
            done = match.start() + len(word)
            shifts.append((done, len(swaps[word]) - len(word)))
    return "".join([*pieces, text[done:]]), lambda at: at + sum(shift for end, shift in shifts if end <= at)


def _words(text: str) -> Iterator[tuple[re.Match[str], str]]:
    for match in _WORD.finditer(text):
        word = match[0]
        yield match, word[:-2] if word.endswith(_POSSESSIVES) else word


def _classify(word: str, before: str) -> Fact | None:
    listed = next((kind for kind, words in _LISTS.items() if word in words), None)
    if listed:
        return Fact(word, listed)
    if _NUMBER.fullmatch(word):
        return Fact(word, FactKind.NUMBER)
    if _is_identifier(word):
        return Fact(word, FactKind.IDENTIFIER)
    opens = bool(_BEFORE_A_BEGINNING.search(before)) and not word.isupper()
    if _NAME.fullmatch(word) and not opens and content_words(word):
        return Fact(word, FactKind.NAME)
    return None


def _is_identifier(word: str) -> bool:
    if word.startswith("-") or _DOTTED.search(word) or _INNER_CAPITAL.search(word):
        return True
    mixed = any(map(str.isdigit, word)) and any(map(str.isalpha, word))
    return mixed or "_" in word.strip("_")


def _candidates(fact: Fact, chance: random.Random) -> Iterator[str]:
    """Other words of the kind, in an order by chance."""
    if fact.kind in _LISTS:
        yield from chance.sample(_LISTS[fact.kind], len(_LISTS[fact.kind]))
        return
    for _ in range(_TRIES):
        yield _other_name(fact.text, chance) if fact.kind is FactKind.NAME else _other_code(fact, chance)


def _other_code(fact: Fact, chance: random.Random) -> str:
    """A number or an identifier of the same shape."""
    pattern = r"\d+" if fact.kind is FactKind.NUMBER else r"[A-Za-z]{2,}|\d+"
    return re.sub(pattern, lambda run: _other_run(run[0], chance), fact.text)


def _other_name(name: str, chance: random.Random) -> str:
    if name.isupper():
        return "".join(chance.choice(_LETTERS) for _ in name)
    return chance.choice(_NAMES)


def _other_run(run: str, chance: random.Random) -> str:
    """Digits for digits, of the same length; a word for a run of letters, in its case."""
    if run.isdigit():
        first = chance.choice("0123456789" if run[0] == "0" else "123456789")
        return first + "".join(chance.choice("0123456789") for _ in run[1:])
    word = chance.choice(_CODE_WORDS)
    return word.upper() if run.isupper() else word.title() if run[0].isupper() else word
