"""The rows that the starter adapters were trained on, made again from public data.

    python infra/starter/make_rows.py --squad dev-v2.0.json --squad1 dev-v1.1.json --documents docs.jsonl \
        --turns turns.jsonl --rewrites train.jsonl --disfl-qa pairs.json --output rows
    groundskeeper retrain refusal --data rows/refusal.jsonl        (and query_rewrite, citation)

Files are taken as they are published (docs/rows.md names each format): the development parts of SQuAD, of 1.1 the
articles that 2.0 lacks. Everything is drawn with fixed seeds, so the same files give the same rows, byte for byte, and
the snapshots in the starters' data statements.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tuning.converters import disfl_qa, doc2dial, rewrites, squad
from tuning.converters.headings import heading_rows
from tuning.rows import CitationRow, QueryRewriteRow, RefusalRow, write_rows

DOCUMENT_SHARE, DOCUMENT_SEED = 0.66, 7
"""Of Doc2Dial's documents that are trained on: 60 of 91. The others are for figures."""
ARTICLES = 20
"""Of the 35 of SQuAD 2.0 that are trained on: the first by the hash of their titles. The others are for figures."""
FOREIGN_SHARE = 0.15
HEADINGS = 500


def main() -> None:
    given = _arguments()
    second, first = (squad.read_squad(json.loads(path.read_text("utf-8"))) for path in (given.squad, given.squad1))
    known = {article.title for article in second}
    articles = _by_title(sorted(second, key=_hash)[:ARTICLES])
    more = _by_title([article for article in first if article.title not in known])
    documents = doc2dial.read_documents(_lines(given.documents))
    turns = doc2dial.read_turns(_lines(given.turns))
    pages, _ = doc2dial.split_documents(documents, share=DOCUMENT_SHARE, seed=DOCUMENT_SEED)
    chance = random.Random(0)
    asked = rewrites.read_rewrites(_lines(given.rewrites))
    pairs = disfl_qa.read_disfl_qa(json.loads(given.disfl_qa.read_text("utf-8")))
    given.output.mkdir(parents=True, exist_ok=True)
    write_rows(given.output / "refusal.jsonl", refusal(articles, pages, turns, chance))
    write_rows(given.output / "query_rewrite.jsonl", query_rewrite(asked, pairs, articles, chance))
    write_rows(given.output / "citation.jsonl", citation(articles, more, pages, turns, chance))


def refusal(articles: Any, pages: Any, turns: Any, chance: random.Random) -> list[RefusalRow]:
    """SQuAD's questions on three of four paragraphs, some on a foreign one too, turns of Doc2Dial, and its headings."""
    asked = squad.refusal_rows(articles, foreign_share=FOREIGN_SHARE, seed=0).rows
    shown = sorted({row.passages[0].id for row in asked})
    kept = set(chance.sample(shown, len(shown) * 3 // 4))
    support = doc2dial.refusal_rows(pages, turns, unanswerable=True).rows
    answered = [row for row in support if row.origin.slice == "single"]
    others = [row for row in support if row.origin.slice != "single"]
    sections = {page.doc_id: [cut.passage for cut in doc2dial.cut_page(page)] for page in pages}
    headings = heading_rows(sections, origin=doc2dial.ORIGIN).rows
    return [
        *(row for row in asked if row.passages[0].id in kept),
        *chance.sample(answered, 250),
        *chance.sample(others, 250),
        *random.Random(0).sample(headings, min(len(headings), HEADINGS)),  # its own: it moves no other draw
    ]


def query_rewrite(asked: Any, pairs: Any, articles: Any, chance: random.Random) -> list[QueryRewriteRow]:
    """Four of five conversations, their topic said in a first turn, and some disfluent questions."""
    rows = rewrites.query_rewrite_rows(asked, topic=rewrites.Topic.FIRST_TURN).rows
    rows = chance.sample(rows, len(rows))
    conversations = sorted({row.origin.conversation for row in rows})
    kept = set(chance.sample(conversations, len(conversations) * 4 // 5))
    disfluent = disfl_qa.query_rewrite_rows(pairs, articles).rows
    return [*(row for row in rows if row.origin.conversation in kept), *chance.sample(disfluent, 500)]


def citation(articles: Any, more: Any, pages: Any, turns: Any, chance: random.Random) -> list[CitationRow]:
    """Questions over one paragraph, others over five of one article, and turns of Doc2Dial."""
    alone = squad.citation_rows(articles, offsets=False).rows
    further = squad.citation_rows(more, offsets=False).rows
    among = squad.citation_rows(articles, passages=5, offsets=False, part=str).rows
    groups = sorted({_shown(row) for row in among})
    chance.shuffle(groups)
    five = set(groups[:20])
    elsewhere = sorted({row.passages[0].id for row in alone} - {passage for group in five for passage in group})
    ones = set(chance.sample(elsewhere, 450)) | set(chance.sample(sorted({row.passages[0].id for row in further}), 300))
    return [
        *(row for row in (*alone, *further) if row.passages[0].id in ones),
        *(row for row in among if _shown(row) in five),
        *chance.sample(doc2dial.citation_rows(pages, turns).rows, 250),
        *chance.sample(doc2dial.citation_rows(pages, turns, passages=5).rows, 60),
    ]


def _by_title(articles: Iterable[squad.Article]) -> list[squad.Article]:
    return sorted(articles, key=lambda article: article.title)


def _hash(article: squad.Article) -> str:
    return hashlib.sha1(article.title.encode()).hexdigest()


def _shown(row: CitationRow) -> tuple[str, ...]:
    return tuple(passage.id for passage in row.passages)


def _lines(path: Path) -> Iterator[Any]:
    return (json.loads(line) for line in path.read_text("utf-8").split("\n") if line.strip())


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("squad", "squad1", "documents", "turns", "rewrites", "disfl-qa", "output"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    main()
