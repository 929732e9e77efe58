"""Attention that skips what the mask hides gives what attention over everything gives, and so do its gradients."""

from __future__ import annotations

import random

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from tuning.packing import ancestry
from tuning.tree_attention import BLOCK, _attend


def tree(nodes: int, seed: int) -> torch.Tensor:
    """A mask [1, 1, n, n] of a random tree, some of whose branches are long."""
    chance = random.Random(seed)
    parents = [-1, *(node - 1 if chance.random() < 0.9 else chance.randrange(node) for node in range(1, nodes))]
    return torch.from_numpy(ancestry(parents))[None, None]


def test_what_would_silently_be_computed_wrongly_is_refused() -> None:
    of = torch.randn(1, 1, 4, 8)
    with pytest.raises(ValueError, match="mask of bool"):
        _attend(None, of, of, of, torch.zeros(1, 1, 4, 4))
    with pytest.raises(ValueError, match="no cap"):
        _attend(None, of, of, of, tree(4, seed=0), softcap=30.0)


@pytest.mark.parametrize("nodes", [1, BLOCK, BLOCK + 1, 3 * BLOCK - 5])
def test_outputs_and_gradients_equal_those_over_everything(nodes: int) -> None:
    torch.manual_seed(nodes)
    mask = tree(nodes, seed=nodes)
    sizes = (6, 2, 2)  # heads: two keys serve six queries
    inputs = [torch.randn(1, heads, nodes, 8, requires_grad=True) for heads in sizes]
    query, key, value = inputs
    found, _ = _attend(None, query, key, value, mask, scaling=0.3)
    wide = [of.repeat_interleave(3, dim=1) for of in (key, value)]
    wanted = scaled_dot_product_attention(query, *wide, attn_mask=mask, scale=0.3).transpose(1, 2)
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)
    weights = torch.randn_like(found)
    for ours, theirs in zip(
        torch.autograd.grad((found * weights).sum(), inputs),
        torch.autograd.grad((wanted * weights).sum(), inputs),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
