"""Sentences are exact, ordered, disjoint slices that leave out only white space."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.interface.plain import plain
from serving.interface.sentences import MAX_CHARACTERS, ends_in_code, split_sentences

PROSE = ["Some prose. And more!", "- item e\u0301 👩\u200d👧", "1. step", "wörter。次の文。", "x" * 700, "word " * 300]
MARKUP = [
    "# Heading",
    "Title",
    "=====",
    "```",
    "  code = [3]",
    "run::",
    "",
    "| a | b |",
    ".. note::",
    ".. _label:",
    "\t",
]
LINES = st.sampled_from([*PROSE, *MARKUP, "+---+", "~~~~"])
DOCUMENTS = st.lists(LINES, max_size=12).map("\n".join) | st.text() | st.lists(LINES).map("\r\n".join)


@given(DOCUMENTS)
def test_sentences_are_ordered_slices_and_leave_out_only_white_space(text: str) -> None:
    end = 0
    for sentence in split_sentences(text):
        assert text[sentence.start : sentence.end] == sentence.text
        assert sentence.text == (sentence.text.rstrip() if sentence.kind == "code" else sentence.text.strip())
        assert not text[end : sentence.start].strip()
        assert 0 < len(sentence.text) <= MAX_CHARACTERS or sentence.kind in {"heading", "markup"}
        end = sentence.end
    assert not text[end:].strip()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("Use e.g. Docker or v1.2 of it. Done.", ["Use e.g. Docker or v1.2 of it.", "Done."]),
        ("A line that\nis wrapped. Next.", ["A line that\nis wrapped.", "Next."]),
        ("- first item\n- second. It goes on.\n", ["- first item", "- second.", "It goes on."]),
        ("1. Open it.\n2. Close it.", ["1. Open it.", "2. Close it."]),
        ("再開する。次へ。", ["再開する。", "次へ。"]),
        ("Dr. Smith agreed. J. Doe did not.", ["Dr. Smith agreed.", "J. Doe did not."]),
        ("Это т. е. так. Используйте напр. файл.", ["Это т. е. так.", "Используйте напр. файл."]),
        ("「はい。」と。次へ。", ["「はい。」", "と。", "次へ。"]),
        ("The answer is no. See No. 5.", ["The answer is no.", "See No. 5."]),
        ("یہ ہے۔ وہ ہے؟ ہاں۔", ["یہ ہے۔", "وہ ہے؟", "ہاں۔"]),
        ('He said "yes." Then left.', ['He said "yes."', "Then left."]),
        (".. note:: Long text\n   continued. More.\nBelow.", [".. note:: Long text\n   continued.", "More.", "Below."]),
    ],
)
def test_prose_is_cut_at(text: str, expected: list[str]) -> None:
    assert [sentence.text for sentence in split_sentences(text)] == expected


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("# Title\n\nProse.", ["heading", "prose"]),
        ("Title\n=====\n\nProse.", ["heading", "prose"]),
        ("=====\nTitle\n=====\n", ["heading"]),
        ("Run:\n\n```sh\nmake\n\nmake test\n```\nDone.", ["prose", "code", "prose"]),
        ("Run::\n\n    make\n\n    make test\n\nDone.", ["prose", "code", "prose"]),
        (".. code-block:: sh\n\n   make\n\nDone.", ["markup", "code", "prose"]),
        (".. option:: --now\n\n   Starts at once.", ["heading", "prose"]),
        (".. _label:\n\n.. note::\n\n   Mind this.", ["markup", "markup", "prose"]),
        ("```\nnever closed", ["code"]),
        ("Run this:\n```\nmake build\n```\nDone.", ["prose", "code", "prose"]),
        ("Run this:\n~~~\nmake\n~~~\nDone.", ["prose", "code", "prose"]),
        ("| a. B | c |\n| d | e |\n\nProse.", ["row", "row", "prose"]),
        ("Title\n~~~~~\n\nProse.", ["heading", "prose"]),
        ("Output is long.\n...\nMore.", ["prose", "markup", "prose"]),
    ],
)
def test_the_parts_of_a_page_are_told_apart(text: str, kinds: list[str]) -> None:
    assert [sentence.kind for sentence in split_sentences(text)] == kinds


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("See [the guide](guide.md) now.", "See the guide now."),
        ("See :ref:`the guide <guide>` and :doc:`intro`.", "See the guide and `intro`."),
        ("See `our site <https://example.org>`__.", "See our site."),
        ("- Set ``port`` to **7001**", "Set `port` to 7001"),
        ("2 * 3 ** 4 and `a` stay", "2 * 3 ** 4 and `a` stay"),
        ("2**8 is 256 and 2**9 is 512", "2**8 is 256 and 2**9 is 512"),
        ("f(*args, **kwargs) and g(**kwargs)", "f(*args, **kwargs) and g(**kwargs)"),
        ("handlers[0](event) and `a[i](b)`", "handlers[0](event) and `a[i](b)`"),
        ('see [x](http://e.org/Foo_(bar)) and [y](b.md "T")', "see x and y"),
        ("*.py, *.md and *this*", "*.py, *.md and this"),
        ("[`foo`](bar.md), [a][b], arr[1][2]", "`foo`, a, arr[1][2]"),
        (".. note:: Mind :class:`~a.b.C`", "Mind `a.b.C`"),
    ],
)
def test_inline_markup_is_taken_off(text: str, shown: str) -> None:
    assert plain(text) == shown


@pytest.mark.parametrize(
    ("text", "open_at_end"),
    [
        ("a\n```sh\nb", True),
        ("a\n```sh\nb\n```\n", False),
        ("```\n~~~\nb", True),
        ("````\n```\nb", True),
        ("Title\n~~~~~\n\nb", False),
        ("", False),
    ],
)
def test_it_is_known_where_code_is_left_open(text: str, open_at_end: bool) -> None:
    assert ends_in_code(text) is open_at_end


def test_code_keeps_the_indentation_of_its_lines_to_each_other() -> None:
    (_, code) = split_sentences("Run::\n\n    if x:\n        go()\n")
    assert code.text == "    if x:\n        go()"
