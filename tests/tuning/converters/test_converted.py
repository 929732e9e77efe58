"""Whoever reads a message about a foreign file learns what is wrong with it, and nothing of our classes."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tuning.converters.disfl_qa import read_disfl_qa
from tuning.converters.doc2dial import read_documents, read_turns
from tuning.converters.question_pages import read_question_pages
from tuning.converters.rewrites import read_canard, read_cast, read_rewrites
from tuning.converters.squad import read_squad
from tuning.errors import DataInvalid

ANSWER = {"text": "It.", "answer_start": 0}
QUESTION = {"id": "q", "question": "What?", "answers": [ANSWER], "is_impossible": False}
FORMATS: dict[str, tuple[Callable[[Any], object], Any]] = {
    "squad": (read_squad, {"data": [{"title": "T", "paragraphs": [{"context": "It.", "qas": [QUESTION]}]}]}),
    "canard": (
        read_canard,
        [{"History": ["T", "S"], "QuAC_dialog_id": "d", "Question": "Who?", "Rewrite": "Who is it?"}],
    ),
    "cast": (
        read_cast,
        [{"number": 1, "turn": [{"raw_utterance": "Who?", "manual_rewritten_utterance": "Who is it?"}]}],
    ),
    "rewrites": (
        read_rewrites,
        [
            {
                "source": "s",
                "conv": "c",
                "history": {"topic": ["T"], "turns": [{"role": "user", "text": "Hello."}]},
                "question": "Who?",
                "rewrite": "Who is it?",
            }
        ],
    ),
    "disfl_qa": (read_disfl_qa, {"q": {"original": "Who?", "disfluent": "Where no who?"}}),
    "documents": (read_documents, [{"doc_id": "d", "text": "It."}]),
    "turns": (
        read_turns,
        [{"id": "1", "doc_id": "d", "history": ["user:a"], "query": "user:b", "answer": "It.", "answer_start": 0}],
    ),
    "file of documents": (
        read_documents,
        [{"doc_data": {"a": {"d": {"doc_text": "It.", "spans": {"1": {"start_sp": 0, "end_sp": 3}}}}}}],
    ),
    "file of dialogues": (
        read_turns,
        [
            {
                "dial_data": {
                    "a": {
                        "d": [
                            {
                                "dial_id": "x",
                                "turns": [
                                    {"turn_id": 1, "role": "agent", "utterance": "It.", "references": [{"sp_id": "1"}]}
                                ],
                            }
                        ]
                    }
                }
            }
        ],
    ),
    "question_pages": (read_question_pages, [{"question": "Who?", "uri": "p.md", "gold_path_per_snapshot": ["x"]}]),
}
OTHERS = (None, 5, 1.5, "", "text", "\ud800", [], [5], {}, {"k": 5})


def places(parsed: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to everything in a document, the whole of it first."""
    yield before
    if isinstance(parsed, dict | list):
        for key in parsed if isinstance(parsed, dict) else range(len(parsed)):
            yield from places(parsed[key], (*before, key))


def changed(parsed: Any, way: tuple[Any, ...], other: Any) -> Any:
    """A copy with something else at a place, or nothing."""
    if not way:
        return other
    *above, last = way
    whole = copy.deepcopy(parsed)
    holder = whole
    for key in above:
        holder = holder[key]
    if other is ...:
        del holder[last]
    else:
        holder[last] = other
    return whole


@pytest.mark.parametrize("name", FORMATS)
def test_what_is_wrong_anywhere_is_told_in_plain_words(name: str):
    read, whole = FORMATS[name]
    read(whole)
    told = set()
    records = isinstance(whole, list) and read not in (read_canard, read_cast)
    for way in list(places(whole))[1 if records else 0 :]:
        for other in (*OTHERS, *([...] if way else [])):
            try:
                read(changed(whole, way, other))
            except DataInvalid as error:
                told.add(f"{error}")
    assert told
    for message in told - {message for message in told if message.startswith("No question names")}:
        assert re.match(r"This is not (a|Doc2Dial's) [^:]+: \S+ (is|has|does) [^_]+\.$", message), message
        assert not re.search(r"[Ii]nput|instance|dictionary|valid|another kind", message), message


def test_the_examples_of_the_documentation_are_read_in_the_order_of_its_table():
    page = (Path(__file__).parents[3] / "docs" / "rows.md").read_text("utf-8")
    examples = page.split("## Published files that are read", 1)[1].split("```json\n", 1)[1].split("```", 1)[0]
    parsed = [json.loads(line) for line in examples.splitlines()]
    whole = [read_squad, read_canard, read_cast, read_disfl_qa]
    by_record = [read_documents, read_turns, read_documents, read_turns, read_question_pages, read_rewrites]
    made = [read(example) for read, example in zip(whole, parsed[:4], strict=True)]
    made += [read([example]) for read, example in zip(by_record, parsed[4:], strict=True)]
    assert all(made)
    assert read_turns([parsed[5]], read_documents([parsed[4]])) == read_turns([parsed[7]])
