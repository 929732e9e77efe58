"""PDF files: the text of every page, by pypdf."""

from __future__ import annotations

import io

from retrieval.parsing.extracted import Extracted

__all__ = ["read_pdf"]

_EMPTY_TITLES = ("untitled", "microsoft word - ")
"""What programs write into the title field when nobody gave the document a title."""


def read_pdf(content: bytes) -> Extracted:
    """Text of a PDF, pages parted by a blank line.

    pypdf is called directly and not through LlamaIndex's PDFReader: that one reads from a path (the file
    may have changed since it was hashed) and tries every broken file three times.

    Raises ValueError if there is no text (a scan), and whatever pypdf raises for broken or encrypted files.
    """
    from pypdf import PdfReader

    reader = PdfReader(io.BytesIO(content))
    text = "\n\n".join(page.extract_text().strip() for page in reader.pages)
    if not text.strip():
        raise ValueError("it holds no text; a scan needs OCR first")
    title = ((reader.metadata and reader.metadata.title) or "").strip()
    return Extracted(text, None if title.lower().startswith(_EMPTY_TITLES) else title or None)
