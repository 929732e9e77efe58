"""Public rows of claims and evidence, as the support check meets them: a sentence and the one to three it would cite.

WiCE (claims of Wikipedia and the cited article), BEGIN (responses of dialogue systems and the knowledge they were
given), ExpertQA (claims of six systems and the retrieved evidence), each with human labels. The evidence of a claim is
the three sentences that share most of its words, rare ones counting more. A claim is supported only if it is so whole;
"generic" responses and claims without evidence are left out. The hash of the claim (WiCE), of the knowledge (BEGIN) or
of the question (ExpertQA) decides the half.

Doc2Dial beside them: what an agent said, with the span it rests on (supported) or another of the same document.
"""

from __future__ import annotations

import csv
import hashlib
import itertools
import json
import random
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serving.assistant.evidence import Terms, score_sentences
from serving.interface.plain import plain
from serving.interface.segments import normalise
from serving.interface.sentences import split_sentences

__all__ = ["LABELLED", "SupportRow", "read_support_rows"]

LABELLED = ("wice", "begin", "expertqa")
CITED = 3
FEWEST_WORDS = 5
"""Of an agent's utterance, so that "Yes." is not called supported."""
_MARKER = re.compile(r"\s*\[\d+\]")

Found = tuple[str, str, Sequence[str], bool]
"""A key whose hash decides the half, claim, texts of the evidence, label."""


@dataclass(frozen=True)
class SupportRow:
    """One claim."""

    source: str
    chosen_on: bool
    """Whether it is of the half on which thresholds and weights are chosen; the other half is reported."""
    claim: str
    evidence: tuple[str, ...]
    background: tuple[str, ...]
    """All sentences from which the evidence was taken: what says which words are rare."""
    supported: bool


def read_support_rows(folder: Path, terms: Terms) -> list[SupportRow]:
    """Rows of all four sources, whose folders are `wice`, `begin`, `expertqa` and `doc2dial-val` of `folder`."""
    readers = {"wice": _wice, "begin": _begin, "expertqa": _expertqa, "doc2dial": _doc2dial}
    rows = (_row(source, found, terms) for source, read in readers.items() for found in read(folder))
    return [row for row in rows if row is not None]


def _row(source: str, found: Found, terms: Terms) -> SupportRow | None:
    key, said, texts, supported = found
    claim = normalise(said)
    sentences = [normalise(plain(part.text)) for text in texts for part in split_sentences(text)]
    background = tuple(sentence for sentence in sentences if sentence)
    if not claim or not background:
        return None
    scores = score_sentences(claim, background, [0.0] * len(background), terms)
    best = sorted(range(len(background)), key=lambda i: (-scores[i], i))[:CITED]
    half = hashlib.sha256(key.encode()).digest()[0] % 2 == 0
    return SupportRow(source, half, claim, tuple(background[i] for i in best), background, supported)


def _wice(folder: Path) -> Iterator[Found]:
    for row in _lines(folder / "wice" / "entailment_retrieval_claim_dev.jsonl"):
        yield row["claim"], row["claim"], row["evidence"], row["label"] == "supported"


def _begin(folder: Path) -> Iterator[Found]:
    for part in ("cmu", "tc", "wow"):
        with (folder / "begin" / f"begin_dev_{part}.tsv").open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
                if row["begin_label"] != "Generic":
                    attributable = row["begin_label"] == "Fully attributable"
                    yield row["knowledge"], row["response"], [row["knowledge"]], attributable


def _expertqa(folder: Path) -> Iterator[Found]:
    for row in _lines(folder / "expertqa" / "claims_support_labels.jsonl"):
        if row["support"] != "N/A" and row["evidence"]:
            yield row["question"], _MARKER.sub("", row["claim"]), row["evidence"], row["support"] == "Complete"


def _doc2dial(folder: Path) -> Iterator[Found]:
    dialogues: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in _lines(folder / "doc2dial-val" / "queries_dev.jsonl"):
        dialogues[row["id"].rpartition("_")[0]].append(row)
    said = [pair for turns in dialogues.values() for pair in _agents(turns)]
    spans: defaultdict[str, list[str]] = defaultdict(list)
    for turn, _ in said:
        spans[turn["doc_id"]].append(turn["answer"])
    for turn, utterance in said:
        own = turn["answer"]
        others = [span for span in spans[turn["doc_id"]] if span not in own and own not in span]
        yield turn["doc_id"], utterance, [own], True
        if others:
            yield turn["doc_id"], utterance, [random.Random(turn["id"]).choice(others)], False


def _agents(turns: Sequence[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], str]]:
    """Each turn whose next one tells what the agent replied to it: a statement, no question back."""
    for turn, following in itertools.pairwise(turns):
        said = following["history"][len(turn["history"]) + 1 :][:1]
        utterance = said[0].removeprefix("agent:").strip() if said and said[0].startswith("agent:") else ""
        if len(utterance.split()) >= FEWEST_WORDS and not utterance.endswith("?"):
            yield turn, utterance


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    yield from map(json.loads, path.read_text(encoding="utf-8").splitlines())
