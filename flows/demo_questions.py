"""Questions for the demo, made from a source's own headings; nothing here knows any document.

    answerable = first_question(passages)         # e.g. "How do I install the client?"
    follow_up(passages, answerable)               # e.g. "And what about upgrading there?": alone, it says nothing
    foreign_question(occurs)                      # about something of which no document says a word

Chosen by rule and always the same for the same documents: a clear heading (two to eight words, met once) above prose
that uses its words.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from flows.errors import NothingToAsk
from retrieval.documents import Passage

__all__ = ["HeadingQuestion", "first_questions", "follow_ups", "foreign_question", "heading_of", "phrase"]

FOREIGN = (
    "Which wine suits roast pheasant?",
    "When do swallows cross the Sahara?",
    "Who composed the opera about Figaro's wedding?",
    "Where do emperor penguins breed?",
    "At which temperature does tungsten melt?",
    "Which violin did Paganini bequeath to Genoa?",
)
"""About nothing that documentation speaks of; the first is taken of which no word occurs."""

_MIN_PROSE_WORDS = 25
_WORD = re.compile(r"[^\W_][\w'’-]*")
_SENTENCE = re.compile(r"[^.!?]*[.!?](?=\s|$)")
_CODE = re.compile(r"^```.*?^```|^(?: {3,}|\t|\|)[^\n]*$", re.DOTALL | re.MULTILINE)
"""Fenced blocks, indented lines and table rows."""
_TECHNICAL = re.compile(r"[`=<>{}\[\]|\\/$@_]|::|\w\.\w|\(\)")
_EMPTY_WORDS = frozenset(
    """
    a about all an and are as at be between by can do does for from had has have how i if in into is it its more
    my no not of on or other our over some than that the their then there these this to under up use used using
    via was were what when where which who why will with without you your
    """.split()
)
_FURNITURE = frozenset(
    """
    abstract acknowledgements appendix authors changelog conclusion contents contributing example examples faq
    glossary index introduction license licence links next notes notice overview preface readme references
    related resources see steps summary todo tutorial version versions
    """.split()
)
"""Headings made of these alone say nothing about the text below them."""
_ARTICLES = frozenset({"a", "an", "the"})
_PREPOSITIONS = frozenset({"about", "at", "by", "for", "from", "in", "of", "on", "to", "under", "with", "without"})
_QUESTION_WORDS = frozenset({"how", "if", "what", "when", "where", "which", "who", "why"})
_VERBS = frozenset(
    """
    access add allow apply attach avoid back build call change check choose clean clear clone compile configure
    connect control convert copy create customize debug define delete deploy disable display download edit
    enable execute export filter find fix generate get handle host import improve increase inspect install
    integrate limit list load make manage measure migrate modify monitor mount move open optimize override pass
    pause plot prepare prevent profile publish pull push query read rebuild reduce register remove rename
    replace report request reset resolve restart restore retrieve retry return run save scale schedule search
    secure select send serve set share show sort specify start stop store submit switch sync synchronize test
    train transform tune uninstall update upgrade upload validate verify view write
    """.split()
)


@dataclass(frozen=True)
class HeadingQuestion:
    """A question, the heading it was made of and the document that should answer it."""

    question: str
    heading: str
    document_id: str
    uri: str


def first_questions(passages: Sequence[Passage]) -> list[HeadingQuestion]:
    """Questions that the documents answer, best first: the one whose heading the prose below repeats most.

    Raises NothingToAsk if no heading, nor title, has prose under it.
    """
    headings = [(heading_of(passage), passage) for passage in passages]
    met = Counter(heading for heading, _ in {(heading, passage.document_id) for heading, passage in headings})
    fit = [
        (*_order(heading, passage), passage)
        for heading, passage in headings
        if met[heading] == 1 and _says_something(heading) and _prose_words(passage.text) >= _MIN_PROSE_WORDS
    ]
    if not fit:
        raise NothingToAsk(
            "No heading or title of this source has prose under it from which a question could be made.",
            remedy="Take a folder with headings and sentences, or ask something yourself: groundskeeper ask QUESTION.",
        )
    fit.sort(key=lambda found: found[:-1])
    return [HeadingQuestion(phrase(heading_of(p)), heading_of(p), p.document_id, p.uri) for *_, p in fit]


def follow_ups(passages: Sequence[Passage], asked: HeadingQuestion) -> list[HeadingQuestion]:
    """Questions about another part of the same document that make sense only after `asked`; never empty."""
    own = [passage for passage in passages if passage.document_id == asked.document_id]
    others = {
        heading_of(passage): passage
        for passage in sorted(own, key=lambda passage: passage.start, reverse=True)
        if heading_of(passage) != asked.heading and _prose_words(passage.text) >= _MIN_PROSE_WORDS
    }
    questions = [
        HeadingQuestion(_phrase_there(heading), heading, passage.document_id, passage.uri)
        for heading, passage in sorted(others.items(), key=lambda item: item[1].start)
        if heading != passage.title
        and _says_something(heading, least=1)
        and heading.split()[0].lower() not in _QUESTION_WORDS
    ]
    return [*questions, HeadingQuestion("What else should I know about it?", "", asked.document_id, asked.uri)]


def foreign_question(occurs: Callable[[str], bool]) -> str:
    """The first question of which no content word occurs in the documents (`occurs` tells), else the last.

    A source that speaks of all of them is an encyclopaedia; there the demo's third expectation says little.
    """
    return next((question for question in FOREIGN if not occurs(question)), FOREIGN[-1])


def phrase(heading: str) -> str:
    """A heading as a question: `Install the client` -> `How do I install the client?`."""
    words = heading.strip().rstrip(".:?!").split()
    first = words[0].lower()
    rest = " ".join(words[1:])
    if heading.rstrip().endswith("?"):
        return heading.strip()
    if first == "how" and words[1:2] == ["to"] and words[2:]:
        return f"How do I {' '.join(words[2:])}?"
    if first in _QUESTION_WORDS and rest:
        return f"Can you explain {first} {rest}?"
    if first in _VERBS and rest:
        return f"How do I {first} {rest}?"
    if _gerund(first) and rest:
        return f"How does {first} {rest} work?"
    if first in _ARTICLES:
        words = [first, *words[1:]]
    return f"What {'are' if _plural(words) else 'is'} {_article(words)}{' '.join(words)}?"


def _phrase_there(heading: str) -> str:
    """The same, leaning on what was said before."""
    words = heading.strip().rstrip(".:?!").split()
    if words[0].lower() in _VERBS and len(words) > 2:
        return f"And how do I {words[0].lower()} {' '.join(words[1:])} there?"
    return f"And what about {' '.join(words)} there?"


def _gerund(word: str) -> bool:
    """Whether `word` is a verb's -ing form: running, using, installing; not Syncthing."""
    stem = word.removesuffix("ing")
    return stem != word and bool({stem, stem + "e", stem[:-1]} & _VERBS)


def _clear(heading: str, title: str) -> bool:
    """Whether the question stands alone: it names the page's subject, and is no command that might be a noun."""
    words = heading.split()
    names_subject = bool(set(_content_words(heading)) & set(_content_words(title)))
    return names_subject and (words[0].lower() not in _VERBS or len(words) > 2)


def heading_of(passage: Passage) -> str:
    """The innermost heading above the passage, else the title."""
    return passage.heading_path[-1] if passage.heading_path else passage.title


def _content_words(text: str) -> list[str]:
    return [word for word in (match[0].lower() for match in _WORD.finditer(text)) if word not in _EMPTY_WORDS]


def _order(heading: str, passage: Passage) -> tuple[bool, float, bool, str, int]:
    """First what is mostly prose, repeats its heading and gives a clear question; then by document and position."""
    prose = _prose_words(passage.text) >= 0.7 * len(passage.text.split())
    clear = _clear(heading, passage.title)
    return not prose, -_echo(heading, passage.text), not clear, passage.document_id, passage.start


def _says_something(heading: str, least: int = 2) -> bool:
    """Two to eight plain words, at least `least` of which carry meaning; no code, no page furniture, no date."""
    words = _content_words(heading)
    telling = [word for word in words if word not in _FURNITURE and not any(sign.isdigit() for sign in word)]
    plain = not _TECHNICAL.search(heading) and heading[:1].isalpha()
    return plain and least <= len(telling) and len(heading.split()) <= 8


def _prose_words(text: str) -> int:
    """Words that stand in sentences of at least six plain words: lists, tables and code have few."""
    return sum(count for count in (len(sentence.split()) for sentence in _sentences(text)) if count >= 6)


def _sentences(text: str) -> Iterator[str]:
    """The sentences outside code and tables."""
    prose = _CODE.sub("", text)
    return (match[0].strip() for match in _SENTENCE.finditer(prose) if not re.search(r"[{}<>|=]", match[0]))


def _echo(heading: str, text: str) -> float:
    """Share of the heading's words that the best sentence repeats; words are equal by their first five letters."""
    wanted = {word[:5] for word in _content_words(heading)}
    best = max(
        (len(wanted & {word[:5] for word in _content_words(sentence)}) for sentence in _sentences(text)), default=0
    )
    return best / len(wanted)


def _plural(words: Sequence[str]) -> bool:
    """Whether the noun that the phrase is about, the last before a preposition, is plural."""
    end = next((at for at, word in enumerate(words) if at and word.lower() in _PREPOSITIONS), len(words))
    last = words[end - 1].lower()
    return last.endswith("s") and not last.endswith(("ss", "us", "is", "ics", "ws"))


def _article(words: Sequence[str]) -> str:
    """`the` before a single thing that has no article: What is the retry policy?"""
    return "" if words[0].lower() in {"your"} | _ARTICLES or _plural(words) else "the "
