"""Word documents: paragraphs, headings, lists and tables in order, as Markdown.

What stands between a text and its place in the document (content controls, tracked insertions, custom XML)
is taken away first, so that python-docx, which looks at direct children only, finds all of it.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from retrieval.parsing.extracted import Extracted

if TYPE_CHECKING:
    from docx.document import Document as WordDocument
    from docx.table import Table
    from docx.text.paragraph import Paragraph

__all__ = ["read_docx"]

_MAX_UNPACKED = 256 * 1024 * 1024
"""Bytes that the archive may unpack to; more is taken for a zip bomb."""
_WRAPPERS = ("w:sdt", "w:sdtContent", "w:customXml", "w:smartTag", "w:ins", "w:moveTo")
_MARKUP = re.compile(r"^( {0,3})(?=#{1,6}(?:\s|$)|```|~~~)", re.MULTILINE)
"""Beginnings of lines that Markdown would take for a heading or a code fence."""


def read_docx(content: bytes, max_unpacked: int = _MAX_UNPACKED) -> Extracted:
    """Text of a .docx. python-docx and not LlamaIndex's DocxReader: the latter loses all headings.

    Raises ValueError if the archive unpacks to too much, and whatever zipfile and python-docx raise for
    broken files.
    """
    import docx

    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        unpacked = sum(entry.file_size for entry in archive.infolist())
    if unpacked > max_unpacked:
        raise ValueError(f"it would unpack to {unpacked:,} bytes; at most {max_unpacked:,} are read")
    word = docx.Document(io.BytesIO(content))
    _unwrap(word.element.body)
    return Extracted(_join(_blocks(word)), (word.core_properties.title or "").strip() or None)


def _unwrap(body: Any) -> None:
    """Put the contents of wrapping elements in their place; drop what was moved away from where it stands."""
    from docx.oxml.ns import qn

    for element in [*body.iter(qn("w:moveFrom"))]:
        element.getparent().remove(element)
    for element in [*body.iter(*map(qn, _WRAPPERS))]:
        parent = element.getparent()
        place = parent.index(element)
        parent[place : place + 1] = list(element)


def _blocks(word: WordDocument) -> Iterator[str]:
    from docx.table import Table

    for block in word.iter_inner_content():
        yield _table_text(block) if isinstance(block, Table) else _paragraph_text(block)


def _join(blocks: Iterator[str]) -> str:
    """Blank lines between blocks, none between the items of a list."""
    text = ""
    for block in blocks:
        if block.strip():
            together = block.startswith("- ") and text.rpartition("\n")[2].startswith("- ")
            text += ("\n" if together else "\n\n" if text else "") + block
    return text


def _paragraph_text(paragraph: Paragraph) -> str:
    text = _plain(paragraph._p)
    style = ((paragraph.style and paragraph.style.name) or "").lower()
    if not text.strip():
        return ""
    if style == "title" or (style.startswith("heading ") and style[8:].isdigit()):
        level = 1 if style == "title" else min(int(style[8:]), 6)
        return f"{'#' * level} {' '.join(text.split())}"
    text = _MARKUP.sub(r"\1\\", text)
    return f"- {text}" if style.startswith("list") else text


def _plain(element: Any) -> str:
    """All words below an element, also those in links and in tables within a cell, which `.text` leaves out.

    A paragraph below it begins a new line.
    """
    from docx.oxml.ns import qn

    breaks = {qn("w:tab"): "\t", qn("w:br"): "\n", qn("w:cr"): "\n", qn("w:p"): "\n"}
    nodes = (node for node in element.iter() if node is not element)
    return "".join(node.text or "" if node.tag == qn("w:t") else breaks.get(node.tag, "") for node in nodes)


def _table_text(table: Table) -> str:
    rows = [[" ".join(_plain(cell._tc).split()) for cell in row.cells] for row in table.rows]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    if lines:
        lines.insert(1, f"|{' --- |' * len(rows[0])}")
    return "\n".join(lines)
