"""Attention keys and values of recent prompts, so that a shared beginning is computed once.

Kept: the least recently used go first when all entries together exceed a bound in tokens. An entry that is
the beginning of a newer one is dropped, since the newer one serves it too.

Not kept: what was generated. Not shared: adapters; the same tokens have other values under each.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from itertools import takewhile
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["KeysValues", "PrefixCache"]

KeysValues: TypeAlias = "tuple[tuple[Tensor, Tensor], ...]"
"""Per layer: keys and values, each [1, heads, tokens, width]."""


class PrefixCache:
    """Not thread-safe; its owner holds a lock."""

    def __init__(self, capacity: int) -> None:
        """`capacity`: tokens over all entries; 0 keeps nothing."""
        self._capacity = capacity
        self._entries: OrderedDict[tuple[str | None, tuple[int, ...]], KeysValues] = OrderedDict()

    @property
    def tokens(self) -> int:
        """Tokens over all entries."""
        return sum(len(tokens) for _, tokens in self._entries)

    def longest(self, adapter: str | None, prompt: Sequence[int]) -> tuple[int, KeysValues]:
        """How many first tokens of `prompt` are known, at most all but one, and their keys and values.

        The last token is never taken from here: the model must run on something to say what comes next.
        """
        best, found = 0, None
        for key in self._entries:
            if key[0] == adapter and (shared := _shared(key[1], prompt[:-1])) > best:
                best, found = shared, key
        if found is None:
            return 0, ()
        self._entries.move_to_end(found)
        return best, tuple((k[..., :best, :], v[..., :best, :]) for k, v in self._entries[found])

    def keep(self, adapter: str | None, prompt: Sequence[int], layers: KeysValues) -> None:
        """Remember `layers`, which cover exactly `prompt`; too long a prompt is not kept."""
        tokens = tuple(prompt)
        if len(tokens) > self._capacity:
            return
        for key in [k for k in self._entries if k[0] == adapter and tokens[: len(k[1])] == k[1]]:
            del self._entries[key]
        self._entries[adapter, tokens] = layers
        while self.tokens > self._capacity:
            self._entries.popitem(last=False)

    def forget(self, adapter: str | None) -> None:
        """Drop the entries of one adapter."""
        for key in [k for k in self._entries if k[0] == adapter]:
            del self._entries[key]

    def clear(self) -> None:
        """Drop everything."""
        self._entries.clear()


def _shared(left: Sequence[int], right: Sequence[int]) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(left, right, strict=False)))
