"""A cross-encoder over an encoder on disk, and the pairs of texts it reads. Training and serving both come here.

    model = open_cross_encoder(base)
    pairs = fitting_pairs(model, "How do I retry a task?", ["Tasks > Retries\\nSet `retries` ..."], passage_tokens=160)

The head starts at random (seed torch first) and is meaningless until an adapter brings a trained one. What is too long
is cut from the passage's end, never from the question.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from serving.interface.errors import QuestionTooLong
from serving.registry.errors import ModelRefused

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder

__all__ = ["fitting_pairs", "open_cross_encoder", "without_advice"]

_LEAST = 16
"""Tokens of a passage below which a question leaves too little of it to judge."""


def open_cross_encoder(base: Path) -> CrossEncoder:
    """A sentence-transformers `CrossEncoder` with one output, float32, on the CPU.

    `base`: folder with an encoder (`config.json`, `*.safetensors`, `tokenizer.json`). Raises `ModelRefused`.
    """
    import torch
    from safetensors import SafetensorError
    from sentence_transformers import CrossEncoder

    try:
        with without_advice():
            model: CrossEncoder = CrossEncoder(
                str(base),
                num_labels=1,
                device="cpu",
                local_files_only=True,
                model_kwargs={"dtype": torch.float32, "use_safetensors": True},
            )
        return model
    except (OSError, ValueError, RuntimeError, SafetensorError) as cause:
        raise ModelRefused(
            f"The model in {base} cannot be made a reranker: {cause}",
            remedy="Use an encoder that transformers can give a classification head, such as the default embedder.",
        ) from cause


def fitting_pairs(
    model: CrossEncoder, question: str, passages: Sequence[str], *, passage_tokens: int
) -> list[tuple[str, str]]:
    """The pairs that the model reads: each passage cut to `passage_tokens`, or to what the question leaves it.

    `question` and `passages` as `rerank.build_pair` gives them. Raises `QuestionTooLong`.
    """
    tokenizer = model.tokenizer
    special = tokenizer.num_special_tokens_to_add(pair=True)
    room = tokenizer.model_max_length - special - len(tokenizer.encode(question, add_special_tokens=False))
    if room < _LEAST:
        raise QuestionTooLong(
            f"The question is longer than the {tokenizer.model_max_length} tokens that the reranker reads.",
            remedy="Ask a shorter question.",
        )
    return [(question, _cut(model, passage, min(room, passage_tokens))) for passage in passages]


@contextmanager
def without_advice() -> Iterator[None]:
    """The libraries report that an encoder becomes a cross-encoder, whose head is untrained and should be trained.

    That is so, and nothing a user could act on.
    """
    from logging import ERROR, getLogger

    from transformers.utils import logging

    sentences = getLogger("sentence_transformers")
    before = logging.get_verbosity(), sentences.level
    logging.set_verbosity(ERROR)
    sentences.setLevel(ERROR)
    try:
        yield
    finally:
        logging.set_verbosity(before[0])
        sentences.setLevel(before[1])


def _cut(model: CrossEncoder, text: str, tokens: int) -> str:
    found = model.tokenizer(
        text, add_special_tokens=False, truncation=True, max_length=tokens, return_offsets_mapping=True
    )
    ends = [end for _, end in found["offset_mapping"]]
    return text[: ends[-1]] if ends else ""
