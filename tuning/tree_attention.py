"""Attention over a tree of tokens (`tuning.packing`) that looks only where the mask lets it.

    network = AutoModelForCausalLM.from_pretrained(path, attn_implementation=tree_attention())

A token of a tree attends to its ancestors, a small part of all tokens before it. A kernel that is given a mask
computes every pair and throws most of them away, so the queries are taken in blocks, each with the keys that any of
them may see.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["tree_attention"]

BLOCK = 256
"""Queries that are computed together: fewer see fewer keys, more keep the kernel busy."""
_NAME = "groundskeeper_tree"


def tree_attention() -> str:
    """The name by which `transformers` knows this attention, from the first call on."""
    from transformers import AttentionInterface

    AttentionInterface.register(_NAME, _attend)
    return _NAME


def _attend(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor,
    *,
    scaling: float | None = None,
    dropout: float = 0.0,
    softcap: float | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """Of `query` [1, heads, n, size], `key` and `value` [1, key heads, n, size]: [1, n, heads, size].

    `attention_mask` [1, 1, n, n] has no empty row. Raises ValueError where it is not bool, and for a base that caps its
    scores.
    """
    import torch
    from torch.nn.functional import scaled_dot_product_attention

    if attention_mask.dtype is not torch.bool or softcap is not None:
        raise ValueError("attention over a tree takes a mask of bool and no cap of scores")
    key, value = (of.repeat_interleave(query.shape[1] // of.shape[1], dim=1) for of in (key, value))
    blocks = []
    for rows, seen in zip(*(torch.split(of, BLOCK, dim=2) for of in (query, attention_mask)), strict=True):
        shown = seen[0, 0].any(dim=0).nonzero()[:, 0]
        blocks.append(
            scaled_dot_product_attention(
                rows,
                key.index_select(2, shown),
                value.index_select(2, shown),
                attn_mask=seen.index_select(3, shown),
                dropout_p=dropout,
                scale=scaling,
            )
        )
    return torch.cat(blocks, dim=2).transpose(1, 2).contiguous(), None
