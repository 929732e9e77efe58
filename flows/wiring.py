"""From settings to the objects of the rooms. Everything below `flows` gets plain arguments; they are chosen here.

Nothing is loaded before it is needed: the models are prepared (found, verified, at first use converted), the embedder
reads its weights when the first text is encoded, and a refresh that changes nothing never gets there.
"""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from flows.errors import SettingsInvalid
from retrieval.errors import DiskFull
from serving.interface.behaviours import Behaviour

if TYPE_CHECKING:
    from flows.production import Adapters
    from flows.settings import Settings
    from flows.systems import Bench
    from retrieval.encoding import DenseEncoder
    from retrieval.reader import IndexReader
    from retrieval.splitting import Splitter
    from serving.assistant.engine import Engine
    from serving.assistant.pipeline import Assistant

__all__ = [
    "AnswerDesk",
    "Embedding",
    "SearchDesk",
    "make_home",
    "open_adapters",
    "open_assistant",
    "open_bench",
    "open_embedding",
    "open_search",
]

Say = Callable[[str], None]


@dataclass(frozen=True)
class Embedding:
    """The embedder, and the splitter that measures with its tokenizer."""

    encoder: DenseEncoder
    splitter: Splitter


def make_home(settings: Settings) -> Path:
    """The home folder, made if it is not there yet. Raises SettingsInvalid if nothing can be written there."""
    home = settings.home
    try:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=home):
            return home
    except OSError as cause:
        if cause.errno == errno.ENOSPC:
            raise DiskFull(f"The disk of {home} is full.", remedy="Free some space, or move the home.") from cause
        raise SettingsInvalid(
            f"`home` = {home} is no folder that can be written to: {cause.strerror}.",
            remedy="Choose another folder with --home or GROUNDSKEEPER_HOME, or mend the permissions of this one.",
        ) from cause


def open_embedding(settings: Settings, say: Say) -> Embedding:
    """Prepares the embedding model of the settings; its weights are loaded on first use."""
    from retrieval.encoding import open_encoder, open_token_counter
    from retrieval.splitting import Limits, make_splitter
    from serving.registry.digests import folder_digest
    from serving.registry.models import prepare_model

    model = prepare_model(settings.embedder, settings.models, progress=say)
    encoder = open_encoder(model.path, folder_digest(model.path), threads=settings.threads)
    limits = Limits(
        tokens=settings.passage_max_tokens, words=settings.passage_max_words, embedded_tokens=encoder.max_tokens
    )
    return Embedding(encoder, make_splitter(open_token_counter(model.path), limits))


@dataclass(frozen=True)
class SearchDesk:
    """What a search takes: an open generation and the encoder for queries."""

    reader: IndexReader
    encoder: DenseEncoder


@contextmanager
def open_search(settings: Settings, say: Say) -> Iterator[SearchDesk]:
    """The served generation, open for searching. Raises IndexMissing, IndexMismatch, IndexDamaged."""
    from retrieval.reader import open_index

    encoder = open_embedding(settings, say).encoder
    with open_index(settings.index_root, embedder=encoder.digest) as reader:
        yield SearchDesk(reader, encoder)


@contextmanager
def open_adapters(
    settings: Settings, say: Say, *, tries_rerankers: bool = False, answers: Path | None = None
) -> Iterator[Adapters]:
    """The base model in this process, and the registry of its adapters; the starters are taken over on first use.

    `tries_rerankers` as in `adapters_of`. `answers`: a file in which the model's answers are found again.
    """
    from flows.production import adapters_of, adopt
    from serving.assistant.local_engine import open_local_engine
    from serving.assistant.remembering_engine import RememberingEngine
    from serving.registry.models import prepare_model

    model = prepare_model(settings.base_model, settings.models, progress=say)
    engine: Engine = open_local_engine(model, threads=settings.threads)
    try:
        engine = RememberingEngine(engine, answers) if answers else engine
        adapters = adapters_of(settings, engine, model, say, tries_rerankers=tries_rerankers)
        adopt(settings, adapters, say, at=datetime.now(UTC))
        yield adapters
    finally:
        engine.close()


@contextmanager
def open_bench(
    settings: Settings, say: Say, *, tries_rerankers: bool = False, answers: Path | None = None
) -> Iterator[tuple[Bench, Adapters]]:
    """What rows are measured with: models and adapters, and no index. Options as in `open_adapters`."""
    from flows.systems import make_bench

    encoder = open_embedding(settings, say).encoder
    with open_adapters(settings, say, tries_rerankers=tries_rerankers, answers=answers) as adapters:
        yield make_bench(adapters.engine, encoder, adapters.rerankers), adapters


@dataclass(frozen=True)
class AnswerDesk:
    """What an answer takes, and the search that it rests on."""

    assistant: Assistant
    search: SearchDesk
    served: dict[Behaviour, str]
    """What each behaviour runs as: a version, or an un-tuned mode."""


@contextmanager
def open_assistant(settings: Settings, say: Say) -> Iterator[AnswerDesk]:
    """The assistant over the served generation, with what production serves, in this process."""
    from retrieval.texts import TextArchive
    from serving.assistant.library import IndexLibrary
    from serving.assistant.pipeline import Assistant

    with open_search(settings, say) as desk, open_adapters(settings, say) as adapters:  # without an index no model
        library = IndexLibrary(desk.reader, desk.encoder, TextArchive(settings.index_root, settings.texts_root))
        running = adapters.production()
        reranker = adapters.rerankers.of(running[Behaviour.RERANK])
        assistant = Assistant(adapters.engine, library, running, reranker=reranker, top_k=settings.answer_passages)
        yield AnswerDesk(assistant, desk, {behaviour: how.mode for behaviour, how in running.items()})
