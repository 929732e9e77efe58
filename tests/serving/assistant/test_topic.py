"""A follow-up is searched with the conversation it goes on from; a question about something else is not."""

from __future__ import annotations

import pytest

from serving.assistant.query_rewrite import follow_up
from serving.assistant.topic import beside, leaving
from serving.interface.turns import Turn
from tests.fakes import ListLibrary
from tests.serving.interface.chatml import words

LIBRARY = ListLibrary(
    [
        ("ports.md", "The gateway listens on port 7001. Change the gateway port with listen_port."),
        ("backup.md", "Full backups of volumes run every Sunday. Incremental backups stay thirty days."),
        ("paint.md", "Nothing here."),
    ]
)
HISTORY = (
    Turn(role="user", content="Where does the gateway listen?"),
    Turn(role="assistant", content="The gateway listens on port 7001."),
)
STAYING = "Can I change that?"
ELSEWHERE = "When do full backups of volumes run on Sunday?"


def test_a_question_with_new_words_that_another_document_holds_leaves_the_topic() -> None:
    assert leaving(ELSEWHERE, HISTORY, LIBRARY) > 0.9
    assert leaving(STAYING, HISTORY, LIBRARY) < 0.05


def test_new_words_alone_do_not_leave_it() -> None:
    assert leaving("Does the gateway listen with gigantic purple elephants?", HISTORY, LIBRARY) < 0.5


def test_a_conversation_in_which_nothing_was_said_holds_no_topic() -> None:
    silent = (Turn(role="user", content=" \n"),)
    assert leaving(STAYING, silent, LIBRARY) == 1.0
    assert beside(STAYING, silent, LIBRARY) == ()


def test_a_follow_up_is_searched_mostly_with_what_was_said_the_question_first() -> None:
    (text, weight), *others = beside(STAYING, HISTORY, LIBRARY)
    assert text == "Can I change that? The gateway listens on port 7001. Where does the gateway listen?"
    assert weight > 5
    assert others == []


def test_a_longer_conversation_is_searched_in_two_lengths() -> None:
    older = tuple(Turn(role="user", content=f"Earlier {n} gateway?") for n in range(8))
    texts = [text for text, _ in beside(STAYING, (*older, *HISTORY), LIBRARY)]
    assert ["Earlier 6" in text for text in texts] == [True, True]
    assert ["Earlier 4" in text for text in texts] == [False, True]
    assert not any("Earlier 3" in text for text in texts)


def test_a_question_that_leaves_is_searched_alone_with_next_to_nothing_beside_it() -> None:
    assert sum(weight for _, weight in beside(ELSEWHERE, HISTORY, LIBRARY)) < 0.2


def test_a_long_turn_is_cut_so_that_the_embedder_reads_the_others_too() -> None:
    long = (Turn(role="assistant", content="word " * 1000), *HISTORY)
    ((text, _),) = beside(STAYING, long, LIBRARY)
    assert len(text) < 600


def test_a_long_turn_before_a_question_leaves_room_for_the_question() -> None:
    pasted = (Turn(role="user", content="line of a log\n" * 1000),)
    query = follow_up(STAYING, pasted, None, LIBRARY, words)
    assert query.text.startswith("line of a log line of a log")
    assert query.text.endswith(STAYING)
    assert len(query.text) < 500


@pytest.mark.parametrize("written", [None, "Can I change the gateway port?"])
def test_evidence_is_sought_for_the_question_alone_whatever_is_searched_beside_it(written: str | None) -> None:
    query = follow_up(STAYING, HISTORY, written, LIBRARY, words)
    assert sum(weight for _, weight in query.searches) == pytest.approx(1)
    assert not any("7001" in text for text, _ in query.searches)
    assert any("7001" in text for text, _ in query.beside)
    assert [hit.passage.uri for hit in LIBRARY.search(query, 1).hits] == ["ports.md"]


def test_an_empty_library_stays_with_the_topic() -> None:
    assert leaving(STAYING, HISTORY, ListLibrary([])) < 0.1
