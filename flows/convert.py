"""`convert`: public data sets, in the form in which they are published, to rows for `evaluate` and `retrain`.

| format           | files                              | to                               |
|------------------|------------------------------------|----------------------------------|
| `squad`          | SQuAD's, JSON                      | `refusal`, `citation`, `rerank`  |
| `canard`         | CANARD's, JSON                     | `query_rewrite`                  |
| `cast`           | CAsT's topics, JSON                | `query_rewrite`                  |
| `rewrites`       | one turn a line                    | `query_rewrite`                  |
| `disfl_qa`       | its pairs, then SQuAD's articles   | `query_rewrite`                  |
| `doc2dial`       | its documents, then its turns      | `citation`, `refusal`            |
| `question_pages` | one question with its page a line  | `rerank`, `refusal`              |

Passages for `question_pages` are found in the index, which must hold the pages.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.formats import Format
from flows.wiring import open_search
from serving.interface.behaviours import Behaviour
from tuning.converters import disfl_qa, doc2dial, question_pages, rewrites, squad
from tuning.converters.converted import Converted
from tuning.converters.question_pages import Candidate, Candidates, Pair
from tuning.errors import DataInvalid, RowsInvalid
from tuning.rows import write_rows

if TYPE_CHECKING:
    from flows.settings import Settings
    from serving.assistant.library import Library

__all__ = ["Made", "Options", "convert_files"]

Say = Callable[[str], None]
Progress = Callable[[str, int, int], None]
_CANDIDATES = 30
"""Passages that are looked through for one of the page that helps."""


@dataclass(frozen=True)
class Options:
    """How rows are made."""

    passages: int | None = None
    """Passages a row; None for the converter's own default. Refused where rows show none, or always one."""
    seed: int = 0


@dataclass(frozen=True)
class Made:
    """What became of the files."""

    format: Format
    behaviour: Behaviour
    output: Path
    rows: int
    left_out: dict[str, int] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Counts: rows, and what became none, by reason."""
        head = {"format": str(self.format), "behaviour": str(self.behaviour), "output": str(self.output)}
        return head | {"rows": self.rows, "left_out": self.left_out}

    def as_text(self) -> str:
        """A sentence, and a line a reason."""
        lines = [f"{self.rows} rows of {self.behaviour} are in {self.output}."]
        return "\n".join(lines + [f"left out, {count}: {reason}" for reason, count in self.left_out.items()])


def convert_files(
    settings: Settings,
    kind: Format,
    files: Sequence[Path],
    behaviour: Behaviour,
    output: Path,
    options: Options,
    say: Say,
    progress: Progress = lambda stage, done, total: None,
) -> Made:
    """Reads the files and writes the rows. Raises DataInvalid, and RowsInvalid if no row comes of them."""
    if output.resolve() in {path.resolve() for path in files}:
        raise DataInvalid(f"The rows would replace {output}, of which they are made.", remedy="Name another --output.")
    if (kind, behaviour) not in _WAYS:
        known = sorted(to for source, to in _WAYS if source is kind)
        raise DataInvalid(
            f"The format {kind} does not make rows of {behaviour}.", remedy=f"It makes rows of: {', '.join(known)}."
        )
    way = _WAYS[kind, behaviour]
    if options.passages is not None and not way.shows_passages:
        raise DataInvalid(
            f"Rows of {behaviour} from {kind} have no number of passages to choose.", remedy="Leave out --passages."
        )
    made = way.make(_Task(settings, files, options, say, progress))
    if not made.rows:
        told = "; ".join(f"{count}: {reason}" for reason, count in made.left_out.items()) or "there was nothing in them"
        raise RowsInvalid(f"No row of {behaviour} came of the files ({told}).", remedy="Give other files or options.")
    try:
        write_rows(output, made.rows)
    except OSError as cause:
        raise RowsInvalid(f"{output} cannot be written: {cause}.", remedy="Name another file with --output.") from cause
    return Made(kind, behaviour, output, len(made.rows), dict(made.left_out))


@dataclass(frozen=True)
class _Task:
    settings: Settings
    files: Sequence[Path]
    options: Options
    say: Say
    progress: Progress

    @property
    def shown(self) -> dict[str, Any]:
        """How many passages a row shows, where that was said."""
        return {} if self.options.passages is None else {"passages": self.options.passages}


@dataclass(frozen=True)
class _Way:
    """How one format becomes rows of one behaviour."""

    make: Callable[[_Task], Converted[Any]]
    shows_passages: bool = True
    """Whether rows can be made with a number of passages."""


def _articles(files: Sequence[Path]) -> list[squad.Article]:
    return [article for path in files for article in squad.read_squad(_parsed(path))]


def _squad_refusal(task: _Task) -> Converted[Any]:
    return squad.refusal_rows(_articles(task.files), seed=task.options.seed, **task.shown)


def _squad_citation(task: _Task) -> Converted[Any]:
    return squad.citation_rows(_articles(task.files), seed=task.options.seed, **task.shown)


def _squad_rerank(task: _Task) -> Converted[Any]:
    return squad.rerank_rows(_articles(task.files), seed=task.options.seed, **task.shown)


def _canard(task: _Task) -> Converted[Any]:
    asked = [one for path in task.files for one in rewrites.read_canard(_parsed(path))]
    return rewrites.query_rewrite_rows(asked)


def _cast(task: _Task) -> Converted[Any]:
    asked = [one for path in task.files for one in rewrites.read_cast(_parsed(path))]
    return rewrites.query_rewrite_rows(asked)


def _rewrites(task: _Task) -> Converted[Any]:
    asked = [one for path in task.files for one in rewrites.read_rewrites(_lines(path))]
    return rewrites.query_rewrite_rows(asked)


def _disfl_qa(task: _Task) -> Converted[Any]:
    pairs, *articles = _several(task, "its pairs, then the SQuAD files of its articles")
    read = disfl_qa.read_disfl_qa(_parsed(pairs))
    return disfl_qa.query_rewrite_rows(read, _articles(articles), seed=task.options.seed)


def _doc2dial(task: _Task) -> tuple[tuple[doc2dial.Page, ...], list[doc2dial.AskedTurn]]:
    documents, *turns = _several(task, "its documents, then its turns")
    asked = [turn for path in turns for turn in doc2dial.read_turns(_lines(path))]
    return doc2dial.read_documents(_lines(documents)), asked


def _doc2dial_citation(task: _Task) -> Converted[Any]:
    return doc2dial.citation_rows(*_doc2dial(task), seed=task.options.seed, **task.shown)


def _doc2dial_refusal(task: _Task) -> Converted[Any]:
    return doc2dial.refusal_rows(*_doc2dial(task), unanswerable=True, seed=task.options.seed)


def _question_pages_rerank(task: _Task) -> Converted[Any]:
    with _asked_pages(task) as (pairs, candidates):
        return question_pages.rerank_rows(pairs, candidates, **task.shown)


def _question_pages_refusal(task: _Task) -> Converted[Any]:
    with _asked_pages(task) as (pairs, candidates):
        return question_pages.refusal_rows(pairs, candidates, seed=task.options.seed)


@contextmanager
def _asked_pages(task: _Task) -> Iterator[tuple[Iterator[Pair], Candidates]]:
    """The questions, and a search of the index."""
    from retrieval.texts import TextArchive
    from serving.assistant.library import IndexLibrary

    pairs = [pair for path in task.files for pair in question_pages.read_question_pages(_lines(path))]
    with open_search(task.settings, task.say) as desk:
        archive = TextArchive(task.settings.index_root, task.settings.texts_root)
        library = IndexLibrary(desk.reader, desk.encoder, archive)
        yield _told(pairs, task.progress), lambda question: _candidates(library, question)


_WAYS = {
    (Format.SQUAD, Behaviour.REFUSAL): _Way(_squad_refusal),
    (Format.SQUAD, Behaviour.CITATION): _Way(_squad_citation),
    (Format.SQUAD, Behaviour.RERANK): _Way(_squad_rerank),
    (Format.CANARD, Behaviour.QUERY_REWRITE): _Way(_canard, shows_passages=False),
    (Format.CAST, Behaviour.QUERY_REWRITE): _Way(_cast, shows_passages=False),
    (Format.REWRITES, Behaviour.QUERY_REWRITE): _Way(_rewrites, shows_passages=False),
    (Format.DISFL_QA, Behaviour.QUERY_REWRITE): _Way(_disfl_qa, shows_passages=False),
    (Format.DOC2DIAL, Behaviour.CITATION): _Way(_doc2dial_citation),
    (Format.DOC2DIAL, Behaviour.REFUSAL): _Way(_doc2dial_refusal, shows_passages=False),
    (Format.QUESTION_PAGES, Behaviour.RERANK): _Way(_question_pages_rerank),
    (Format.QUESTION_PAGES, Behaviour.REFUSAL): _Way(_question_pages_refusal, shows_passages=False),
}


def _told(pairs: Sequence[Pair], progress: Progress) -> Iterator[Pair]:
    """The pairs, while it is told how many were searched for: a search takes its time."""
    for done, pair in enumerate(pairs, 1):
        yield pair
        progress("search", done, len(pairs))


def _candidates(library: Library, question: str) -> list[Candidate]:
    """What search finds, best first, as serving shows it, with the uri of each passage's document."""
    from serving.assistant.library import Query
    from serving.assistant.shown import find

    found = find(library, Query(question, ((question, 1.0),)), _CANDIDATES)
    shown = zip(found.shelf.hits, found.passages, strict=True)
    return [Candidate(hit.passage.uri, passage) for hit, passage in shown]


def _several(task: _Task, what: str) -> Sequence[Path]:
    if len(task.files) < 2:
        raise DataInvalid("One file is not enough for this format.", remedy=f"Name several: {what}.")
    return task.files


def _parsed(path: Path) -> object:
    """A whole JSON file."""
    return _loaded(_read(path), f"{path}")


def _lines(path: Path) -> Iterator[object]:
    """A file with one JSON document a line."""
    for number, line in enumerate(_read(path).split("\n"), 1):
        if line.strip():
            yield _loaded(line, f"{path}, line {number}")


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as cause:
        raise DataInvalid(f"{path} cannot be read: {cause}.", remedy="Name a file of text in UTF-8.") from cause


def _loaded(text: str, where: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as cause:
        raise DataInvalid(f"{where}: {cause}.", remedy="Give the file as its makers publish it.") from cause
