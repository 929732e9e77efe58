"""From the bytes of a file to a Document.

    document = parse(source, file, read_file(source, file))

Text formats keep their decoded text exactly. The other formats are extracted to Markdown once; that text is
then the stored text, which offsets count in. Foreign parsers run in `_parsed` alone, titles included: what
they log, warn of or raise on broken files becomes one UnreadableDocument.
"""

from __future__ import annotations

import hashlib
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath

from retrieval.documents import Document
from retrieval.errors import UnreadableDocument
from retrieval.parsing.decoding import NotText, decode
from retrieval.parsing.docx import read_docx
from retrieval.parsing.extracted import Extracted
from retrieval.parsing.html import read_html
from retrieval.parsing.notebook import read_notebook
from retrieval.parsing.pdf import read_pdf
from retrieval.parsing.titles import title_of
from retrieval.sources.folder import FolderSource, SourceFile

__all__ = ["PARSER_VERSION", "parse"]

PARSER_VERSION = "2"
"""Raised by hand whenever the same bytes would give another text or title; part of the index schema."""


def parse(source: FolderSource, file: SourceFile, content: bytes) -> Document:
    """The document that `content` holds, the bytes of `file`.

    Raises UnreadableDocument, with the parser's own error as its cause.
    """
    uri = f"{source.name}/{file.path}"
    extracted, title = _parsed(file.path, uri, content)
    return Document(
        id=f"{source.name}:{file.path}",
        source=source.name,
        uri=uri,
        title=title,
        text=extracted.text,
        content_hash=hashlib.sha256(content).hexdigest(),
        trust=source.trust,
    )


def _parsed(path: str, uri: str, content: bytes) -> tuple[Extracted, str]:
    """What the file holds, and its title."""
    suffix = PurePosixPath(path).suffix.lower()
    extract = _EXTRACTORS.get(suffix)
    try:
        with _quiet():
            extracted = _cleaned(extract(content)) if extract else Extracted(decode(content))
            return extracted, _storable(title_of(extracted, uri))
    except NotText as cause:
        raise UnreadableDocument(
            f"{path} {cause}.",
            remedy="Save it as UTF-8, or move it out of the source if it is no text.",
        ) from cause
    except (ImportError, MemoryError):
        raise  # not the file's fault
    except Exception as cause:  # the parsers of broken files raise anything, from KeyError to RecursionError
        raise UnreadableDocument(
            f"{path} is no readable {suffix.removeprefix('.')} file: {cause or type(cause).__name__}.",
            remedy="Open it in the program that made it and save it anew (without a password), or move it out.",
        ) from cause


_EXTRACTORS: dict[str, Callable[[bytes], Extracted]] = {
    ".html": read_html,
    ".htm": read_html,
    ".ipynb": read_notebook,
    ".pdf": read_pdf,
    ".docx": read_docx,
}


def _cleaned(extracted: Extracted) -> Extracted:
    return Extracted(_storable(extracted.text), extracted.title)


def _storable(text: str) -> str:
    """Half surrogates and NULs, which damaged files yield, cannot be stored as UTF-8 everywhere."""
    return text.replace("\0", "").encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps what parsers log and warn about broken files from the user's terminal."""
    logger = logging.getLogger("pypdf")
    before, logger.disabled = logger.disabled, True
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        logger.disabled = before
