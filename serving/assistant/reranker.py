"""The reranker: how relevant is each passage to a question, and in which order does that put them?

    reranker = open_reranker(base, adapter, passage_tokens=160, threads=2)
    scores = reranker.score("How do I retry a task?", passages)
    order = rerank([passage.id for passage in passages], scores, weight=0.5)

The scores do not replace the order that hybrid search found but are weighed against it, as shares of a question's
passages: a small cross-encoder sees what word overlap and vectors miss, and misses what they see.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from serving.assistant.errors import AdapterRefused, EngineUnavailable
from serving.interface.context import ContextPassage
from serving.interface.rerank import build_pair, parse
from serving.registry.cross_encoder import fitting_pairs, open_cross_encoder

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder

__all__ = ["CrossEncoderReranker", "Reranker", "fused", "open_reranker", "rerank", "shares"]

_PAIRS_AT_ONCE = 8


class Reranker(Protocol):
    """What the pipeline's stage needs."""

    def score(self, question: str, passages: Sequence[ContextPassage]) -> list[float]:
        """Relevance of each passage, 0 to 1, in the order given.

        Raises `QuestionTooLong`, and `MalformedOutput` where a model makes no number of a passage.
        """
        ...


def open_reranker(
    base: Path, adapter: Path, *, passage_tokens: int, threads: int | None = None
) -> CrossEncoderReranker:
    """A trained reranker, ready to score.

    `base`: folder of the encoder it was trained on; `adapter`: its verified folder. `passage_tokens`: what of a passage
    it was trained to read. `threads` bounds the CPU threads of torch in this process; None leaves them as they are.
    Raises `ModelRefused`, `AdapterRefused`, and `EngineUnavailable` if a library is missing.
    """
    try:
        import torch

        if threads is not None:
            torch.set_num_threads(threads)
        model = open_cross_encoder(base)
    except ImportError as cause:
        raise EngineUnavailable(
            f"The reranker needs a library that is not installed: {cause.name}.",
            remedy="Run: pip install 'groundskeeper[retrieval,serving]'",
        ) from cause
    _merge(model, adapter)
    return CrossEncoderReranker(model, passage_tokens)


class CrossEncoderReranker:
    """`Reranker` over a sentence-transformers cross-encoder; from `open_reranker`. Safe to share between threads."""

    def __init__(self, model: CrossEncoder, passage_tokens: int) -> None:
        self._model, self._passage_tokens = model, passage_tokens
        self._lock = threading.Lock()  # a fast tokenizer must not be used by two threads at once

    def score(self, question: str, passages: Sequence[ContextPassage]) -> list[float]:
        """See `Reranker.score`. What is scored beside a passage changes its score by rounding alone."""
        from torch.nn import Identity

        if not passages:
            return []
        built = [build_pair(question, passage) for passage in passages]
        texts = [text for _, text in built]
        with self._lock:
            pairs = fitting_pairs(self._model, built[0][0], texts, passage_tokens=self._passage_tokens)
            logits = self._model.predict(  # sorts by length, without gradients
                pairs, batch_size=_PAIRS_AT_ONCE, activation_fn=Identity(), show_progress_bar=False
            )
        return [parse(_sigmoid(float(logit))) for logit in logits]


def _sigmoid(logit: float) -> float:
    """In double precision: float32 rounds everything past 17 to 1, and equal scores have no order. NaN stays NaN."""
    return 0.0 if logit < -700 else 1 / (1 + math.exp(-logit))


def _merge(model: CrossEncoder, adapter: Path) -> None:
    """Add the adapter's LoRA to the weights and put its head in place: as fast as the base alone."""
    from peft import PeftConfig, PeftModel
    from safetensors import SafetensorError

    network: Any = model.transformers_model
    try:
        config = PeftConfig.from_pretrained(str(adapter))
        config.inference_mode = True
        adapted = PeftModel(network, config)
        result = adapted.load_adapter(str(adapter), adapter_name="default", torch_device="cpu")
        if wrong := [*result.missing_keys, *result.unexpected_keys]:
            raise ValueError(f"{len(wrong)} of its weights are missing or unknown, e.g. {wrong[0]}.")
        merged = adapted.merge_and_unload(safe_merge=True)
    except (ValueError, TypeError, RuntimeError, KeyError, OSError, SafetensorError) as cause:
        raise AdapterRefused(
            f"The adapter in {adapter} does not fit the encoder: {cause}",
            remedy="Run its `groundskeeper retrain` again, for this encoder.",
        ) from cause
    assert merged is network  # merged in place: the cross-encoder holds it already


def fused(scores: Sequence[float], weight: float) -> list[float]:
    """What each passage of a hybrid order, best first, is worth once its relevance is known; higher is better.

    `weight` 0 keeps the order, 1 leaves it to the scores. Raises ValueError outside [0, 1].
    """
    if not 0 <= weight <= 1:
        raise ValueError(f"a weight is between 0 and 1, not {weight}")
    return [weight * share + (1 - weight) / (1 + rank) for rank, share in enumerate(shares(scores))]


def shares(scores: Sequence[float]) -> list[float]:
    """How likely each passage is the most relevant one of these: the softmax of the logits behind the scores.

    That is what ListNet trains. It trains nothing of the level of a question's logits: where all are high, each score
    is nearly 1, and scores as they are would hardly count beside ranks (infra/decisions/weighing-a-reranker.md). What a
    double cannot tell from 1 has the same share: logits above about 37.
    """
    odds = [score / max(1 - score, _LEAST_DOUBT) for score in scores]
    total = sum(odds)
    return [one / total if total else 0.0 for one in odds]


_LEAST_DOUBT = 2.0**-53
"""Between 1 and the next smaller double."""


def rerank(ids: Sequence[str], scores: Sequence[float], weight: float) -> list[int]:
    """Places of a hybrid order's passages, best first by `fused`; equal ones are ordered by passage id."""
    worth = fused(scores, weight)
    return sorted(range(len(ids)), key=lambda place: (-worth[place], ids[place]))
