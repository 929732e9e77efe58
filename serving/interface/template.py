"""The base model's chat template: a pinned parameter of the contract, rendered without ever seeing data.

The template is run over place holders, one a message, and the text between them is what the model's maker
trusts; our segments then take the holders' places. So no document can close a message, whatever it contains.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from serving.interface.errors import TemplateUnusable
from serving.interface.segments import Message, Segment, Tokenizer, merge, trusted

__all__ = ["ChatTemplate", "completion_ids", "prompt_ids", "stop_id"]

_HOLDER = re.compile("\ue000(\\d+)\ue001")
_REMEDY = "Use a base model whose chat template has system, user and assistant messages in plain order."


@dataclass(frozen=True)
class ChatTemplate:
    """A chat template and the two tokens it may name."""

    source: str
    """Jinja source, as the base model's tokenizer carries it."""
    bos_token: str = ""
    eos_token: str = ""

    def render(self, messages: Sequence[Message]) -> tuple[Segment, ...]:
        """The whole prompt up to where the assistant begins to write.

        Raises `TemplateUnusable` when the template drops, repeats or reorders a message.
        """
        return _fill(self._text([m.role for m in messages], answering=True), messages)

    @property
    def closing(self) -> str:
        """Trusted text that follows an assistant's message; it begins with the stop token.

        Raises `TemplateUnusable` when a finished answer does not begin with the prompt that asked for it.
        """
        roles = ["system", "user"]
        asked = self._text(roles, answering=True)
        finished = self._text([*roles, "assistant"], answering=False)
        holder = "\ue0002\ue001"
        if not finished.startswith(asked + holder):
            raise TemplateUnusable(
                "The chat template is not prefix-preserving: an answered conversation does not begin with"
                " the prompt that asked for the answer, so training and serving would see different tokens.",
                remedy=_REMEDY,
            )
        return finished[len(asked) + len(holder) :]

    def _text(self, roles: Sequence[str], *, answering: bool) -> str:
        messages = [{"role": role, "content": f"\ue000{index}\ue001"} for index, role in enumerate(roles)]
        return _render(self.source, self.bos_token, self.eos_token, messages, answering)


def prompt_ids(messages: Sequence[Message], template: ChatTemplate, tokenizer: Tokenizer) -> list[int]:
    """Token ids of a prompt: the only way from messages to what an engine or a trainer receives."""
    return [
        token
        for segment in template.render(messages)
        for token in (tokenizer.encode_trusted if segment.trusted else tokenizer.encode_data)(segment.text)
    ]


def completion_ids(target: str, template: ChatTemplate, tokenizer: Tokenizer) -> list[int]:
    """Token ids that a model is trained to write for `target`: the text, then the stop token."""
    return [*tokenizer.encode_data(target), stop_id(template, tokenizer)]


def stop_id(template: ChatTemplate, tokenizer: Tokenizer) -> int:
    """The special token that ends an answer. Raises `TemplateUnusable` when the template has none."""
    ids = tokenizer.encode_trusted(template.closing)
    if not ids or tokenizer.decode(ids[:1]):
        raise TemplateUnusable("The chat template ends an answer without a special token.", remedy=_REMEDY)
    return ids[0]


def _fill(text: str, messages: Sequence[Message]) -> tuple[Segment, ...]:
    parts = _HOLDER.split(text)
    if [int(index) for index in parts[1::2]] != list(range(len(messages))):
        raise TemplateUnusable("The chat template does not show each message once, in order.", remedy=_REMEDY)
    segments = [trusted(parts[0])]
    for message, after in zip(messages, parts[2::2], strict=True):
        segments += [*message.segments, trusted(after)]
    return merge(segments)


def _render(source: str, bos: str, eos: str, messages: list[dict[str, str]], answering: bool) -> str:
    import jinja2

    try:
        rendered: str = _compile(source).render(
            messages=messages, add_generation_prompt=answering, bos_token=bos, eos_token=eos
        )
    except jinja2.TemplateError as error:
        raise TemplateUnusable(
            f"The chat template fails on the contract's messages: {error}", remedy=_REMEDY
        ) from error
    return rendered


@cache
def _compile(source: str):  # type: ignore[no-untyped-def]
    import jinja2
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    def raise_exception(message: str) -> None:
        raise jinja2.TemplateError(message)

    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    environment.globals["raise_exception"] = raise_exception
    return environment.from_string(source)
