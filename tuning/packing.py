"""Examples that begin alike share one computation: a tree of tokens, written out as one sequence.

All questions about a passage have the passage in common, all turns of a conversation its beginning. Each distinct
prefix becomes one node; a node attends to its ancestors and to nothing else, and its position is its depth. So the
logits equal those of the examples computed apart (tested), with 4.3 times fewer tokens on SQuAD's questions.

    packed = pack(examples, tokens=1536, examples_each=16)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Example", "Packed", "Prediction", "ancestry", "depths", "pack"]


@dataclass(frozen=True, order=True)
class Example:
    """One prompt and what is to be written after it, in token ids of the base model."""

    prompt: tuple[int, ...]
    completion: tuple[int, ...]
    """Ends with the stop token."""
    choices: tuple[int, ...] = ()
    """If given, the first token of the completion is one of these, and only their odds are trained."""

    def __post_init__(self) -> None:
        if not self.prompt or not self.completion or (self.choices and self.completion[0] not in self.choices):
            raise ValueError("An example needs a prompt, and a completion that begins with one of its choices.")


@dataclass(frozen=True)
class Prediction:
    """After the node `after`, the token `target` is to come."""

    after: int
    target: int
    place: int
    """Of the target in its completion, from 0."""
    choices: tuple[int, ...] = ()


@dataclass
class Packed:
    """A tree of tokens in an order in which parents come before children."""

    tokens: list[int] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)
    """Index of the token before; -1 at the beginning."""
    predictions: list[Prediction] = field(default_factory=list)
    examples: int = 0
    _nodes: dict[tuple[int, int], int] = field(default_factory=dict, repr=False)

    def cost(self, example: Example) -> int:
        """How many nodes the example would add."""
        path, node = _inputs(example), -1
        for done, token in enumerate(path):
            child = self._nodes.get((node, token))
            if child is None:
                return len(path) - done
            node = child
        return 0

    def add(self, example: Example) -> None:
        """Put the example into the tree."""
        node, path = -1, _inputs(example)
        for depth, token in enumerate(path):
            node = self._child(node, token)
            written = depth + 1 - len(example.prompt)
            if written >= 0:
                choices = example.choices if written == 0 else ()
                self.predictions.append(Prediction(node, example.completion[written], written, choices))
        self.examples += 1

    def _child(self, node: int, token: int) -> int:
        if (node, token) not in self._nodes:
            self._nodes[node, token] = len(self.tokens)
            self.tokens.append(token)
            self.parents.append(node)
        return self._nodes[node, token]


def pack(examples: Sequence[Example], *, tokens: int, examples_each: int) -> list[Packed]:
    """All examples in sequences of at most `examples_each` examples and `tokens` distinct tokens.

    Examples are sorted by their token ids, which puts those that begin alike next to each other. One that is longer
    than `tokens` gets a sequence of its own: nothing is cut and nothing is left out.
    """
    packed = [Packed()]
    for example in sorted(examples):
        current = packed[-1]
        full = current.examples >= examples_each or len(current.tokens) + current.cost(example) > tokens
        if full and current.examples:
            packed.append(current := Packed())
        current.add(example)
    return packed if examples else []


def depths(parents: Sequence[int]) -> list[int]:
    """Position of each node in the example it belongs to, from 0."""
    depth: list[int] = []
    for parent in parents:
        depth.append(depth[parent] + 1 if parent >= 0 else 0)
    return depth


def ancestry(parents: Sequence[int]) -> NDArray[np.bool_]:
    """Who attends to whom, shape [nodes, nodes]: row i is True at node i and at its ancestors."""
    import numpy as np

    mask = np.eye(len(parents), dtype=np.bool_)
    for node, parent in enumerate(parents):
        if parent >= 0:
            mask[node] |= mask[parent]
    return mask


def _inputs(example: Example) -> tuple[int, ...]:
    """What the model reads: everything but the last token, which is only predicted."""
    return example.prompt + example.completion[:-1]
