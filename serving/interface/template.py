"""The base model's chat template: a pinned parameter of the contract, rendered without ever seeing data.

The template is run over place holders, one a message, and the text between them is what the model's maker
trusts; our segments then take the holders' places. So no document can close a message, whatever it contains.

The prompt is what stands before the place of the assistant's message in an *answered* conversation. So a finished
training sequence begins with the serving prompt by construction, for every template, those that open an empty thought
before an answer included.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from serving.interface.errors import TemplateUnusable
from serving.interface.segments import Message, Segment, Tokenizer, merge, trusted

if TYPE_CHECKING:
    import jinja2

__all__ = ["ChatTemplate", "completion_ids", "prompt_ids", "stop_id"]

_HOLDER = re.compile("\ue000(\\d+)\ue001")
_GENERATION_TAG = re.compile(r"(\{%[-+]?\s*)(end)?generation(\s*[-+]?%\})")
"""Marks of what to train on, in some templates; the contract knows that itself."""
_REMEDY = "Use a base model whose chat template has system, user and assistant messages in plain order."


@dataclass(frozen=True)
class ChatTemplate:
    """A chat template, the two tokens it may name, and the values of its own switches."""

    source: str
    """Jinja source, as the base model's tokenizer carries it."""
    bos_token: str = ""
    eos_token: str = ""
    variables: tuple[tuple[str, str | bool | int], ...] = ()
    """What else the template asks for, e.g. `(("enable_thinking", False),)`."""

    def render(self, messages: Sequence[Message]) -> tuple[Segment, ...]:
        """The whole prompt up to where the assistant begins to write.

        Raises `TemplateUnusable` when the template drops, repeats or reorders a message, or fails.
        """
        parts = self._parts([*(message.role for message in messages), "assistant"])
        segments = [trusted(parts[0])]
        for message, after in zip(messages, parts[1:], strict=False):
            segments += [*message.segments, trusted(after)]
        return merge(segments)

    @property
    def closing(self) -> str:
        """Trusted text that follows an assistant's message; it begins with the stop token."""
        return self._parts(["system", "user", "assistant"])[-1]

    def _parts(self, roles: Sequence[str]) -> list[str]:
        """The template's own text before, between and after the messages."""
        messages = [{"role": role, "content": f"\ue000{index}\ue001"} for index, role in enumerate(roles)]
        parts = _HOLDER.split(_render(self, messages))
        if [int(index) for index in parts[1::2]] != list(range(len(roles))):
            raise TemplateUnusable("The chat template does not show each message once, in order.", remedy=_REMEDY)
        return parts[::2]


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


def _render(template: ChatTemplate, messages: list[dict[str, str]]) -> str:
    """Raises `TemplateUnusable` for whatever a template's code may raise: it is somebody else's program."""
    values = {"bos_token": template.bos_token, "eos_token": template.eos_token, **dict(template.variables)}
    try:
        return _compile(template.source).render(messages=messages, add_generation_prompt=False, **values)
    except Exception as error:
        raise TemplateUnusable(
            f"The chat template fails on the contract's messages: {error}", remedy=_REMEDY
        ) from error


@cache
def _compile(source: str) -> jinja2.Template:
    import jinja2
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    def raise_exception(message: str) -> None:
        raise jinja2.TemplateError(message)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    environment.globals["raise_exception"] = raise_exception
    return environment.from_string(_GENERATION_TAG.sub(_as_condition, source))


def _as_condition(tag: re.Match[str]) -> str:
    return f"{tag[1]}{'endif' if tag[2] else 'if true'}{tag[3]}"
