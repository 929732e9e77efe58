"""The tokenizer and the chat template of a model folder, as the contract wants them.

Training and serving both come here, so they see the same token ids. `tokenizer.json` is the only source
of truth; the `tokenizers` library reads it without the rest of transformers.

Covered: data never becomes a token that was added to the vocabulary, whether `tokenizer.json` marks it as special or
not (some bases have unmarked ones for tool calls and thoughts). Not covered: characters whose bytes a vocabulary lacks
(mostly unassigned ones) are dropped by it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from serving.interface.template import ChatTemplate
from serving.registry.errors import ModelRefused

if TYPE_CHECKING:
    from tokenizers import AddedToken
    from tokenizers import Tokenizer as Backend

__all__ = ["ModelTokenizer", "chat_template_source", "open_template", "open_tokenizer"]


class ModelTokenizer:
    """`serving.interface.segments.Tokenizer` over a `tokenizer.json`; safe to share between threads."""

    def __init__(self, trusted: Backend, data: Backend) -> None:
        """`trusted` recognises special tokens, `data` is the same tokenizer and does not."""
        self._trusted = trusted
        self._data = data

    def encode_trusted(self, text: str) -> list[int]:
        """Token ids of our own text: special tokens are recognised, none is added."""
        ids: list[int] = self._trusted.encode(text, add_special_tokens=False).ids
        return ids

    def encode_data(self, text: str) -> list[int]:
        """Token ids of anybody's text: no id of a special token, whatever the text imitates."""
        ids: list[int] = self._data.encode(text, add_special_tokens=False).ids
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """The text of `ids`; special tokens are left out."""
        text: str = self._trusted.decode(list(ids), skip_special_tokens=True)
        return text


def open_tokenizer(folder: Path) -> ModelTokenizer:
    """The tokenizer of a model folder.

    Raises `ModelRefused` when there is no `tokenizer.json` or when data could become a special token.
    """
    trusted, data = _backend(folder), _backend(folder)
    added = trusted.get_added_tokens_decoder()
    data.add_special_tokens([_as_special(token) for token in added.values() if not token.special])
    data.encode_special_tokens = True
    special = set(added)
    leaks = sorted(text for id_ in special if (text := trusted.id_to_token(id_)) and _leaks(data, text, special))
    if leaks:
        raise ModelRefused(
            f"The tokenizer turns the plain text {leaks[0]!r} into a control token, so documents and users"
            " could give orders in the system's voice.",
            remedy="Use a base model whose tokenizer can split its special tokens.",
        )
    return ModelTokenizer(trusted, data)


def _as_special(token: AddedToken) -> AddedToken:
    from tokenizers import AddedToken

    return AddedToken(
        token.content, special=True, normalized=token.normalized, lstrip=token.lstrip, rstrip=token.rstrip
    )


def open_template(folder: Path) -> ChatTemplate:
    """The chat template of a model folder with the two tokens it may name.

    Raises `ModelRefused` for a model without a chat template: such a base was not taught to converse.
    """
    source = chat_template_source(folder)
    if source is None:
        raise ModelRefused(
            f"The model in {folder.name} has no chat template.",
            remedy="Use an instruction-tuned model, or put its chat_template.jinja into the folder.",
        )
    config = _config(folder)
    return ChatTemplate(source, _token(config.get("bos_token")), _token(config.get("eos_token")))


def chat_template_source(folder: Path) -> str | None:
    """The Jinja source that the model brings, or None; a template named `default` if it has several."""
    separate = folder / "chat_template.jinja"
    if separate.exists():
        return separate.read_text(encoding="utf-8")
    inside = _config(folder).get("chat_template")
    if isinstance(inside, list):
        inside = {entry["name"]: entry["template"] for entry in inside}.get("default")
    return inside if isinstance(inside, str) else None


def _backend(folder: Path) -> Backend:
    from tokenizers import Tokenizer as Backend

    path = folder / "tokenizer.json"
    if not path.exists():
        raise ModelRefused(
            f"There is no tokenizer.json in {folder.name}.",
            remedy="Save the model's fast tokenizer beside its weights (`save_pretrained` writes it).",
        )
    backend = Backend.from_file(str(path))
    # Some models ship limits for their own pipelines; here, lengths are the caller's to decide.
    backend.no_truncation()
    backend.no_padding()
    return backend


def _leaks(data: Backend, text: str, special: set[int]) -> bool:
    return any(not special.isdisjoint(data.encode(t, add_special_tokens=False).ids) for t in (text, f"a {text}b"))


def _config(folder: Path) -> dict[str, Any]:
    path = folder / "tokenizer_config.json"
    config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return config


def _token(entry: object) -> str:
    """A special token as tokenizer_config.json writes it: a string, an object, or nothing."""
    if isinstance(entry, dict):
        return str(entry["content"])
    return entry if isinstance(entry, str) else ""
