"""The fingerprint changes with what a behaviour renders, and with nothing else."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest

from serving.interface import (
    citation,
    context,
    plain,
    query_rewrite,
    refusal,
    rerank,
    segments,
    sentences,
    standalone,
    turns,
)
from serving.interface.behaviours import GENERATIVE, Behaviour
from serving.interface.errors import ContractError
from serving.interface.fingerprint import contract_digest, fingerprint
from serving.interface.segments import trusted
from serving.interface.template import ChatTemplate
from tests.serving.interface.chatml import CHATML

ORIGINAL = SimpleNamespace(**vars(sentences))
OTHER = ChatTemplate(CHATML.source.replace("<|im_end|>", "<|end|>"))


def _all() -> dict[Behaviour, str]:
    return {behaviour: fingerprint(behaviour, CHATML) for behaviour in Behaviour}


def test_every_behaviour_has_a_fingerprint_of_its_own() -> None:
    assert len(set(_all().values())) == len(Behaviour)


@pytest.mark.parametrize(
    ("module", "name", "value", "changed"),
    [
        (citation, "TASK", "\nAnswer.", Behaviour.CITATION),
        (refusal, "INSTRUCTIONS", "Check.", Behaviour.REFUSAL),
        (refusal, "FEW_SHOTS", refusal.FEW_SHOTS[:-1], Behaviour.REFUSAL),
        (rerank, "normalise", str.upper, Behaviour.RERANK),
    ],
)
def test_a_change_of_one_behaviour_retires_no_other(
    monkeypatch: pytest.MonkeyPatch, module: object, name: str, value: object, changed: Behaviour
) -> None:
    before = _all()
    monkeypatch.setattr(module, name, value)
    assert {b for b, digest in _all().items() if digest != before[b]} == {changed}


def test_the_chat_template_enters_the_generative_behaviours_and_not_the_reranker() -> None:
    changed = {b for b in Behaviour if fingerprint(b, OTHER) != fingerprint(b, CHATML)}
    assert changed == set(GENERATIVE)
    assert contract_digest(OTHER) != contract_digest(CHATML)


NOTHING = re.compile(r"(?!)()")
RULES = [
    *((sentences, name) for name in ("_FENCE", "_HEADING", "_UNDERLINE", "_ITEM", "_ROW", "_MARKUP", "_DIRECTIVE")),
    *(
        (sentences, name)
        for name in ("_BARE_DIRECTIVE", "_NAMING_DIRECTIVE", "_CODE_DIRECTIVE", "_END", "_ABBREVIATION")
    ),
    *((segments, name) for name in ("_MARKER_LIKE", "_HIDDEN", "_CONTROLS")),
    *((plain, name) for name in ("_GRAVE", "_TARGETED")),
    (context, "_FENCES"),
]
LIMITS = [
    *((turns, name) for name in ("TURN_TOKENS", "HISTORY_TOKENS", "QUESTION_TOKENS")),
    *((context, name) for name in ("CONTEXT_TOKENS", "PASSAGE_TOKENS", "TITLE_TOKENS")),
    (sentences, "MAX_CHARACTERS"),
    (standalone, "TURN_CHARACTERS"),
    (citation, "OUTPUT_TOKENS"),
    (query_rewrite, "OUTPUT_TOKENS"),
    (query_rewrite, "QUERY_CHARACTERS"),
]


def _changed(before: dict[Behaviour, str]) -> bool:
    try:
        return _all() != before
    except ContractError:  # a target that cannot be read back any more
        return True


@pytest.mark.parametrize(("module", "name"), RULES)
def test_no_rule_of_the_contract_can_go_unnoticed(monkeypatch: pytest.MonkeyPatch, module: object, name: str) -> None:
    before = _all()
    monkeypatch.setattr(module, name, NOTHING)
    if module is sentences:
        starts = tuple(NOTHING if p is getattr(ORIGINAL, name) else p for p in sentences._BLOCK_STARTS)
        monkeypatch.setattr(sentences, "_BLOCK_STARTS", starts)
    assert _changed(before)


@pytest.mark.parametrize("rule", range(len(plain._RULES)))
def test_no_rule_of_inline_markup_can_go_unnoticed(monkeypatch: pytest.MonkeyPatch, rule: int) -> None:
    before = _all()
    monkeypatch.setattr(plain, "_RULES", plain._RULES[:rule] + plain._RULES[rule + 1 :])
    assert _all() != before


@pytest.mark.parametrize(("module", "name"), LIMITS)
def test_no_bound_of_the_contract_can_move_unnoticed(
    monkeypatch: pytest.MonkeyPatch, module: object, name: str
) -> None:
    before = _all()
    monkeypatch.setattr(module, name, getattr(module, name) - 1)
    assert _all() != before


def test_the_pooling_of_judgements_is_part_of_the_fingerprint(monkeypatch: pytest.MonkeyPatch) -> None:
    before = _all()
    monkeypatch.setattr(refusal, "pool", lambda judgements: judgements[0])
    assert _all() != before


def test_what_is_trusted_is_part_of_the_fingerprint(monkeypatch: pytest.MonkeyPatch) -> None:
    before = fingerprint(Behaviour.CITATION, CHATML)
    monkeypatch.setattr("serving.interface.turns.data", lambda text, code=False: trusted(" " + text))
    assert fingerprint(Behaviour.CITATION, CHATML) != before
