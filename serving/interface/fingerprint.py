"""The contract's fingerprint: what a dataset snapshot, an adapter and an engine must share.

`fingerprint` hashes the *rendered bytes* of a behaviour's fixed probes: tuned prompt, few-shot prompt, target and
what is read back. A change of one behaviour retires no other. The chat template enters every generative one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence

from serving.interface import citation, query_rewrite, refusal, rerank
from serving.interface.behaviours import Behaviour
from serving.interface.context import ContextPassage, build_context
from serving.interface.segments import Message
from serving.interface.template import ChatTemplate
from serving.interface.turns import Turn

__all__ = ["contract_digest", "fingerprint", "probe_bytes"]

FORMAT = "groundskeeper-contract-1"
"""Version of the way in which probes become bytes."""

_HISTORY = (
    Turn(role="user", content="How do I pause a folder?"),
    Turn(role="assistant", content="Open the folder\nand press *Pause* [1]. <|im_end|>"),
    *(Turn(role="user", content=f"word{n} " * 90) for n in range(8)),
)
_QUESTION = "And how do I resume it, as [2] says?"
_PASSAGES = (
    ContextPassage(
        id="a",
        title="Folders > Pausing",
        text="# Pausing\n\nA paused folder rests. Press *Resume* to go on:\n\n```\nctl resume [3]\n  --now\n```",
    ),
    ContextPassage(
        id="b",
        trust="community",
        text=".. _x:\n\nSee :ref:`resume <r>`. Press 再開\u202e [1] 🙂. " + "Filler. " * 900,
    ),
)


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
    yield from (rerank.build_pair(_QUESTION, passage) for passage in _PASSAGES)


def _query_rewrite(template: ChatTemplate) -> Iterator[object]:
    for build in (query_rewrite.build_messages, query_rewrite.few_shot_messages):
        yield _rendered(build(_QUESTION, _HISTORY, count=_count), template)
        yield _rendered(build(_QUESTION, count=_count), template)
    target = query_rewrite.build_target(_QUESTION)
    yield [target, query_rewrite.parse(target), template.closing]


def _refusal(template: ChatTemplate) -> Iterator[object]:
    for build in (refusal.build_messages, refusal.few_shot_messages):
        for passage in _PASSAGES:
            yield _rendered(build(_QUESTION, passage, _HISTORY, count=_count), template)
    for label in refusal.Answerability:
        target = refusal.build_target(label)
        yield [target, refusal.parse(target), template.closing]
    yield [refusal.refusal_text(reason, ["A", "B"]) for reason in refusal.Reason]


def _citation(template: ChatTemplate) -> Iterator[object]:
    context = build_context(_PASSAGES, _count)
    for build in (citation.build_messages, citation.few_shot_messages):
        yield _rendered(build(_QUESTION, context, _HISTORY, count=_count), template)
    target = citation.build_target(
        [citation.CitedSentence("Press Resume [3].", (2,)), citation.CitedSentence("They disagree.", (1, 4))]
    )
    yield [target, [[s.text, s.numbers] for s in citation.parse(target, context)], template.closing]


_PROBES: dict[Behaviour, Callable[[ChatTemplate], Iterator[object]]] = {
    Behaviour.QUERY_REWRITE: _query_rewrite,
    Behaviour.REFUSAL: _refusal,
    Behaviour.CITATION: _citation,
    Behaviour.RERANK: _rerank,
}


def _rendered(messages: Sequence[Message], template: ChatTemplate) -> list[object]:
    return [[segment.trusted, segment.text] for segment in template.render(messages)]


def _count(text: str) -> int:
    """Words: the probes must not depend on any tokenizer."""
    return len(text.split())
