"""Parsing: what each format becomes, and what each broken file gets."""

from __future__ import annotations

import codecs
import hashlib
import io
import json
import logging
import zipfile
from collections.abc import Callable
from pathlib import Path

import docx
import pytest
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls
from hypothesis import given
from hypothesis import strategies as st
from pypdf import PdfReader, PdfWriter

from retrieval.documents import Document
from retrieval.errors import UnreadableDocument
from retrieval.parsing import parse
from retrieval.parsing.docx import read_docx
from retrieval.sources.folder import FolderSource, SourceFile

_SOURCE = FolderSource("docs", Path("unused"), trust="community")


def _parse(path: str, content: bytes | str) -> Document:
    raw = content if isinstance(content, bytes) else content.encode()
    return parse(_SOURCE, SourceFile(path, Path("unused") / path), raw)


def test_a_document_knows_where_it_is_from() -> None:
    document = _parse("a/b.md", "# T\n\nbody")
    assert (document.id, document.uri, document.source) == ("docs:a/b.md", "docs/a/b.md", "docs")
    assert document.trust == "community"
    assert document.content_hash == hashlib.sha256(b"# T\n\nbody").hexdigest()


# Text formats: exact


@given(text=st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from("\n\r\t")))
@pytest.mark.parametrize("suffix", ["md", "rst", "txt"])
def test_text_formats_keep_their_decoded_text_exactly(suffix: str, text: str) -> None:
    stored = _parse(f"a.{suffix}", text).text
    assert stored == text.removeprefix("\ufeff")


@given(text=st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1))
@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (codecs.BOM_UTF32_BE, "utf-32-be"),
    ],
)
def test_a_byte_order_mark_names_the_encoding_and_is_not_stored(mark: bytes, encoding: str, text: str) -> None:
    assert _parse("a.md", mark + text.encode(encoding)).text == text


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1252", "Der Schlüssel öffnet die Tür für alle. Größe: 5 cm – „gut“."),
        ("latin-1", "Le café est très élégant, déjà vu à l'été."),
        ("latin-1", "café"),
        ("cp1250", "Zażółć gęślą jaźń. Wszystkie pliki są łatwo dostępne w każdej chwili."),
        ("cp1251", "Настройка сервера и клиента для пользователей."),
        ("shift_jis", "サーバーの設定をします。これはテストです。"),
        ("gb18030", "服务器配置指南，用户可以使用这个。"),
    ],
)
def test_older_encodings_are_told_by_their_letters(encoding: str, text: str) -> None:
    assert _parse("a.txt", text.encode(encoding)).text == text


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"\x7fELF\x02\x01\x00\x00", "NUL bytes"),
        ("no mark".encode("utf-16-le"), "NUL bytes"),
        (bytes(range(1, 32)) * 10, "control characters"),
        (hashlib.sha512(b"noise").digest() * 9, "encoding that cannot be told|control characters|decode as such"),
        (codecs.BOM_UTF16_LE + b"\x00\xd8a", "utf-16-le"),
        (codecs.BOM_UTF8 + b"many words " * 99 + b"\0", "NUL"),
        ("one \0".encode("utf-16"), "NUL"),
    ],
)
def test_binary_named_md_is_unreadable_with_reason_and_remedy(content: bytes, says: str) -> None:
    with pytest.raises(UnreadableDocument, match=says) as raised:
        _parse("a/binary.md", content)
    assert "a/binary.md" in str(raised.value)
    assert "UTF-8" in raised.value.remedy


def test_an_empty_file_is_an_empty_document() -> None:
    assert _parse("getting-started.md", b"").text == ""
    assert _parse("getting-started.md", b"").title == "Getting started"


# Titles


@pytest.mark.parametrize(
    ("path", "content", "title"),
    [
        ("a.md", "intro\n\n## Second `level` first\n\n# Later", "Second level first"),
        ("a.md", "---\ntitle: 'From: matter'\n---\n# Heading", "From: matter"),
        ("a.md", "---\ntags: [x]\n---\n# Heading", "Heading"),
        ("a.md", "---\n: broken: [yaml\n---\n# Heading", "Heading"),
        ("a.md", "```\n# a comment\n```\n\nSetext\n======\n", "Setext"),
        ("a.md", "# [Linked](x.md) and ![image](y.png) *words*", "Linked and image words"),
        ("a.rst", ".. _label:\n\n====\nOver\n====\n\nx", "Over"),
        ("a.rst", "Under :ref:`text <target>`\n--------------------------\n", "Under text"),
        ("a.txt", "NOTES\n=====\n\nx", "NOTES"),
        ("how_to-install.md", "no heading", "How to install"),
        ("guides/setup/index.md", "no heading", "Setup"),
        ("README.md", "no heading", "Docs"),
        ("a.html", "<title>Page - Site</title><body><h1>Page</h1>x", "Page"),
        ("a.html", "<title>Page - Site</title><body>x", "Page - Site"),
        ("a.md", f"# {'long ' * 100}", f"{('long ' * 100)[:199]}…"),
    ],
)
def test_the_title_comes_from_the_best_place_there_is(path: str, content: str, title: str) -> None:
    assert _parse(path, content).title == title


_EXPLODING = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9))


@pytest.mark.parametrize(
    ("matter", "title"),
    [
        ("title: x\ndate: 2024-02-30", "x"),
        ("title: x\nid: 0x_", "x"),
        (f"title: x\nid: {'9' * 5000}", "x"),
        ("title: 2024", "2024"),
        ("[" * 3000, "Heading"),
        ("title: [a, list]", "Heading"),
        (f"{_EXPLODING}title: *a8", "Heading"),
        ('title: "\\ud800half\\0"', "\ufffdhalf"),
    ],
    ids=["no such day", "no such number", "long number", "number", "deep", "list", "exploding", "half a surrogate"],
)
def test_odd_front_matter_costs_no_page(matter: str, title: str) -> None:
    document = _parse("a.md", f"---\n{matter}\n---\n# Heading\n\nbody")
    assert document.title == title
    assert document.title.encode()


# HTML


_PAGE = """<!DOCTYPE html><html><head><title>T</title><style>p {}</style><script>var x</script></head>
<body><header>Banner</header><nav>Menu</nav><main><h1>Big <em>one</em><a class="headerlink" href="#">¶</a></h1>
<p>Some <b>bold</b> my_var*x* <a href="u">link</a>
wrapped.</p><p hidden>secret</p><p style="display: none">secret</p><!-- secret -->
<h3>Sub</h3><ul><li>one<ul><li>inner</li></ul></li><li>two</li></ul>
<div class="highlight-python"><pre># no heading
x = 1
</pre></div>
<table><tr><th>k</th><th>v</th></tr><tr><td>1</td><td>2</td></tr></table></main><footer>Foot</footer></body></html>"""


def test_html_becomes_its_main_content_with_headings_lists_code_and_tables() -> None:
    text = _parse("a.html", _PAGE).text
    for expected in (
        "# Big one\n\nSome bold my_var*x* link\nwrapped.",
        "### Sub\n\n- one\n  - inner\n- two",
        "```python\n# no heading\nx = 1\n```",
        "| k | v |\n| --- | --- |\n| 1 | 2 |",
    ):
        assert expected in text
    for clutter in ("Banner", "Menu", "Foot", "secret", "¶", "var x", "p {}"):
        assert clutter not in text


def test_html_in_a_declared_older_encoding_is_read_as_declared() -> None:
    page = '<meta charset="iso-8859-2"><body><h1>Zażółć</h1>'
    assert _parse("a.htm", page.encode("iso-8859-2")).text == "# Zażółć"


@pytest.mark.parametrize("declared", ["iso-8859-1", "latin1", "us-ascii"])
def test_html_that_declares_latin_1_is_read_as_browsers_read_it(declared: str) -> None:
    page = f'<meta charset="{declared}"><p>“quoted”, it’s 5 €'.encode("cp1252")
    assert _parse("a.html", page).text == "“quoted”, it’s 5 €"
    assert _parse("a.html", page + b"\x81").text.startswith("“quoted”, it’s 5 €")


def test_html_that_declares_nonsense_is_unreadable() -> None:
    with pytest.raises(UnreadableDocument, match="klingon"):
        _parse("a.html", '<meta charset="klingon"><p>é'.encode("latin-1"))


def test_html_without_any_tag_is_text() -> None:
    assert _parse("a.html", "https://example.org/only").text == "https://example.org/only"


# Notebooks


def _notebook(*cells: dict[str, object], **metadata: object) -> str:
    return json.dumps({"nbformat": 4, "metadata": metadata, "cells": cells})


def test_a_notebook_becomes_its_cells_with_code_fenced_and_outputs_left_out() -> None:
    text = _parse(
        "a.ipynb",
        _notebook(
            {"cell_type": "markdown", "source": ["# Title\n", "\n", "Words"]},
            {"cell_type": "code", "source": "# no heading\nprint('```')", "outputs": [{"text": "printed"}]},
            {"cell_type": "code", "source": ""},
            language_info={"name": "python"},
        ),
    ).text
    assert text == "# Title\n\nWords\n\n````python\n# no heading\nprint('```')\n````"


def test_half_a_surrogate_in_a_notebook_is_replaced_and_a_pair_is_a_character() -> None:
    cell = '{"cells": [{"cell_type": "markdown", "source": "\\ud83d\\ude00 \\ud83d"}]}'
    assert _parse("a.ipynb", cell).text == "😀 \ufffd"


@pytest.mark.parametrize(
    "content", ["{", '{"cells": {}}', '{"worksheets": []}', '{"cells": [{"source": "x"}]}', '{"cells": [1]}']
)
def test_a_broken_notebook_is_unreadable(content: str) -> None:
    with pytest.raises(UnreadableDocument, match=r"nb\.ipynb is no readable ipynb file") as raised:
        _parse("nb.ipynb", content)
    assert raised.value.__cause__ is not None


def test_a_notebook_that_was_flattened_before_is_kept_as_it_is() -> None:
    document = _parse("a.ipynb", "# Title\r\n\n```python\nx = {}\n```\n")
    assert document.text == "# Title\r\n\n```python\nx = {}\n```\n"
    assert document.title == "Title"


# PDF


def _pdf(*pages: str, title: str = "") -> bytes:
    """A PDF written by hand, one line of text a page."""
    contents = [f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET" for text in pages]
    kids = " ".join(f"{5 + 2 * n} 0 R" for n in range(len(pages)))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        f"<< /Title ({title}) >>",
    ]
    for number, content in enumerate(contents):
        font = "/Resources << /Font << /F1 3 0 R >> >>"
        objects.append(f"<< /Type /Page /Parent 2 0 R {font} /Contents {6 + 2 * number} 0 R >>")
        objects.append(f"<< /Length {len(content)} >>\nstream\n{content}\nendstream")
    out, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, start=1):
        places.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n".encode()
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    start = len(out)
    out += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}".encode()
    trailer = f"trailer << /Size {len(objects) + 1} /Root 1 0 R /Info 4 0 R >>\nstartxref\n{start}\n%%EOF"
    return out + trailer.encode()


def test_a_pdf_becomes_the_text_of_its_pages() -> None:
    document = _parse("a.pdf", _pdf("First page.", "Second page.", title="The manual"))
    assert document.text == "First page.\n\nSecond page."
    assert document.title == "The manual"


def test_a_pdf_with_a_title_that_a_program_made_up_is_named_after_its_file() -> None:
    assert _parse("user-manual.pdf", _pdf("x", title="Microsoft Word - x.doc")).title == "User manual"


def _encrypted_pdf() -> bytes:
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(_pdf("secret"))))
    writer.encrypt("password", algorithm="RC4-128")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: b"%PDF-1.4\nbroken", id="broken"),
        pytest.param(lambda: b"no pdf at all", id="no pdf"),
        pytest.param(lambda: b"", id="empty"),
        pytest.param(lambda: _pdf("x" * 500)[:300], id="cut short"),
        pytest.param(_encrypted_pdf, id="encrypted"),
        pytest.param(lambda: _pdf(""), id="scan"),
    ],
)
def test_a_pdf_without_readable_text_is_unreadable_and_nothing_reaches_the_terminal(
    make: Callable[[], bytes], capfd: pytest.CaptureFixture[str]
) -> None:
    content = make()
    with pytest.raises(UnreadableDocument, match=r"m\.pdf is no readable pdf file: \S") as raised:
        _parse("m.pdf", content)
    assert raised.value.__cause__ is not None
    assert capfd.readouterr() == ("", "")


def test_silencing_a_parser_leaves_its_logger_as_it_was() -> None:
    with pytest.raises(UnreadableDocument):
        _parse("m.pdf", b"")
    assert logging.getLogger("pypdf").disabled is False


# Word


def _docx() -> bytes:
    word = docx.Document()
    word.add_heading("The handbook", level=0)
    word.add_heading("Install", level=1)
    word.add_paragraph("First paragraph.")
    word.add_paragraph("one", style="List Bullet")
    word.add_paragraph("two", style="List Bullet")
    table = word.add_table(rows=2, cols=2)
    for cell, value in zip((c for row in table.rows for c in row.cells), "kv12", strict=True):
        cell.text = value
    word.add_heading("Deeper", level=2)
    word.add_paragraph("Last.")
    out = io.BytesIO()
    word.save(out)
    return out.getvalue()


def test_a_word_file_becomes_headings_paragraphs_lists_and_tables_in_order() -> None:
    document = _parse("a.docx", _docx())
    assert document.text == (
        "# The handbook\n\n# Install\n\nFirst paragraph.\n\n- one\n- two\n\n"
        "| k | v |\n| --- | --- |\n| 1 | 2 |\n\n## Deeper\n\nLast."
    )
    assert document.title == "The handbook"


def _word_with(body: str) -> bytes:
    """A Word file whose body is this, in WordprocessingML."""
    word = docx.Document()
    for element in parse_xml(f"<w:body {nsdecls('w')}>{body}</w:body>"):
        word.element.body.insert(len(word.element.body) - 1, element)
    out = io.BytesIO()
    word.save(out)
    return out.getvalue()


def _p(text: str) -> str:
    return f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>"


_CONTROL, _END = "<w:sdt><w:sdtPr/><w:sdtContent>", "</w:sdtContent></w:sdt>"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (f"{_p('one')}{_CONTROL}{_CONTROL}{_p('inside')}{_END}{_END}{_p('two')}", "one\n\ninside\n\ntwo"),
        (f"<w:p><w:r><w:t>a </w:t></w:r>{_CONTROL}<w:r><w:t>b</w:t></w:r>{_END}</w:p>", "a b"),
        (
            f"<w:tbl><w:tblPr/><w:tblGrid><w:gridCol/><w:gridCol/></w:tblGrid>{_CONTROL}<w:tr>"
            f"<w:tc>{_p('k')}{_CONTROL}{_p('more')}{_END}</w:tc>{_CONTROL}<w:tc>{_p('v')}</w:tc>{_END}</w:tr>{_END}</w:tbl>",
            "| k more | v |\n| --- | --- |",
        ),
        (
            "<w:tbl><w:tblPr/><w:tblGrid><w:gridCol/></w:tblGrid><w:tr><w:tc>"
            f"<w:tbl><w:tblPr/><w:tblGrid><w:gridCol/></w:tblGrid><w:tr><w:tc>{_p('nested')}</w:tc></w:tr></w:tbl>"
            '<w:p><w:ins w:id="1" w:author="a"><w:r><w:t>inserted</w:t></w:r></w:ins>'
            '<w:del w:id="2" w:author="a"><w:r><w:delText>deleted</w:delText></w:r></w:del></w:p>'
            "</w:tc></w:tr></w:tbl>",
            "| nested inserted |\n| --- |",
        ),
        (
            f"{_p('# no heading')}{_p('#hash')}{_p('```')}{_p('####### seven')}",
            "\\# no heading\n\n#hash\n\n\\```\n\n####### seven",
        ),
    ],
    ids=["control", "control in a line", "controls in a table", "nested table and insertion", "marks"],
)
def test_no_word_of_a_word_file_is_lost_and_none_becomes_markup(body: str, text: str) -> None:
    document = _parse("a.docx", _word_with(body))
    assert document.text == text
    assert document.title == "A"


def _zip(**files: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"no zip", "not a zip"),
        (_docx()[:2000], "not a zip"),
        (_zip(other=b"x"), r"\S"),
    ],
    ids=["no zip", "cut short", "another zip"],
)
def test_a_broken_word_file_is_unreadable(content: bytes, says: str) -> None:
    with pytest.raises(UnreadableDocument, match=rf"w\.docx is no readable docx file: .*{says}") as raised:
        _parse("w.docx", content)
    assert raised.value.__cause__ is not None


def test_a_zip_bomb_is_refused_before_it_is_unpacked() -> None:
    bomb = _zip(bomb=bytes(1_000_000))
    assert len(bomb) < 2_000
    with pytest.raises(ValueError, match="unpack to 1,000,000 bytes; at most 999,999"):
        read_docx(bomb, max_unpacked=999_999)
