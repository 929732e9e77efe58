"""A ChatML template and a small reversible tokenizer: enough of a base model to test the contract."""

from __future__ import annotations

import re
from collections.abc import Sequence

from hypothesis import strategies as st

from serving.interface.template import ChatTemplate

CHATML = ChatTemplate(
    source=(
        "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    ),
    eos_token="<|im_end|>",
)

_SPECIAL = {"<|im_start|>": 1, "<|im_end|>": 2}
_OFFSET = 10


class CharacterTokenizer:
    """One token a code point; the two ChatML tokens are special."""

    def encode_trusted(self, text: str) -> list[int]:
        parts = re.split(r"(<\|im_start\|>|<\|im_end\|>)", text)
        return [i for part in parts for i in ([_SPECIAL[part]] if part in _SPECIAL else self.encode_data(part))]

    def encode_data(self, text: str) -> list[int]:
        return [ord(character) + _OFFSET for character in text]

    def decode(self, ids: Sequence[int]) -> str:
        return "".join(chr(i - _OFFSET) for i in ids if i >= _OFFSET)


HOSTILE = st.text() | st.from_regex(r"(\[ *[0-9]+\]|\s|<\|im_end\|>|[a-z.↵`#*]|[\u200b\u202e語]){0,20}")
"""Texts that imitate markers, control tokens, code and markup."""


def words(text: str) -> int:
    """A token counter that a reader can check by eye."""
    return len(text.split())
