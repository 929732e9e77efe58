"""The contract's fingerprint: what a dataset snapshot, an adapter and an engine must share.

`fingerprint` hashes the *rendered bytes* of a behaviour's fixed probes: tuned prompt, few-shot prompt, target, what is
read back, and its budgets. A change of one behaviour retires no other; a change of what they share (sentences,
segments, turns) retires those that show it. The chat template enters every generative one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType

from serving.interface import citation, context, query_rewrite, refusal, rerank, standalone, turns
from serving.interface.behaviours import Behaviour
from serving.interface.context import build_context
from serving.interface.probes import HISTORY, LONG_QUESTION, PASSAGES, QUESTION
from serving.interface.segments import Message
from serving.interface.template import ChatTemplate

__all__ = ["contract_digest", "fingerprint", "probe_bytes"]

FORMAT = "groundskeeper-contract-1"
"""Version of the way in which probes become bytes."""

_SCORES = ((-0.5, -1.0, -3.0), (-2.0, -2.5, -0.2))


def fingerprint(behaviour: Behaviour, template: ChatTemplate) -> str:
    """sha256 (hex) over the rendered bytes of the probes of `behaviour`."""
    digest = hashlib.sha256(f"{FORMAT}\n{behaviour}\n".encode())
    digest.update(probe_bytes(behaviour, template))
    return digest.hexdigest()


def contract_digest(template: ChatTemplate) -> str:
    """sha256 (hex) over the fingerprints of all behaviours: `versions.contract` of every answer."""
    return hashlib.sha256("\n".join(fingerprint(b, template) for b in Behaviour).encode()).hexdigest()


def probe_bytes(behaviour: Behaviour, template: ChatTemplate) -> bytes:
    """The probes of `behaviour` as bytes: one JSON line each, so that a golden file of them can be read."""
    return b"".join(json.dumps(line, ensure_ascii=False).encode() + b"\n" for line in _PROBES[behaviour](template))


def _rerank(_: ChatTemplate) -> Iterator[object]:
    yield from (rerank.build_pair(QUESTION, passage) for passage in PASSAGES)


def _query_rewrite(template: ChatTemplate) -> Iterator[object]:
    for build in (query_rewrite.build_messages, query_rewrite.few_shot_messages):
        yield _rendered(build(QUESTION, HISTORY, count=_count), template)
        yield _rendered(build(QUESTION, count=_count), template)
    target = query_rewrite.build_target(QUESTION)
    yield [target, query_rewrite.parse(target), template.closing]
    yield _limits(query_rewrite, turns)


def _refusal(template: ChatTemplate) -> Iterator[object]:
    for build in (refusal.build_messages, refusal.few_shot_messages):
        for passage in PASSAGES:
            yield _rendered(build(QUESTION, passage, count=_count), template)
    for asked in (QUESTION, LONG_QUESTION):
        yield [standalone.wordings(asked, said, _count) for said in (HISTORY, HISTORY[:2], ())]
    for label in refusal.Answerability:
        target = refusal.build_target(label)
        yield [target, refusal.parse(target), template.closing]
    yield [refusal.refusal_text(reason, ["A", "B"]) for reason in refusal.Reason]
    odds = refusal.pool([refusal.judge(dict(zip(refusal.Answerability, row, strict=True))) for row in _SCORES])
    yield [round(odds.answerable, 6), round(odds.unanswerable, 6), round(odds.underspecified, 6)]
    named = {"QUESTION_TOKENS", "TURN_CHARACTERS", "PASSAGE_TOKENS", "TITLE_TOKENS"}
    yield {name: bound for name, bound in _limits(standalone, turns, context).items() if name in named}


def _citation(template: ChatTemplate) -> Iterator[object]:
    shown = build_context(PASSAGES, _count)
    for build in (citation.build_messages, citation.few_shot_messages):
        yield _rendered(build(QUESTION, shown, HISTORY, count=_count), template)
    target = citation.build_target(
        [citation.CitedSentence("Press Resume [3].", (2,)), citation.CitedSentence("They disagree.", (1, 4))]
    )
    yield [target, [[s.text, s.numbers] for s in citation.parse(target, shown)], template.closing]
    yield [[s.text, s.numbers] for s in citation.parse("Stop outside [1]. Both sides. [2] [3]", shown)]
    yield [[s.number, s.passage_id, s.start, s.end] for s in shown.sentences]
    yield _limits(citation, turns, context)


_PROBES: dict[Behaviour, Callable[[ChatTemplate], Iterator[object]]] = {
    Behaviour.QUERY_REWRITE: _query_rewrite,
    Behaviour.REFUSAL: _refusal,
    Behaviour.CITATION: _citation,
    Behaviour.RERANK: _rerank,
}


def _rendered(messages: Sequence[Message], template: ChatTemplate) -> list[object]:
    return [[segment.trusted, segment.text] for segment in template.render(messages)]


def _limits(*modules: ModuleType) -> dict[str, int]:
    """The numeric bounds of these modules by name."""
    return {name: value for module in modules for name, value in vars(module).items() if isinstance(value, int)}


def _count(text: str) -> int:
    """Words: the probes must not depend on any tokenizer."""
    return len(text.split())
