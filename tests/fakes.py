"""Small real fakes for tests of a mechanism; figures and end-to-end tests use the real models."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from zlib import crc32

from retrieval.documents import Hit, Passage
from serving.assistant.engine import EngineIdentity, GenerateRequest, ScoreRequest
from serving.assistant.library import Query, Shelf
from tests.serving.interface.chatml import CHATML, CharacterTokenizer


class QueueEngine:
    """An engine that writes the queued texts and scores, one a request, and keeps what it was asked."""

    def __init__(self, texts: Iterable[str] = (), scores: Iterable[tuple[float, ...]] = ()) -> None:
        self.identity = EngineIdentity("queue", "fake-base", "f" * 64, "e" * 64, 4096)
        self.tokenizer = CharacterTokenizer()
        self.template = CHATML
        self.generated: list[GenerateRequest] = []
        self.scored: list[ScoreRequest] = []
        self._texts, self._scores = deque(texts), deque(scores)

    def generate(self, request: GenerateRequest) -> Iterator[int]:
        self.generated.append(request)
        yield from self.tokenizer.encode_data(self._texts.popleft())

    def score(self, requests: Sequence[ScoreRequest]) -> list[tuple[float, ...]]:
        self.scored += requests
        return [self._scores.popleft() for _ in requests]

    def load_adapter(self, name: str, folder: Path) -> None:
        raise AssertionError("no adapter is expected here")

    def unload_adapter(self, name: str) -> None:
        raise AssertionError("no adapter is expected here")

    def close(self) -> None:
        pass

    def prompt(self, request: GenerateRequest | ScoreRequest) -> str:
        """The readable part of a request's prompt."""
        return self.tokenizer.decode(request.prompt)


class ListLibrary:
    """A library over (uri, text) pages, one passage each; ranks by shared words, similarity is their share."""

    generation = 7

    def __init__(self, pages: Sequence[tuple[str, str]]) -> None:
        self.texts = dict(pages)
        self.queries: list[Query] = []

    def search(self, query: Query, top_k: int) -> Shelf:
        self.queries.append(query)
        hits = [
            Hit(
                _passage(uri, text), sum(w * self.similarity(q, [text])[0] for q, w in (*query.searches, *query.beside))
            )
            for uri, text in self.texts.items()
        ]
        best = sorted(hits, key=lambda hit: (-hit.score, hit.passage.id))[:top_k]
        cosines = tuple(self.similarity(query.searches[0][0], [hit.passage.text])[0] for hit in best)
        return Shelf(self.generation, tuple(best), cosines)

    def similarity(self, text: str, others: Sequence[str]) -> list[float]:
        words = self.terms(text)
        return [len(words & self.terms(other)) / max(len(words), 1) for other in others]

    def terms(self, text: str) -> frozenset[int]:
        words = re.findall(r"\w+", text.lower())
        return frozenset(crc32(word.encode()) for word in words if len(word) > 3 or word.isdigit())

    def stored_text(self, generation: int, document_id: str) -> str:
        return self.texts[document_id]


def _passage(uri: str, text: str) -> Passage:
    return Passage(
        id=f"passage of {uri}",
        document_id=uri,
        uri=uri,
        title=uri.removesuffix(".md").title(),
        heading_path=(),
        start=0,
        end=len(text),
        text=text,
        embedded_text=text,
    )


class StepClock:
    """A clock that moves on by `seconds` each time it is read."""

    def __init__(self, seconds: float = 1.0) -> None:
        self.now, self.seconds = 0.0, seconds

    def __call__(self) -> float:
        self.now += self.seconds
        return self.now
