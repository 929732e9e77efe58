"""What the prefix cache promises, with tensors whose values are their positions."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.assistant.prefix_cache import KeysValues, PrefixCache

PROMPTS = st.lists(
    st.tuples(st.sampled_from([None, "a"]), st.lists(st.integers(1, 2), min_size=1, max_size=8)), max_size=12
)


def layers(prompt: Any) -> KeysValues:
    import torch

    values = torch.tensor([float(token) for token in prompt]).reshape(1, 1, -1, 1)
    return ((values, values),)


def tokens(found: KeysValues) -> list[int]:
    return [int(x) for x in found[0][0].flatten()] if found else []


@given(prompts=PROMPTS, capacity=st.integers(0, 20))
def test_what_is_found_is_the_longest_kept_beginning_of_the_same_adapter(prompts: Any, capacity: int):
    cache = PrefixCache(capacity)
    for adapter, prompt in prompts:
        known, found = cache.longest(adapter, prompt)
        assert known < len(prompt)
        assert tokens(found) == prompt[:known]
        cache.keep(adapter, prompt, layers(prompt))
        assert cache.tokens <= capacity
        if len(prompt) <= capacity:
            assert cache.longest(adapter, [*prompt, 9])[0] == len(prompt)


def test_adapters_do_not_share():
    cache = PrefixCache(10)
    cache.keep("a", [1, 2, 3], layers([1, 2, 3]))
    assert cache.longest("b", [1, 2, 3]) == (0, ())
    assert cache.longest(None, [1, 2, 3]) == (0, ())


def test_the_least_recently_used_goes_first():
    cache = PrefixCache(6)
    for prompt in ([1, 1, 1], [2, 2, 2]):
        cache.keep(None, prompt, layers(prompt))
    cache.longest(None, [1, 1, 1, 1])
    cache.keep(None, [3, 3], layers([3, 3]))
    assert [cache.longest(None, [n] * 9)[0] for n in (1, 2, 3)] == [3, 0, 2]


def test_a_longer_prompt_takes_the_place_of_its_beginning():
    cache = PrefixCache(10)
    for prompt in ([1, 2], [1, 2, 3]):
        cache.keep(None, prompt, layers(prompt))
    assert cache.tokens == 3


def test_forgetting_an_adapter_leaves_the_others():
    cache = PrefixCache(10)
    for adapter in ("a", "b", None):
        cache.keep(adapter, [1, 2], layers([1, 2]))
    cache.forget("a")
    assert [cache.longest(adapter, [1, 2])[0] for adapter in ("a", "b", None)] == [0, 1, 1]


@pytest.mark.parametrize("capacity", [0, 2])
def test_a_prompt_beyond_the_capacity_is_not_kept_and_drives_nothing_out(capacity: int):
    cache = PrefixCache(capacity)
    cache.keep(None, [5, 6], layers([5, 6]))
    cache.keep(None, [1, 2, 3], layers([1, 2, 3]))
    assert cache.tokens == capacity
