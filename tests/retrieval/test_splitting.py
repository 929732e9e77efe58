"""Splitting: offsets are exact, headings are kept apart, nothing is lost, nothing is too long."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.documents import Document, Passage
from retrieval.headings import body_start, dialect_of, find_headings
from retrieval.markup import without_markup
from retrieval.splitting import Limits, make_splitter

_TIGHT = Limits(tokens=24, words=20, characters=160, context_tokens=10, embedded_tokens=40)


def _count(text: str) -> int:
    """A readable tokenizer: words and marks, and two special tokens around them."""
    return 2 + len(re.findall(r"\w+|[^\w\s]", text))


_tight = make_splitter(_count, _TIGHT)
_default = make_splitter(_count)


def _document(text: str, path: str = "page.md", title: str = "Page") -> Document:
    return Document(f"docs:{path}", "docs", f"docs/{path}", title, text, content_hash="0")


def _texts(text: str, path: str = "page.md") -> list[str]:
    return [passage.text for passage in _tight.split(_document(text, path))]


# What holds for every document

_blocks = st.sampled_from(
    [
        "# One",
        "## Two `code`",
        "Setext\n------",
        "Words of a sentence. And 😀 another, with e\u0301 and \U0001f1e9\U0001f1ea; and more, and more.",
        "- an item\n- another item\n  - an inner one\n1. counted",
        "```py\n# no heading\n\nx = 1\n```",
        "~~~\nopen and never closed",
        "| a | b |\n| --- | --- |\n| 1 | 2 |",
        ".. note:: Text\n   :name: x\n\n   indented",
        ".. _label:",
        "====\nOver\n====",
        "Under\n=====",
        "same again",
        "same again",
        "long" * 60,
        "句子没有空格。" * 12,
        "a long sentence without any end that goes on and on " * 6,
        "<!-- comment -->",
        "---",
        "",
    ]
)
_newlines = st.sampled_from(["\n", "\n\n", "\r\n", "\r\n\r\n", "\n\n\n", "\r", " \n", "\u2028", "\x0c\n"])
_built = st.lists(st.tuples(_blocks, _newlines), max_size=14).map(lambda parts: "".join(a + b for a, b in parts))
_front = st.sampled_from(["", "", "---\ntitle: x\n---\n"])
_pages = st.builds(str.__add__, _front, _built) | st.text(max_size=300)
_paths = st.sampled_from(["a.md", "a.rst", "a.txt", "a.pdf", "a.html"])


@settings(max_examples=300, deadline=None)
@given(text=_pages, path=_paths)
def test_every_passage_is_its_slice_in_order_within_limits_and_below_its_headings(text: str, path: str) -> None:
    document = _document(text, path, title="A title of several words, longer than there is room for it")
    passages = _tight.split(document)
    headings = find_headings(text, dialect_of(document.uri))
    end = body_start(text, dialect_of(document.uri))
    for passage in passages:
        assert passage.text == text[passage.start : passage.end]
        assert passage.text == passage.text.strip() != ""
        assert end <= passage.start < passage.end
        assert not any(passage.start < heading.end and heading.start < passage.end for heading in headings)
        assert _count(passage.embedded_text) <= _TIGHT.embedded_tokens
        assert len(passage.text.split()) <= _TIGHT.words
        assert len(passage.text) <= _TIGHT.characters
        end = passage.end
    assert len({passage.id for passage in passages}) == len(passages)
    _assert_nothing_is_lost(document, passages)


def _assert_nothing_is_lost(document: Document, passages: list[Passage]) -> None:
    """What lies between passages and headings is white space or markup alone."""
    dialect = dialect_of(document.uri)
    headings = find_headings(document.text, dialect)
    taken = sorted([(each.start, each.end) for each in (*headings, *passages)])
    position = body_start(document.text, dialect)
    for start, end in [*taken, (len(document.text), len(document.text))]:
        assert without_markup(document.text[position:start], dialect).strip() == ""
        position = end


@settings(max_examples=50, deadline=None)
@given(text=_pages, path=_paths)
def test_splitting_twice_gives_the_same_passages(text: str, path: str) -> None:
    assert _tight.split(_document(text, path)) == make_splitter(_count, _TIGHT).split(_document(text, path))


# Sections


def test_a_passage_ends_where_the_next_heading_begins_and_knows_the_headings_above() -> None:
    text = "# Page\n\nIntro.\n\n## A\n\nUnder A.\n\n### B\n\nUnder B.\n\n## C\n\nUnder C."
    found = [(p.text, p.heading_path, p.embedded_text) for p in _default.split(_document(text))]
    assert found == [
        ("Intro.", (), "Page\nIntro."),
        ("Under A.", ("A",), "Page > A\nUnder A."),
        ("Under B.", ("A", "B"), "Page > A > B\nUnder B."),
        ("Under C.", ("C",), "Page > C\nUnder C."),
    ]


def test_rst_levels_follow_the_order_in_which_styles_appear() -> None:
    text = "====\nPage\n====\n\nA\n~\n\nA\n~~~\n\nx\n\nB\n^^^\n\ny\n\nC\n~~~\n\nz"
    found = [(p.text, p.heading_path) for p in _default.split(_document(text, "page.rst"))]
    assert ("y", ("A", "B")) in found
    assert found[-1] == ("z", ("C",))


def test_headings_with_windows_line_ends_are_headings() -> None:
    text = "Page\r\n====\r\n\r\nIntro.\r\n\r\nA\r\n---\r\nBody.\r\n"
    assert [(p.text, p.heading_path) for p in _default.split(_document(text, "a.md"))] == [
        ("Intro.", ()),
        ("Body.", ("A",)),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "```\n# a comment\n```",
        "    # indented code",
        "- item\n\n  ```\n  # in a list\n  ```",
        "> # in a quote",
        "#hashtag, no heading",
        "<!--\n# commented out\n-->\n\nx",
    ],
)
def test_what_only_looks_like_a_heading_stays_in_the_text(text: str) -> None:
    assert find_headings(text, "markdown") == []


@pytest.mark.parametrize(
    "text",
    [
        "para\ngraph\n-----\n",
        "=====  =====\na      b\n=====  =====\n1      2\n=====  =====",
        "Far too long for its line\n---\n",
        "   indented\n   --------\n",
        "above\n\n----\n\nbelow",
        "+---+\n| a |\n+---+",
    ],
)
def test_what_only_looks_like_an_rst_heading_stays_in_the_text(text: str) -> None:
    assert find_headings(text, "rst") == []


def test_front_matter_is_neither_text_nor_heading() -> None:
    (passage,) = _default.split(_document("---\ntitle: x\n---\nBody."))
    assert passage.text == "Body."


def test_headings_alone_make_no_passage() -> None:
    assert _default.split(_document("# A\n\n## B\n")) == []
    assert _default.split(_document("")) == []


# Joints


def test_code_that_fits_into_a_passage_is_not_parted() -> None:
    code = "```py\na = 1\n\nb = 2\n\nc = 3\n```"
    text = f"{'Words before it. ' * 4}\n\n{code}\n\n{'Words after it. ' * 4}"
    assert any(code in passage for passage in _texts(text))


def test_code_too_long_for_a_passage_is_cut_between_lines() -> None:
    code = "\n".join(f"value_{n} = compute({n})" for n in range(20))
    found = _texts(f"```\n{code}\n```")
    assert len(found) > 2
    lines = [line for passage in found for line in passage.splitlines()]
    assert lines == ["```", *code.splitlines(), "```"]


def test_prose_too_long_for_a_passage_is_cut_between_sentences() -> None:
    sentences = [f"This is sentence {n} of a\nparagraph with hard breaks." for n in range(9)]
    found = _texts(" ".join(sentences))
    assert len(found) > 2
    assert all(passage.endswith("breaks.") for passage in found)


def test_indented_prose_is_cut_between_sentences_too() -> None:
    text = ".. note::\n\n" + "\n".join(f"   This is sentence {n} of a\n   note that is long." for n in range(9))
    found = _texts(text, "a.rst")
    assert len(found) > 2
    assert all(passage.endswith("long.") for passage in found)


def test_what_is_announced_by_a_colon_stays_with_the_announcement() -> None:
    text = "Some first words that fill up the passage a little more.\n\nRun this one:\n\n```\nmake it so, now\n```"
    assert any("Run this one:\n\n```\nmake" in passage for passage in _texts(text))


def test_a_string_without_spaces_is_chopped_and_not_lost() -> None:
    found = make_splitter(lambda text: 2 + len(text.split())).split(_document("A" * 100_000))
    assert "".join(passage.text for passage in found) == "A" * 100_000
    assert max(len(passage.text) for passage in found) <= Limits().characters


# Context and markup


def test_a_context_too_long_for_its_share_loses_outer_headings_first() -> None:
    text = "# Page\n\n## one two three\n\n### four five six\n\n#### seven eight\n\nBody."
    (passage,) = _tight.split(_document(text))
    assert passage.heading_path == ("one two three", "four five six", "seven eight")
    assert passage.embedded_text == "Page > four five six > seven eight\nBody."


@pytest.mark.parametrize(
    ("path", "text", "seen"),
    [
        ("a.md", "See [the guide](guide.md) and ![a plan](x.png).", "See the guide and a plan."),
        ("a.md", "(label)=\n\n{ref}`words <target>` and {py:class}`~a.B`", "words and a.B"),
        ("a.md", "```{note}\n:name: x\n**Bold** `code`\n```", "Bold code"),
        ("a.md", "a\n\n[ref]: https://example.org", "a"),
        ("a.md", "<br/>x <kbd class='k'>y</kbd> <pod-name><!-- gone -->", "x y <pod-name>"),
        ("a.md", "`__init__` of **all**", "__init__ of all"),
        ("a.md", "| a | b |\n| --- | --- |", "| a | b |"),
        ("a.rst", ":class:`~a.B` and :ref:`words <target>`", "a.B and words"),
        ("a.rst", "`Link <https://example.org>`_ and `named`_", "Link and named"),
        ("a.rst", ".. image:: x.png\n   :alt: y\n\nText", "Text"),
        ("a.rst", ".. note:: Text\n", "Text"),
        ("a.rst", "=====  ====\na      b\n=====  ====", "a      b"),
        ("a.pdf", "**kept** [as](it) is", "**kept** [as](it) is"),
    ],
)
def test_markup_is_kept_in_the_text_and_kept_from_the_encoder(path: str, text: str, seen: str) -> None:
    (passage,) = _default.split(_document(text, path))
    assert passage.text == text.strip()
    assert passage.embedded_text == f"Page\n{seen}"


def test_a_stretch_of_markup_alone_makes_no_passage() -> None:
    found = _default.split(_document(":orphan:\n\n.. _top:\n\nPage\n====\n\nBody.", "a.rst"))
    assert [passage.text for passage in found] == ["Body."]


# Identity


def test_an_insertion_above_leaves_the_ids_below_as_they_were() -> None:
    before = _default.split(_document("# Page\n\n## A\n\nsame\n\n## B\n\nother"))
    after = _default.split(_document("# Page\n\n## New\n\nnew\n\n## A\n\nsame\n\n## B\n\nother"))
    assert [passage.id for passage in before] == [passage.id for passage in after[1:]]
    assert before[0].start != after[1].start


def test_equal_texts_of_one_document_have_ids_of_their_own() -> None:
    first, second = _default.split(_document("## A\n\nsame\n\n## A\n\nsame"))
    assert first.embedded_text == second.embedded_text
    assert first.id != second.id


def test_equal_texts_of_two_documents_have_ids_of_their_own() -> None:
    (here,) = _default.split(_document("same", "a.md"))
    (there,) = _default.split(_document("same", "b.md"))
    assert here.embedded_text == there.embedded_text
    assert here.id != there.id


def test_ids_are_pinned_since_every_index_is_built_on_them() -> None:
    (passage,) = _default.split(_document("same", "a.md"))
    assert passage.id == "6f2a49de-cc57-52be-a979-9399280241e3"


def test_the_digest_tells_limits_apart_and_is_the_same_for_the_same_ones() -> None:
    assert _default.digest == make_splitter(len).digest
    assert _default.digest != make_splitter(_count, replace(Limits(), tokens=219)).digest


def test_passages_carry_the_trust_of_their_source() -> None:
    (passage,) = _default.split(replace(_document("x"), trust="unreviewed"))
    assert passage.trust == "unreviewed"
