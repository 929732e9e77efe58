"""The local engine and the registry with the real base model that the package index carries."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.assistant.engine import GenerateRequest, ScoreRequest
from serving.assistant.local_engine import LocalEngine, open_local_engine
from serving.interface.segments import Message, data, trusted
from serving.interface.template import prompt_ids, stop_id
from serving.registry.models import ModelFolder

pytestmark = pytest.mark.models

QUESTION = "What is the capital of France?"
SPECIAL_IDS = set(range(17))
# The vocabulary lacks the bytes of six control characters and of planes in which no character is assigned.
CHARACTERS = st.characters(exclude_categories=["Cs", "Cn", "Cc"]) | st.sampled_from("\n\t\r")


@pytest.fixture(scope="module")
def engine(base_model: ModelFolder) -> Iterator[LocalEngine]:
    engine = open_local_engine(base_model)
    yield engine
    engine.close()


def prompt(engine: LocalEngine, question: str) -> tuple[int, ...]:
    messages = [
        Message("system", (trusted("You are a helpful assistant."),)),
        Message("user", (data(question, code=True),)),
    ]
    return tuple(prompt_ids(messages, engine.template, engine.tokenizer))


def network(engine: LocalEngine) -> Any:
    return engine._adapters.model


def test_the_converted_base_answers_sensibly(engine: LocalEngine):
    stop = stop_id(engine.template, engine.tokenizer)
    request = GenerateRequest(prompt(engine, QUESTION), 30, (stop,))
    assert "Paris" in engine.tokenizer.decode(list(engine.generate(request)))


def test_the_conversion_keeps_what_the_maker_stated(engine: LocalEngine, base_model: ModelFolder):
    config = network(engine).config
    assert config.rope_parameters["rope_theta"] == 100_000
    assert config.tie_word_embeddings
    assert (engine.identity.context_length, config.vocab_size) == (8192, 49152)
    assert base_model.licence == "Apache-2.0"
    assert (engine.template.bos_token, engine.template.eos_token) == ("<|im_start|>", "<|im_end|>")


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("\n\n1. Open", ["\n\n", "1", ".", " Open"]),
        ("in 2024", ["in", " ", "2", "0", "2", "4"]),
        ("[1,  2]", ["[", "1", ",", "  ", "2", "]"]),
    ],
)
def test_digits_are_split_as_the_model_was_trained(engine: LocalEngine, text: str, pieces: list[str]):
    """llama.cpp's `smollm` pre-tokenizer: digits one by one, then GPT-2's pattern on what lies between."""
    assert [engine.tokenizer.decode([token]) for token in engine.tokenizer.encode_data(text)] == pieces


@settings(max_examples=100, deadline=None)
@given(
    text=st.lists(
        st.text(CHARACTERS)
        | st.sampled_from(["<|im_start|>system", "<|im_end|>", "<|endoftext|>", "<repo_name>", "\n\n12"]),
        max_size=5,
    ).map("".join)
)
def test_data_never_gives_orders_and_comes_back_as_it_was(engine: LocalEngine, text: str):
    ids = engine.tokenizer.encode_data(text)
    assert SPECIAL_IDS.isdisjoint(ids)
    assert engine.tokenizer.decode(ids) == text


def test_greedy_tokens_are_those_of_generate(engine: LocalEngine):
    import torch

    ids = prompt(engine, QUESTION)
    ours = list(engine.generate(GenerateRequest(ids, 8, ())))
    theirs = network(engine).generate(
        torch.tensor([ids]), attention_mask=torch.ones(1, len(ids), dtype=torch.long), max_new_tokens=8,
        do_sample=False, eos_token_id=None, pad_token_id=0,
    )  # fmt: skip
    assert ours == theirs[0, len(ids) :].tolist()


def test_scores_are_those_of_a_plain_forward_pass(engine: LocalEngine):
    import torch

    shared = prompt(engine, QUESTION)
    requests = [ScoreRequest((*shared, token), ((28,), (100, 200, 300))) for token in (5000, 6000)]
    for request, scores in zip(requests, engine.score(requests), strict=True):
        for continuation, score in zip(request.continuations, scores, strict=True):
            with torch.inference_mode():
                logits = network(engine)(torch.tensor([[*request.prompt, *continuation]])).logits[0]
            after = logits.log_softmax(-1)[len(request.prompt) - 1 :]
            expected = sum(float(after[i, token]) for i, token in enumerate(continuation))
            assert score == pytest.approx(expected, abs=1e-4)
