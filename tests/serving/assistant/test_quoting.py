"""The answer that is quoted: what is said alike on several pages is said once."""

from __future__ import annotations

from serving.assistant.quoting import quote
from serving.interface.citation import CitedSentence
from serving.interface.context import ContextPassage, build_context

STOP, AWS, GCP = "Use `down` to stop a cluster.", "It runs on one cloud.", "It runs on another cloud."
CONTEXT = build_context(
    [ContextPassage(id="a", text=f"{AWS} {STOP}"), ContextPassage(id="b", text=f"{STOP} {GCP}")], len
)


def test_a_sentence_of_two_pages_is_quoted_once_and_cites_both() -> None:
    assert quote(CONTEXT, [0, 1, 2]) == (CitedSentence(AWS, (1,)), CitedSentence(STOP, (2, 3)))


def test_sentences_that_differ_are_quoted_one_by_one_in_reading_order() -> None:
    assert quote(CONTEXT, [0, 3]) == (CitedSentence(AWS, (1,)), CitedSentence(GCP, (4,)))
