"""`convert`: public data sets, in the form in which they are published, to rows for `evaluate` and `retrain`.

| format           | files                              | to                               |
|------------------|------------------------------------|----------------------------------|
| `squad`          | SQuAD's, JSON                      | `refusal`, `citation`, `rerank`  |
| `canard`         | CANARD's, JSON                     | `query_rewrite`                  |
| `cast`           | CAsT's topics, JSON                | `query_rewrite`                  |
| `rewrites`       | one turn a line                    | `query_rewrite`                  |
| `disfl_qa`       | its pairs, then SQuAD's articles   | `query_rewrite`                  |
| `doc2dial`       | its documents, then its turns      | `refusal`, `citation`, `rerank`  |
| `question_pages` | one question with its page a line  | `rerank`, `refusal`              |

Passages for `question_pages` are found in the index, which must hold the pages.
"""

from __future__ import annotations

import tempfile
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
from tuning.converters.files import read_file, read_files
from tuning.converters.question_pages import Candidate, Candidates, Pair
from tuning.errors import DataInvalid, RowsInvalid
from tuning.rows import Origin, write_rows

if TYPE_CHECKING:
    from flows.settings import Settings
    from serving.assistant.library import Library

__all__ = ["Made", "Options", "convert_files"]

Say = Callable[[str], None]
Progress = Callable[[str, int, int], None]
_CANDIDATES = 30
"""Passages that are looked through for one of the page that helps."""
_CHOICES = {"passages": "number of passages", "seed": "seed", "source": "source", "licence": "licence"}
"""Options that not every way takes, and what they choose."""


@dataclass(frozen=True)
class Options:
    """How rows are made."""

    passages: int | None = None
    """Passages a row; None for the converter's own default. Refused where rows show none, or always one."""
    seed: int | None = None
    """Of everything that is drawn; None for that of the settings. Refused where nothing is."""
    source: str | None = None
    """Name of the data set, where its files do not tell. Refused where they do."""
    licence: str | None = None
    """Licence of the data set, where its files do not tell. Refused where they do."""


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
    """Reads the files and writes the rows. Raises DataInvalid, and RowsInvalid where no row comes of them or can go."""
    target = _target(output, files)
    way = _way(kind, behaviour, options)
    made = way.make(_Task(settings, files, options, say, progress))
    if not made.rows:
        told = "; ".join(f"{count}: {reason}" for reason, count in made.left_out.items()) or "there was nothing in them"
        raise RowsInvalid(f"No row of {behaviour} came of the files ({told}).", remedy="Give other files or options.")
    try:
        write_rows(target, made.rows)
    except OSError as cause:
        raise _unwritable(output, f"{cause.strerror or cause}") from cause
    return Made(kind, behaviour, output, len(made.rows), dict(made.left_out))


def _target(output: Path, files: Sequence[Path]) -> Path:
    """The file that `output` stands for, links followed, found to be one that can be written."""
    try:
        target = output.resolve()
        if target.exists() and not target.is_file():
            raise _unwritable(output, "it is a folder" if target.is_dir() else "it is no regular file")
        if target.exists() and any(path.exists() and path.samefile(target) for path in files):
            raise DataInvalid(
                f"The rows would replace {output}, of which they are made.", remedy="Name another --output."
            )
        with tempfile.TemporaryFile(dir=target.parent):
            return target
    except OSError as cause:
        raise _unwritable(output, f"{cause.strerror or cause}") from cause
    except RuntimeError as cause:
        raise _unwritable(output, "its links lead in a circle") from cause


def _unwritable(output: Path, why: str) -> RowsInvalid:
    return RowsInvalid(
        f"No rows can be written to {output}: {why}.", remedy="Name a file in a folder of yours with --output."
    )


def _way(kind: Format, behaviour: Behaviour, options: Options) -> _Way:
    if (kind, behaviour) not in _WAYS:
        known = sorted(to for source, to in _WAYS if source is kind)
        raise DataInvalid(
            f"The format {kind} does not make rows of {behaviour}.", remedy=f"It makes rows of: {', '.join(known)}."
        )
    way = _WAYS[kind, behaviour]
    for name, what in _CHOICES.items():
        if getattr(options, name) is not None and name not in way.takes:
            raise DataInvalid(
                f"Rows of {behaviour} from {kind} have no {what} to choose.", remedy=f"Leave out --{name}."
            )
    return way


@dataclass(frozen=True)
class _Task:
    settings: Settings
    files: Sequence[Path]
    options: Options
    say: Say
    progress: Progress

    @property
    def seed(self) -> int:
        """The seed that was said, or that of the settings."""
        return self.settings.seed if self.options.seed is None else self.options.seed

    @property
    def shown(self) -> dict[str, Any]:
        """How many passages a row shows, where that was said."""
        return {} if self.options.passages is None else {"passages": self.options.passages}

    @property
    def told(self) -> dict[str, str]:
        """The source and the licence, where they were said."""
        given = {"source": self.options.source, "licence": self.options.licence}
        return {name: text for name, text in given.items() if text is not None}


@dataclass(frozen=True)
class _Way:
    """How one format becomes rows of one behaviour."""

    make: Callable[[_Task], Converted[Any]]
    takes: tuple[str, ...] = ()
    """Of `_CHOICES`, those that it leaves."""


def _articles(files: Sequence[Path]) -> list[squad.Article]:
    return read_files(files, lambda file: squad.read_squad(file.whole()))


def _squad_refusal(task: _Task) -> Converted[Any]:
    return squad.refusal_rows(_articles(task.files), seed=task.seed, **task.shown)


def _squad_citation(task: _Task) -> Converted[Any]:
    return squad.citation_rows(_articles(task.files), seed=task.seed, **task.shown)


def _squad_rerank(task: _Task) -> Converted[Any]:
    return squad.rerank_rows(_articles(task.files), seed=task.seed, **task.shown)


def _canard(task: _Task) -> Converted[Any]:
    asked = read_files(task.files, lambda file: rewrites.read_canard(file.whole()))
    return rewrites.query_rewrite_rows(asked)


def _cast(task: _Task) -> Converted[Any]:
    asked = read_files(task.files, lambda file: rewrites.read_cast(file.whole()))
    return rewrites.query_rewrite_rows(asked)


def _rewrites(task: _Task) -> Converted[Any]:
    asked = read_files(task.files, lambda file: rewrites.read_rewrites(file.records()))
    return rewrites.query_rewrite_rows(asked, licence=task.options.licence or "")


def _disfl_qa(task: _Task) -> Converted[Any]:
    pairs, *articles = _several(task, "its pairs, then the SQuAD files of its articles")
    read = read_file(pairs, lambda file: disfl_qa.read_disfl_qa(file.whole()))
    return disfl_qa.query_rewrite_rows(read, _articles(articles), seed=task.seed)


def _doc2dial(task: _Task) -> tuple[tuple[doc2dial.Page, ...], list[doc2dial.AskedTurn]]:
    first, *others = _several(task, "its documents, then its turns")
    documents = read_file(first, lambda file: doc2dial.read_documents(file.records()))
    return documents, read_files(others, lambda file: doc2dial.read_turns(file.records(), documents))


def _doc2dial_citation(task: _Task) -> Converted[Any]:
    return doc2dial.citation_rows(*_doc2dial(task), seed=task.seed, **task.shown)


def _doc2dial_refusal(task: _Task) -> Converted[Any]:
    return doc2dial.refusal_rows(*_doc2dial(task), unanswerable=True, seed=task.seed)


def _doc2dial_rerank(task: _Task) -> Converted[Any]:
    return doc2dial.rerank_rows(*_doc2dial(task), seed=task.seed, **task.shown)


def _question_pages_rerank(task: _Task) -> Converted[Any]:
    with _asked_pages(task) as (pairs, candidates):
        return question_pages.rerank_rows(pairs, candidates, origin=_page_origin(task), **task.shown)


def _question_pages_refusal(task: _Task) -> Converted[Any]:
    with _asked_pages(task) as (pairs, candidates):
        return question_pages.refusal_rows(pairs, candidates, origin=_page_origin(task), seed=task.seed)


def _page_origin(task: _Task) -> Origin:
    return question_pages.ORIGIN.model_copy(update=task.told)


@contextmanager
def _asked_pages(task: _Task) -> Iterator[tuple[Iterator[Pair], Candidates]]:
    """The questions, and a search of the index."""
    from retrieval.generations import read_catalogue
    from retrieval.texts import TextArchive
    from serving.assistant.library import IndexLibrary

    asked = read_files(task.files, lambda file: question_pages.read_question_pages(file.records()))
    with open_search(task.settings, task.say) as desk:
        archive = TextArchive(task.settings.index_root, task.settings.texts_root)
        library = IndexLibrary(desk.reader, desk.encoder, archive)
        _, catalogue = read_catalogue(task.settings.index_root, desk.reader.generation.number)
        pairs = question_pages.with_uris(asked, [document.uri for document in catalogue.documents])
        yield _told(pairs, task.progress), lambda question: _candidates(library, question)


_WAYS = {
    (Format.SQUAD, Behaviour.REFUSAL): _Way(_squad_refusal, ("passages", "seed")),
    (Format.SQUAD, Behaviour.CITATION): _Way(_squad_citation, ("passages", "seed")),
    (Format.SQUAD, Behaviour.RERANK): _Way(_squad_rerank, ("passages", "seed")),
    (Format.CANARD, Behaviour.QUERY_REWRITE): _Way(_canard),
    (Format.CAST, Behaviour.QUERY_REWRITE): _Way(_cast),
    (Format.REWRITES, Behaviour.QUERY_REWRITE): _Way(_rewrites, ("licence",)),
    (Format.DISFL_QA, Behaviour.QUERY_REWRITE): _Way(_disfl_qa, ("seed",)),
    (Format.DOC2DIAL, Behaviour.CITATION): _Way(_doc2dial_citation, ("passages", "seed")),
    (Format.DOC2DIAL, Behaviour.REFUSAL): _Way(_doc2dial_refusal, ("seed",)),
    (Format.DOC2DIAL, Behaviour.RERANK): _Way(_doc2dial_rerank, ("passages", "seed")),
    (Format.QUESTION_PAGES, Behaviour.RERANK): _Way(_question_pages_rerank, ("passages", "source", "licence")),
    (Format.QUESTION_PAGES, Behaviour.REFUSAL): _Way(_question_pages_refusal, ("seed", "source", "licence")),
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
