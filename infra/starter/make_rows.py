"""The rows that starter adapters are trained on, made from public data; README.md names the commit of each starter.

    groundskeeper refresh ray
    groundskeeper convert question_pages ray-questions.jsonl --to refusal --output pages.jsonl
    groundskeeper convert question_pages ray-questions.jsonl --to rerank --source ray-docs --output ranked.jsonl
    python infra/starter/make_rows.py --squad dev-v2.0.json --squad1 dev-v1.1.json --documents docs.jsonl \
        --turns turns.jsonl --pages pages.jsonl --ranked ranked.jsonl --rewrites train.jsonl --disfl-qa pairs.json \
        --output rows
    groundskeeper retrain refusal --data rows/refusal.jsonl        (and query_rewrite, citation, rerank)

README.md says what each file is, and which of them are as published: the development parts of SQuAD, of 1.1 the
articles that 2.0 lacks, and questions about a documentation, judged on what its index finds. Everything is drawn with
fixed seeds, so the same files give the same rows, byte for byte. What a converter left out is told with its reason.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from serving.interface.errors import GroundskeeperError
from serving.interface.refusal import Answerability
from tuning.converters import disfl_qa, doc2dial, rewrites, squad
from tuning.converters.converted import Converted
from tuning.converters.files import read_file
from tuning.converters.headings import heading_rows
from tuning.rows import CitationRow, QueryRewriteRow, RefusalRow, RerankRow, read_rows, write_rows

T = TypeVar("T")
Row = TypeVar("Row", bound=BaseModel)
OfPages = TypeVar("OfPages", RefusalRow, RerankRow)

DOCUMENT_SHARE, DOCUMENT_SEED = 0.66, 7
"""Of Doc2Dial's documents that are trained on: 60 of 91. The others are for figures."""
ARTICLES = 20
"""Of the 35 of SQuAD 2.0 that are trained on: the first by the hash of their titles. The others are for figures."""
FOREIGN_SHARE = 0.15
HEADINGS = 250
"""Questions about headings, two rows each."""
DOCUMENTATION = {"source": "ray-docs", "licence": "Apache-2.0 (pages), CC BY 4.0 (questions)"}


def main() -> None:
    given = _arguments()
    given.output.mkdir(parents=True, exist_ok=True)
    second, first = (
        read_file(path, lambda file: squad.read_squad(file.whole())) for path in (given.squad, given.squad1)
    )
    known = {article.title for article in second}
    articles = _by_title(sorted(second, key=_hash)[:ARTICLES])
    more = _by_title([article for article in first if article.title not in known])
    documents = read_file(given.documents, lambda file: doc2dial.read_documents(file.records()))
    turns = read_file(given.turns, lambda file: doc2dial.read_turns(file.records(), documents))
    pages, _ = doc2dial.split_documents(documents, share=DOCUMENT_SHARE, seed=DOCUMENT_SEED)
    asked = read_file(given.rewrites, lambda file: rewrites.read_rewrites(file.records()))
    pairs = read_file(given.disfl_qa, lambda file: disfl_qa.read_disfl_qa(file.whole()))
    found, ranked = read_rows(given.pages, RefusalRow), read_rows(given.ranked, RerankRow)
    _write(given.output / "refusal.jsonl", refusal(articles, pages, turns, found, random.Random(0)))
    _write(given.output / "query_rewrite.jsonl", query_rewrite(asked, pairs, articles, random.Random(0)))
    _write(given.output / "citation.jsonl", citation(articles, more, pages, turns, random.Random(0)))
    _write(given.output / "rerank.jsonl", rerank(articles, ranked))


def refusal(
    articles: Sequence[squad.Article],
    pages: Sequence[doc2dial.Page],
    turns: Sequence[doc2dial.AskedTurn],
    found: Sequence[RefusalRow],
    chance: random.Random,
) -> list[RefusalRow]:
    """SQuAD's questions, some on a foreign paragraph too, turns and headings of Doc2Dial, and questions about a
    documentation."""
    support = _told("refusal.jsonl of doc2dial", doc2dial.refusal_rows(pages, turns, unanswerable=True))
    answered = [row for row in support if row.origin.slice == "single"]
    others = [row for row in support if row.origin.slice != "single"]
    sections = {page.doc_id: [cut.passage for cut in doc2dial.cut_page(page)] for page in pages}
    about = _told("refusal.jsonl of doc2dial's headings", heading_rows(sections, origin=doc2dial.ORIGIN))
    headings = list(zip(about[::2], about[1::2], strict=True))
    return [
        *_told("refusal.jsonl of squad", squad.refusal_rows(articles, foreign_share=FOREIGN_SHARE, seed=0)),
        *_some(answered, 250, chance),
        *_some(others, 250, chance),
        *(row for pair in _some(headings, HEADINGS, chance) for row in pair),
        *(_of_documentation(row) for row in _as_many(found, chance)),
    ]


def query_rewrite(
    asked: Sequence[rewrites.Asked],
    pairs: Mapping[str, disfl_qa.Pair],
    articles: Sequence[squad.Article],
    chance: random.Random,
) -> list[QueryRewriteRow]:
    """Four of five conversations, their topic said in a first turn, and some disfluent questions."""
    made = rewrites.query_rewrite_rows(asked, topic=rewrites.Topic.FIRST_TURN)
    rows = chance.sample(_told("query_rewrite.jsonl of rewrites", made), len(made.rows))
    conversations = sorted({row.origin.conversation for row in rows})
    kept = set(chance.sample(conversations, len(conversations) * 4 // 5))
    disfluent = _told("query_rewrite.jsonl of disfl-qa", disfl_qa.query_rewrite_rows(pairs, articles))
    return [*(row for row in rows if row.origin.conversation in kept), *_some(disfluent, 500, chance)]


def citation(
    articles: Sequence[squad.Article],
    more: Sequence[squad.Article],
    pages: Sequence[doc2dial.Page],
    turns: Sequence[doc2dial.AskedTurn],
    chance: random.Random,
) -> list[CitationRow]:
    """Turns of Doc2Dial over one passage and over five, questions over one paragraph and over five of one article."""
    alone = [
        *_told("citation.jsonl of squad", squad.citation_rows(articles, offsets=False)),
        *_told("citation.jsonl of squad1", squad.citation_rows(more, offsets=False)),
    ]
    among = _told(
        "citation.jsonl of squad among five",
        squad.citation_rows(articles, passages=5, offsets=False, part=str),
    )
    support = _told("citation.jsonl of doc2dial", doc2dial.citation_rows(pages, turns))
    support_among = _told("citation.jsonl of doc2dial among five", doc2dial.citation_rows(pages, turns, passages=5))
    return [
        *support,
        *_about(support_among, 500, chance),
        *_about(alone, 4000, chance),
        *_about(among, 300, chance),
    ]


def rerank(articles: Sequence[squad.Article], found: Sequence[RerankRow]) -> list[RerankRow]:
    """Paragraphs of one article under SQuAD's questions, and what search finds for questions about a documentation."""
    ranked = squad.rerank_rows(articles, passages=8, seed=0)
    return [*_told("rerank.jsonl of squad", ranked), *map(_of_documentation, found)]


def _about(rows: Sequence[CitationRow], least: int, chance: random.Random) -> Iterator[CitationRow]:
    """All rows over some passages, at least so many if there are: what rows share is computed once."""
    over: defaultdict[tuple[str, ...], list[CitationRow]] = defaultdict(list)
    for row in rows:
        over[tuple(passage.id for passage in row.passages)].append(row)
    shown = sorted(over)
    chance.shuffle(shown)
    taken = 0
    while shown and taken < least:
        found = over[shown.pop()]
        taken += len(found)
        yield from found


def _told(what: str, made: Converted[Row]) -> tuple[Row, ...]:
    """The rows; what became none is told."""
    for reason, count in made.left_out.items():
        sys.stdout.write(f"{what}, left out, {count}: {reason}\n")
    return made.rows


def _write(path: Path, rows: Sequence[BaseModel]) -> None:
    write_rows(path, rows)
    sys.stdout.write(f"{path.name}: {len(rows)} rows\n")


def _some(things: Sequence[T], most: int, chance: random.Random) -> list[T]:
    return chance.sample(things, min(most, len(things)))


def _as_many(rows: Sequence[RefusalRow], chance: random.Random) -> Iterator[RefusalRow]:
    """As many answerable rows as others: what looks like a documentation is no reason to refuse."""
    parts = [[row for row in rows if (row.label is Answerability.ANSWERABLE) == wanted] for wanted in (True, False)]
    for part in parts:
        yield from _some(part, min(map(len, parts)), chance)


def _by_title(articles: Iterable[squad.Article]) -> list[squad.Article]:
    return sorted(articles, key=lambda article: article.title)


def _of_documentation(row: OfPages) -> OfPages:
    return row.model_copy(update={"origin": row.origin.model_copy(update=DOCUMENTATION)})


def _hash(article: squad.Article) -> str:
    return hashlib.sha1(article.title.encode()).hexdigest()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("squad", "squad1", "documents", "turns", "pages", "ranked", "rewrites", "disfl-qa", "output"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    try:
        main()
    except GroundskeeperError as error:
        sys.exit(f"{error} {error.remedy}")
    except OSError as error:
        sys.exit(f"{error.filename} cannot be used: {error.strerror}.")
