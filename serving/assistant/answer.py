"""An answer as clients get it: text, citations that resolve, the versions and timings behind it.

Offsets are half-open and count Unicode code points: `answer_*` in the answer's `text`, `source_*` in the stored
text of the cited document, whose slice equals `quote` exactly.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from serving.interface.refusal import Reason

__all__ = ["Answer", "Citation", "Versions"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Citation(_Frozen):
    """One piece of evidence of one sentence of the answer."""

    answer_start: int
    answer_end: int
    document_id: str
    uri: str
    title: str
    passage_id: str
    source_start: int
    source_end: int
    quote: str
    support: float
    """How far the quote supports the sentence, 0 to 1."""


class Versions(_Frozen):
    """Everything that has to be equal for the same answer to come out again."""

    generation: int
    contract: str
    """Digest over the fingerprints of the four behaviours."""
    base_model: str
    """Reference and the first twelve digits of the weights' digest."""
    adapters: dict[str, str]
    """Behaviour -> adapter version, or how it runs without one: `few_shot`, `prompt`, `hybrid_order`."""


class Answer(_Frozen):
    """What `/v1/answer` and `ask --json` return."""

    answer_id: str
    text: str
    refused: bool
    refusal_reason: Reason | None = None
    query: str
    """What was searched for."""
    citations: tuple[Citation, ...]
    versions: Versions
    timings_ms: dict[str, float]
    """Stage -> milliseconds, in the order in which the stages began."""
