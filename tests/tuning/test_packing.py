"""Packing: what examples share is computed once, and nothing else changes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.serving.assistant.tiny_model import write_tiny_model
from tuning.packing import Example, Packed, ancestry, depths, pack
from tuning.tree_attention import tree_attention

TOKENS = st.integers(0, 3)
EXAMPLES = st.lists(
    st.builds(
        Example,
        st.lists(TOKENS, min_size=1, max_size=6).map(tuple),
        st.lists(TOKENS, min_size=1, max_size=4).map(tuple),
    ),
    min_size=1,
    max_size=12,
)


@pytest.fixture(scope="module")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("tiny")).path


def paths(packed: Packed) -> list[tuple[int, ...]]:
    """The tokens from the root to each node, itself included."""
    found: list[tuple[int, ...]] = []
    for token, parent in zip(packed.tokens, packed.parents, strict=True):
        found.append((*(found[parent] if parent >= 0 else ()), token))
    return found


@given(EXAMPLES, st.integers(1, 40), st.integers(1, 6))
def test_every_token_of_every_completion_is_predicted_once_after_what_precedes_it(
    examples: list[Example], tokens: int, examples_each: int
) -> None:
    wanted = sorted((e.prompt + e.completion[:i], e.completion[i]) for e in examples for i in range(len(e.completion)))
    made = []
    for packed in pack(examples, tokens=tokens, examples_each=examples_each):
        known = paths(packed)
        made += [(known[prediction.after], prediction.target) for prediction in packed.predictions]
    assert sorted(made) == wanted


@given(EXAMPLES, st.integers(1, 40), st.integers(1, 6))
def test_no_prefix_is_computed_twice_in_a_sequence(examples: list[Example], tokens: int, examples_each: int) -> None:
    for packed in pack(examples, tokens=tokens, examples_each=examples_each):
        assert len(set(paths(packed))) == len(packed.tokens)


@given(EXAMPLES, st.integers(1, 40), st.integers(1, 6))
def test_a_sequence_keeps_both_bounds_unless_it_is_one_example(
    examples: list[Example], tokens: int, examples_each: int
) -> None:
    for packed in pack(examples, tokens=tokens, examples_each=examples_each):
        assert packed.examples <= examples_each
        assert packed.examples == 1 or len(packed.tokens) <= tokens


@given(EXAMPLES)
def test_a_node_attends_to_the_tokens_before_it_in_its_own_example(examples: list[Example]) -> None:
    (packed,) = pack(examples, tokens=10**6, examples_each=10**6)
    mask, known, depth = ancestry(packed.parents), paths(packed), depths(packed.parents)
    for node, path in enumerate(known):
        seen = [other for other in range(len(known)) if mask[node, other]]
        assert [known[other] for other in sorted(seen, key=depth.__getitem__)] == [
            path[: length + 1] for length in range(len(path))
        ]


@given(EXAMPLES, st.randoms())
def test_the_order_of_the_examples_changes_nothing(examples: list[Example], random: Any) -> None:
    shuffled = list(examples)
    random.shuffle(shuffled)
    assert pack(shuffled, tokens=20, examples_each=4) == pack(examples, tokens=20, examples_each=4)


def test_questions_about_one_passage_cost_the_passage_once() -> None:
    passage = tuple(range(100))
    examples = [Example((*passage, 200 + i), (7,)) for i in range(10)]
    (packed,) = pack(examples, tokens=1000, examples_each=16)
    assert len(packed.tokens) == 110


def test_no_examples_make_no_sequence() -> None:
    assert pack([], tokens=10, examples_each=2) == []


def test_a_completion_that_is_none_of_its_choices_is_refused() -> None:
    with pytest.raises(ValueError, match="one of its choices"):
        Example((1,), (2, 3), choices=(4, 5))


def test_the_logits_of_a_packed_sequence_equal_those_of_the_examples_apart(tiny_base: Path) -> None:
    """The claim that packing rests on: same tokens before, same position, same logits."""
    import torch
    from transformers import AutoModelForCausalLM

    network = AutoModelForCausalLM.from_pretrained(str(tiny_base), dtype=torch.float32).eval()
    trained = AutoModelForCausalLM.from_pretrained(
        str(tiny_base), dtype=torch.float32, attn_implementation=tree_attention()
    ).eval()
    examples = _related_examples()
    (packed,) = pack(examples, tokens=10**6, examples_each=10**6)
    together = _packed_logits(trained, packed)
    known = {path: node for node, path in enumerate(paths(packed))}
    for example in examples:
        ids = example.prompt + example.completion[:-1]
        with torch.inference_mode():
            apart = network(torch.tensor([ids])).logits[0]
        nodes = [known[ids[: length + 1]] for length in range(len(ids))]
        torch.testing.assert_close(together[nodes], apart, rtol=1e-4, atol=1e-4)


def _related_examples() -> Sequence[Example]:
    """A conversation that grows, two questions on one passage, one example that shares nothing, one that is inside."""
    talk = tuple(range(40, 80))
    return [
        Example(talk[:20], (90, 91, 2)),
        Example(talk, (90, 92, 93, 2)),
        Example((*talk[:30], 100, 101), (5, 2)),
        Example((*talk[:30], 102), (5, 2)),
        Example((250, 251), (6, 2)),
    ]


def _packed_logits(network: Any, packed: Packed) -> Any:
    import torch

    from tuning.trainer import collate

    row = {
        "input_ids": packed.tokens,
        "parents": packed.parents,
        "after": [0],
        "targets": [0],
        "choices": [[]],
        "weights": [1.0],
    }
    batch = collate([row])
    with torch.inference_mode():
        return network(
            batch["input_ids"], attention_mask=batch["attention_mask"], position_ids=batch["position_ids"]
        ).logits[0]
