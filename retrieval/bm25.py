"""BM25 as sparse vectors: what a passage says, word by word, for exact names and rare terms.

A passage's vector holds the saturated term frequency of each stem; the store multiplies by the
inverse document frequency of the moment (its IDF modifier). So a passage's vector depends on its own
text alone, and an unchanged passage keeps its vector whatever happens around it. That is why the
length is compared with a *fixed* average instead of the collection's: the true one moves with every edit.

    weight(t) = f (k1 + 1) / (f + k1 (1 - b + b * length / AVERAGE_LENGTH))

Formula: Robertson & Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009), within the ranges that
it gives (k1 1.2 to 2, b .5 to .8); the values, and that title, headings and path count once more, were chosen on
development questions (infra/decisions/search.md). Stop words: the Snowball project's English list.
"""

from __future__ import annotations

import hashlib
import re
import struct
import unicodedata
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from retrieval.documents import Passage

__all__ = ["BM25_DIGEST", "Bm25", "SparseVector", "lexical_text"]

_K1 = 1.5
_B = 0.5
_AVERAGE_LENGTH = 100
"""Stems of a passage that is neither long nor short: about 200 words less the stop words."""

_LANGUAGE = "english"
_FORM = "2: title, headings, path twice, NFKC lower \\w+, parts of identifiers, snowball english, blake2b-32"
BM25_DIGEST = hashlib.sha256(f"{_FORM} k1={_K1} b={_B} avg={_AVERAGE_LENGTH}".encode()).hexdigest()
"""Names everything a stored sparse vector depends on; part of the index's schema."""

_WORD = re.compile(r"\w+")
_PART = re.compile(r"[^\W_]+")

_STOP_WORDS = frozenset(
    """
    i me my myself we our ours ourselves you your yours yourself yourselves he him his himself she her hers
    herself it its itself they them their theirs themselves what which who whom this that these those am is
    are was were be been being have has had having do does did doing would should could ought a an the and
    but if or because as until while of at by for with about against between into through during before
    after above below to from up down in out on off over under again further then once here there when
    where why how all any both each few more most other some such no nor not only own same so than too very
    s t can will just don now
    """.split()
)


@dataclass(frozen=True)
class SparseVector:
    """Non-zero weights by dimension; indices ascending, values exact in 32-bit floats."""

    indices: tuple[int, ...]
    values: tuple[float, ...]


def lexical_text(passage: Passage) -> str:
    """What BM25 reads of a passage: the embedded text, then title, headings and path for emphasis."""
    path = passage.uri.rpartition(".")[0] or passage.uri
    return "\n".join((passage.embedded_text, passage.title, *passage.heading_path, path))


class Bm25:
    """Turns texts into sparse vectors; keeps the stems it has seen, so one instance serves many texts."""

    def __init__(self) -> None:
        import snowballstemmer  # type: ignore[import-untyped]

        self._stemmer = snowballstemmer.stemmer(_LANGUAGE)
        self._stems: dict[str, str] = {}
        self._dimensions: dict[str, int] = {}

    def passage(self, text: str) -> SparseVector:
        """The vector to store for a passage, given its lexical text."""
        stems = Counter(self.stems(text))
        norm = _K1 * (1 - _B + _B * stems.total() / _AVERAGE_LENGTH)
        return self._vector({stem: count * (_K1 + 1) / (count + norm) for stem, count in stems.items()})

    def query(self, text: str) -> SparseVector:
        """The vector to search with: each term of the query counts once."""
        return self._vector(dict.fromkeys(self.stems(text), 1.0))

    def stems(self, text: str) -> list[str]:
        """The stems of the text's words in order, stop words left out."""
        words = list(_words(text))
        for word in words:
            if word not in self._stems:
                self._stems[word] = self._stemmer.stemWord(word)
        return [self._stems[word] for word in words]

    def _vector(self, weights: dict[str, float]) -> SparseVector:
        by_dimension: dict[int, float] = {}
        for stem, weight in weights.items():
            if stem not in self._dimensions:
                self._dimensions[stem] = _dimension(stem)
            by_dimension[self._dimensions[stem]] = weight
        indices = tuple(sorted(by_dimension))
        exact = struct.Struct(f"{len(indices)}f")
        return SparseVector(indices, exact.unpack(exact.pack(*(by_dimension[index] for index in indices))))


def _words(text: str) -> Iterator[str]:
    """Lower-case words without stop words; `max_retry_delay` also yields its three parts."""
    for match in _WORD.finditer(unicodedata.normalize("NFKC", text).lower()):
        word = match[0]
        if word in _STOP_WORDS:
            continue
        yield word
        if "_" in word:
            yield from (part for part in _PART.findall(word) if part != word and part not in _STOP_WORDS)


def _dimension(stem: str) -> int:
    """A stable 32-bit number for a stem; two stems of 100,000 meet about once, and only blur."""
    return int.from_bytes(hashlib.blake2b(stem.encode(), digest_size=4).digest(), "little")
