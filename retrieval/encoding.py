"""Dense encoding: texts to unit vectors, by a sentence-transformers model on local disk.

    encoder = open_encoder(model_path, digest)        # cheap: nothing is loaded yet
    encoder.encode(["How do I retry a task?"])        # (1, d) float32; the first call loads the model

The model loads on first use, because a refresh that changes nothing, and the splitter, need none of it
(counting tokens needs the tokenizer alone). Short batches sorted by token count waste little on padding:
on one core .65 to .8 of the CPU time of the library's own `encode`, vectors equal within 1e-6.
"""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from retrieval.errors import EncoderFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["DenseEncoder", "SentenceEncoder", "open_encoder", "open_token_counter"]

_BATCH = 8


class DenseEncoder(Protocol):
    """What the index needs of an embedder."""

    @property
    def digest(self) -> str:
        """Names weights, tokenizer and pooling; equal digests mean equal vectors."""
        ...

    @property
    def dimensions(self) -> int: ...

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """One unit vector per text, in order: [n, dimensions]."""
        ...

    def count_tokens(self, text: str) -> int:
        """Tokens the model sees for this text, those it adds itself included."""
        ...


def open_encoder(model_path: Path, digest: str, *, threads: int | None = None) -> SentenceEncoder:
    """An encoder for the sentence-transformers folder `model_path`, loaded on first use.

    `digest` is the caller's name for the exact weights and tokenizer (the index refuses another one).
    `threads` bounds the CPU threads of torch in this process; None leaves them as they are.
    Raises EncoderFailed if the folder holds no such model.
    """
    if not (model_path / "modules.json").is_file():
        raise EncoderFailed(
            f"{model_path} holds no sentence-transformers model (no modules.json).",
            remedy="Prepare the embedder again, or set the embedder to a sentence-transformers model.",
        )
    return SentenceEncoder(model_path, digest, threads)


def open_token_counter(model_path: Path) -> Callable[[str], int]:
    """Counts a text's tokens as the encoder would, without loading the model."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(model_path / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return lambda text: len(tokenizer.encode(text))


class SentenceEncoder:
    """A sentence-transformers model as DenseEncoder; opened by `open_encoder`."""

    def __init__(self, model_path: Path, digest: str, threads: int | None) -> None:
        self._path = model_path
        self._threads = threads
        self.digest = digest

    @cached_property
    def dimensions(self) -> int:
        return int(self._model.get_embedding_dimension() or 0)

    @cached_property
    def max_tokens(self) -> int:
        """Longest input the model reads, in tokens; what is longer is cut off.

        As sentence-transformers has it: `max_seq_length`, else the smaller bound of tokenizer and model.
        Raises EncoderFailed if the folder names none.
        """
        if (longest := self._setting("sentence_bert_config.json", "max_seq_length")) is not None:
            return longest
        bounds = (
            self._setting("tokenizer_config.json", "model_max_length"),
            self._setting("config.json", "max_position_embeddings"),
        )
        known = [bound for bound in bounds if bound is not None and bound > 0]  # some models say -1 for none
        if not known:
            raise EncoderFailed(
                f"The embedder at {self._path} does not say how long a text it reads.",
                remedy="Name `max_seq_length` in its sentence_bert_config.json, or set another embedder.",
            )
        return min(known)

    def _setting(self, file: str, key: str) -> int | None:
        path = self._path / file
        value = json.loads(path.read_text(encoding="utf-8")).get(key) if path.exists() else None
        return None if value is None else int(value)

    @cached_property
    def count_tokens(self) -> Callable[[str], int]:
        return open_token_counter(self._path)

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """[n, dimensions], unit length, in the order of `texts`; raises EncoderFailed."""
        import numpy as np
        import torch

        vectors = np.empty((len(texts), self.dimensions), dtype=np.float32)
        order = sorted(range(len(texts)), key=lambda i: self.count_tokens(texts[i]), reverse=True)
        with torch.inference_mode():
            for first in range(0, len(order), _BATCH):
                batch = order[first : first + _BATCH]
                vectors[batch] = self._encode_batch([texts[i] for i in batch])
        return vectors

    def _encode_batch(self, texts: list[str]) -> NDArray[np.float32]:
        import torch

        try:
            output = self._model.forward(self._model.preprocess(texts))["sentence_embedding"]
        except RuntimeError as cause:  # what torch raises, out of memory included
            raise EncoderFailed(
                f"The embedder at {self._path} failed: {cause}",
                remedy="Free memory or set another embedder, then refresh again; what was encoded is kept.",
            ) from cause
        return cast("NDArray[np.float32]", torch.nn.functional.normalize(output, dim=1).numpy())

    @cached_property
    def _model(self) -> Any:
        import torch
        from sentence_transformers import SentenceTransformer

        if self._threads is not None:
            torch.set_num_threads(self._threads)
        try:
            return SentenceTransformer(str(self._path), device="cpu", local_files_only=True).eval()
        except (OSError, ValueError, RuntimeError) as cause:
            raise EncoderFailed(
                f"The embedder at {self._path} cannot be loaded: {cause}",
                remedy="Prepare the embedder again, or set the embedder to a sentence-transformers model.",
            ) from cause
