"""A question without a rewrite stands after what the user said before it, and is never too long for that."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from serving.interface.standalone import TURN_CHARACTERS, standalone, wordings
from serving.interface.turns import QUESTION_TOKENS, Turn
from tests.serving.interface.chatml import HOSTILE, words

TURNS = st.lists(st.builds(Turn, role=st.sampled_from(["user", "assistant"]), content=HOSTILE), max_size=4)


def user(content: str) -> Turn:
    return Turn(role="user", content=content)


def test_only_what_the_user_said_last_stands_before_the_question() -> None:
    said = [user("How do I pause?"), user("And resume?"), Turn(role="assistant", content="Press Resume.")]
    assert standalone("When?", said, words) == "And resume? When?"


def test_a_first_question_is_left_as_it_is() -> None:
    assert standalone("When?", [], words) == "When?"
    assert standalone("When?", [Turn(role="assistant", content="Hello.")], words) == "When?"


@given(HOSTILE.map(str.strip).filter(bool), TURNS)
def test_the_question_stands_whole_at_the_end(question: str, said: list[Turn]) -> None:
    text = standalone(question, said, len)
    assert text.endswith(question)
    assert len(text) <= len(question) + 1 + TURN_CHARACTERS


@given(st.integers(1, QUESTION_TOKENS), TURNS)
def test_both_together_are_as_long_as_a_question_may_be(length: int, said: list[Turn]) -> None:
    text = standalone("w " * (length - 1) + "w?", said, words)
    assert words(text) <= QUESTION_TOKENS


def test_what_was_said_before_gives_way_to_a_long_question() -> None:
    question = " ".join(f"w{i}" for i in range(QUESTION_TOKENS - 10))
    text = standalone(question, [user(" ".join("abcdefghijklmnopqrst"))], words)
    assert text == f"a b c d e f g h i j {question}"
    whole = " ".join(f"w{i}" for i in range(QUESTION_TOKENS))
    assert standalone(whole, [user("Before?")], words) == whole


def test_a_blank_turn_is_nothing_that_was_said() -> None:
    assert standalone("When?", [user("How do I pause?"), user(" \u200b ")], words) == "How do I pause? When?"


def test_a_first_question_has_one_wording_and_a_follow_up_two() -> None:
    assert wordings(" When? ", [], words) == ("When?",)
    assert wordings("When?", [user("How do I pause?")], words) == ("When?", "How do I pause? When?")
