"""Headings of any pages to rows of refusal: a section answers a question about its own heading, another one does not.

    heading_rows(passages_by_page).rows

Users of documentation ask so ("What about X?"), first and in follow-ups, and data sets of whole questions hold none of
it. A passage's heading is the last part of its title, after ` > `; headings met twice on a page, or equal to its title,
say nothing and are left out. Nobody asked these questions, and nobody has checked that another section of the page does
not answer too: the rows are synthetic. Of a conversation the rows hold what the user said, all that refusal reads.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from serving.interface.context import ContextPassage
from serving.interface.refusal import Answerability
from serving.interface.turns import Turn
from tuning.converters.converted import Converted, LeftOut, collect, draw
from tuning.rows import Origin, RefusalRow

__all__ = ["heading_rows"]

FORMS = (
    "What about {}?",
    "What does it say about {}?",
    "Tell me about {}.",
    "Where can I read about {}?",
    "{}?",
    "What is there to know about {}?",
)
FOLLOW_UPS = ("And what about {} there?", "And what about {}?", "And {}?")
"""Beside `FORMS`, where something was asked before."""
QUESTION_WORDS = frozenset("am are can do does how is should what when where which who whose why".split())
"""A heading of three words or more that begins with one of them is a question."""

_FEW_HEADINGS = LeftOut("its page has fewer than two headings of their own")


def heading_rows(
    pages: Mapping[str, Sequence[ContextPassage]], *, origin: Origin, seed: int = 0
) -> Converted[RefusalRow]:
    """Two rows a heading of each page: with its own section, and with another of the same page.

    Every second question is a follow-up of one about that other section.
    """
    made = origin.model_copy(update={"synthetic": True, "slice": "heading"})
    return collect(
        row
        for page, passages in pages.items()
        for row in _page_rows(passages, draw(seed, "headings", page), made.model_copy(update={"document": page}))
    )


def _page_rows(
    passages: Sequence[ContextPassage], chance: random.Random, origin: Origin
) -> Iterator[RefusalRow | LeftOut]:
    headings = Counter(map(_heading, passages))
    sections = [passage for passage in passages if _heading(passage) and headings[_heading(passage)] == 1]
    if len(sections) < 2:
        yield _FEW_HEADINGS
        return
    for section in sections:
        other = chance.choice([passage for passage in sections if passage is not section])
        before = [_asked(_heading(other), FORMS, chance)] if chance.random() < 0.5 else []
        question = _asked(_heading(section), FORMS + FOLLOW_UPS if before else FORMS, chance)
        for shown, label in ((section, Answerability.ANSWERABLE), (other, Answerability.UNANSWERABLE)):
            yield RefusalRow(
                history=tuple(Turn(role="user", content=text) for text in before),
                question=question,
                passages=(shown,),
                label=label,
                answering=shown.id if label is Answerability.ANSWERABLE else None,
                origin=origin,
            )


def _asked(heading: str, forms: Sequence[str], chance: random.Random) -> str:
    """A question about a heading; a heading that is a question is its own."""
    first, *others = re.findall(r"\w+", heading)
    is_question = heading.endswith("?") or (len(others) > 1 and first.lower() in QUESTION_WORDS)
    return f"{heading.rstrip('?')}?" if is_question else chance.choice(forms).format(heading)


def _heading(passage: ContextPassage) -> str:
    """The heading of a section, empty where there is none of its own or none with a word."""
    *above, heading = (part.strip().rstrip(".: ") for part in passage.title.split(" > "))
    return heading if above and heading != above[0] and re.search(r"\w", heading) else ""
