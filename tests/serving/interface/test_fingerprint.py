"""The fingerprint changes with what a behaviour renders, and with nothing else."""

from __future__ import annotations

import pytest

from serving.interface import citation, refusal, rerank
from serving.interface.behaviours import GENERATIVE, Behaviour
from serving.interface.fingerprint import contract_digest, fingerprint
from serving.interface.segments import trusted
from serving.interface.template import ChatTemplate
from tests.serving.interface.chatml import CHATML

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


def test_what_is_trusted_is_part_of_the_fingerprint(monkeypatch: pytest.MonkeyPatch) -> None:
    before = fingerprint(Behaviour.CITATION, CHATML)
    monkeypatch.setattr("serving.interface.turns.data", lambda text: trusted(" " + text))
    assert fingerprint(Behaviour.CITATION, CHATML) != before
