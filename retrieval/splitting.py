"""Documents to passages: whole sections where they fit, never across a heading, offsets exact.

    splitter = make_splitter(encoder.count_tokens)
    passages = splitter.split(document)

Headings cut a document into sections; LlamaIndex's SentenceSplitter packs the blocks of each section
(`retrieval.blocks`) into passages that the embedder reads to the last word. A heading stands in the
heading path of its passages, not in their text: infra/decisions says why.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from functools import lru_cache, partial
from importlib.metadata import version
from typing import TYPE_CHECKING

from retrieval.blocks import pieces
from retrieval.documents import Document, Passage
from retrieval.headings import Heading, body_start, dialect_of, find_headings
from retrieval.markup import Dialect, without_markup

if TYPE_CHECKING:
    from llama_index.core.node_parser import SentenceSplitter

__all__ = ["Limits", "Splitter", "make_splitter"]

_VERSION = 1
"""Raised by hand whenever the same document would be split or embedded differently."""
_PASSAGES = uuid.UUID("6f1c2b1e-5d0b-5c56-9b2e-3c6a4f0d7e11")
"""Namespace of passage ids."""
_SPECIAL_TOKENS = 2
"""What an embedder puts around a text."""


@dataclass(frozen=True)
class Limits:
    """Bounds of one passage; the strictest cuts."""

    tokens: int = 220
    """Embedder tokens of the text, markup removed."""
    words: int = 200
    """Words of the text, split at white space."""
    characters: int = 2000
    """Keeps long strings without spaces, a single token to some embedders, from flooding a prompt."""
    context_tokens: int = 64
    """Embedder tokens of title and heading path; of a longer path the outer headings are left out."""
    embedded_tokens: int = 256
    """What the embedder reads: context, text and special tokens. It drops the rest without a word."""


def make_splitter(count_tokens: Callable[[str], int], limits: Limits | None = None) -> Splitter:
    """A splitter that measures with the embedder's tokenizer.

    `count_tokens` gives the tokens of a text as the embedder counts them; special tokens that it adds to
    every text, the empty one included, are subtracted.
    """
    around = count_tokens("")

    @lru_cache(maxsize=4096)  # pieces are measured alone, then as the passage they may turn out to be
    def count(text: str) -> int:
        return count_tokens(text) - around

    return Splitter(count, limits or Limits())


@dataclass(frozen=True)
class Splitter:
    """Splits documents. Built by `make_splitter`; keeps nothing but LlamaIndex splitters for reuse."""

    count_tokens: Callable[[str], int]
    limits: Limits
    _packers: dict[tuple[Dialect, int], SentenceSplitter] = field(default_factory=dict, repr=False, compare=False)

    @property
    def digest(self) -> str:
        """sha256 (hex) of all that decides how a text is split, save the tokenizer, which is the embedder's."""
        identity = {"version": _VERSION, "llama_index": version("llama-index-core"), **asdict(self.limits)}
        return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()

    def split(self, document: Document) -> list[Passage]:
        """The document's passages, in order, without overlap.

        Every character of the body that is no white space lies in exactly one of them, save stretches that
        are markup alone (a lone link target, say), in which there is nothing to find.
        """
        dialect = dialect_of(document.uri)
        seen: Counter[str] = Counter()
        passages = []
        for path, start, end in _sections(document, dialect):
            context = self._context([document.title, *path])
            for first, last in self._spans(document.text, start, end, context, dialect):
                embedded = _embedded(context, document.text[first:last], dialect)
                passages.append(_passage(document, path, first, last, embedded, seen[embedded]))
                seen[embedded] += 1
        return passages

    def _spans(self, text: str, start: int, end: int, context: str, dialect: Dialect) -> Iterator[tuple[int, int]]:
        """Offsets of the passages of one section."""
        room = self.limits.embedded_tokens - _SPECIAL_TOKENS - self.count_tokens(f"{context}\n")
        bound = min(self.limits.tokens, room)
        for first, last in self._packed(text, start, end, dialect, bound, bound):
            if without_markup(text[first:last], dialect):
                yield first, last

    def _packed(
        self, text: str, start: int, end: int, dialect: Dialect, bound: int, limit: int
    ) -> Iterator[tuple[int, int]]:
        """Offsets of the chunks, none larger than `bound`, that LlamaIndex makes of `text[start:end]`.

        It adds up the sizes of pieces, here to `limit`. The few chunks that are larger than the sum of
        their pieces (markup that is recognised only as a whole) are packed again, tighter.
        """
        chunks = self._packer(dialect, limit).split_text(text[start:end])
        for first, last in _offsets(text, start, chunks):
            if limit > 1 and self._size(dialect, bound, text[first:last]) > bound:
                yield from self._packed(text, first, last, dialect, bound, limit // 2)
            else:
                yield first, last

    def _packer(self, dialect: Dialect, limit: int) -> SentenceSplitter:
        if (dialect, limit) not in self._packers:
            self._packers[dialect, limit] = _sentence_splitter(limit, partial(self._size, dialect, limit))
        return self._packers[dialect, limit]

    def _size(self, dialect: Dialect, limit: int, text: str) -> int:
        """Size of a text in units of which `limit` fill a passage: tokens, or words or characters if those bind."""
        words = -(-len(text.split()) * limit // self.limits.words)
        characters = -(-len(text) * limit // self.limits.characters)
        if max(words, characters) > limit:  # too large already: whole pages need not be tokenised
            return max(words, characters)
        size = max(words, characters, self.count_tokens(without_markup(text, dialect)))
        return size if len(text) > 1 else min(size, limit)

    def _context(self, parts: list[str]) -> str:
        """`title > heading > heading` within its bound."""
        bound = self.limits.context_tokens
        while len(parts) > 2 and self.count_tokens(" > ".join(parts)) > bound:
            del parts[1]
        if self.count_tokens(" > ".join(parts)) > bound:
            parts = [self._shortened(part, bound // len(parts)) for part in parts]
        return " > ".join(parts)

    def _shortened(self, text: str, bound: int) -> str:
        while (count := self.count_tokens(text)) > bound:
            text = text[: min(len(text) - 1, len(text) * bound // count)]
        return text


def _sentence_splitter(limit: int, size: Callable[[str], int]) -> SentenceSplitter:
    from llama_index.core.node_parser import SentenceSplitter
    from llama_index.core.node_parser.text.utils import split_by_sentence_tokenizer

    return SentenceSplitter(
        chunk_size=limit,
        chunk_overlap=0,
        paragraph_separator="\0",  # occurs in no stored text: `pieces` knows paragraphs, and code, better
        tokenizer=lambda text: range(size(text)),
        chunking_tokenizer_fn=partial(pieces, sentences=split_by_sentence_tokenizer()),
    )


def _offsets(text: str, start: int, chunks: list[str]) -> Iterator[tuple[int, int]]:
    """Where the chunks lie: each begins at the first character after the last one that is no white space."""
    for chunk in filter(None, chunks):
        while text[start].isspace():
            start += 1
        if not text.startswith(chunk, start):
            raise AssertionError(f"the splitter dropped or changed text at offset {start}")
        yield start, start + len(chunk)
        start += len(chunk)


def _sections(document: Document, dialect: Dialect) -> Iterator[tuple[tuple[str, ...], int, int]]:
    """Heading path and offsets of each stretch between two headings."""
    headings = find_headings(document.text, dialect)
    start = body_start(document.text, dialect)
    path: list[Heading] = []
    for heading in headings:
        yield _titles(document, path), start, heading.start
        path = [outer for outer in path if outer.level < heading.level] + [heading]
        start = heading.end
    yield _titles(document, path), start, len(document.text)


def _titles(document: Document, path: list[Heading]) -> tuple[str, ...]:
    """A heading that repeats the document's title says nothing new."""
    return tuple(heading.title for heading in path if heading.title not in ("", document.title))


def _embedded(context: str, text: str, dialect: Dialect) -> str:
    return f"{context}\n{without_markup(text, dialect)}"


def _passage(document: Document, path: tuple[str, ...], start: int, end: int, embedded: str, ordinal: int) -> Passage:
    name = json.dumps([document.id, embedded, ordinal])
    return Passage(
        id=str(uuid.uuid5(_PASSAGES, name)),
        document_id=document.id,
        uri=document.uri,
        title=document.title,
        heading_path=path,
        start=start,
        end=end,
        text=document.text[start:end],
        embedded_text=embedded,
        trust=document.trust,
    )
