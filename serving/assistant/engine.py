"""The protocol that engines speak: token ids in, token ids or log-probabilities out.

An engine runs one base model and any number of LoRA adapters over it. It never sees text: prompts are
rendered and tokenised by the contract (`serving.interface.template.prompt_ids`), so that what is served is
what was trained. Adapters are named `<behaviour>@<version>`; a name stands for one content, for ever.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from serving.interface.segments import Tokenizer
from serving.interface.template import ChatTemplate

__all__ = ["Engine", "EngineIdentity", "GenerateRequest", "ScoreRequest"]


@dataclass(frozen=True)
class EngineIdentity:
    """What runs, for the record that every answer keeps."""

    engine: str
    """`local` or `vllm`."""
    base_model: str
    """The reference by which the base model was asked for."""
    weights_digest: str
    tokenizer_digest: str
    context_length: int
    """Most tokens of prompt and answer together."""


@dataclass(frozen=True)
class GenerateRequest:
    """One text to continue."""

    prompt: tuple[int, ...]
    max_new_tokens: int
    stop: tuple[int, ...]
    """Token ids that end the answer; not part of it."""
    adapter: str | None = None
    """None: the base model alone."""
    temperature: float = 0.0
    """0 takes the likeliest token each time; above 0 draws, the same tokens for the same seed."""
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.prompt or self.max_new_tokens < 1 or self.temperature < 0:
            raise ValueError("A request needs a prompt, at least one new token and a temperature of 0 or more.")


@dataclass(frozen=True)
class ScoreRequest:
    """One prompt and the texts whose probabilities after it are asked for."""

    prompt: tuple[int, ...]
    continuations: tuple[tuple[int, ...], ...]
    adapter: str | None = None

    def __post_init__(self) -> None:
        if not self.prompt or not all(self.continuations):
            raise ValueError("A request needs a prompt, and every continuation at least one token.")


class Engine(Protocol):
    """One base model with its adapters. Every method may be called from any thread."""

    @property
    def identity(self) -> EngineIdentity:
        """What runs."""
        ...

    @property
    def tokenizer(self) -> Tokenizer:
        """The base model's tokenizer."""
        ...

    @property
    def template(self) -> ChatTemplate:
        """The base model's chat template."""
        ...

    def generate(self, request: GenerateRequest) -> Iterator[int]:
        """The token ids of the answer as they come; closing the iterator cancels the rest.

        Ends before a stop token or after `max_new_tokens`. Raises, before the first token, `PromptTooLong`
        when prompt and new tokens exceed the context, and `AdapterUnknown`.
        """
        ...

    def score(self, requests: Sequence[ScoreRequest]) -> list[tuple[float, ...]]:
        """For each request, in order, the natural log-probability of each continuation after the prompt.

        A continuation's value is the sum over its tokens (0 is certain, never positive). Raises as `generate`.
        """
        ...

    def load_adapter(self, name: str, folder: Path) -> None:
        """Make the PEFT adapter in `folder` (safetensors) callable as `name`; again with the same folder: nothing.

        Raises `AdapterRefused` for a folder that does not fit the base, or a name that means another folder.
        """
        ...

    def unload_adapter(self, name: str) -> None:
        """Take no more requests for `name`; those under way end as they began. Raises `AdapterUnknown`."""
        ...

    def close(self) -> None:
        """Give the memory back. Later calls raise `EngineUnavailable`; closing again does nothing."""
        ...
