"""An answer as a person reads it: quotes with document and position, stage timings, versions."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from serving.assistant.answer import Answer, Citation, Versions

__all__ = ["evidence", "timings", "versions"]


def evidence(answer: Answer) -> str:
    """Each quote with document and position; for a refusal, why; then the query when it is not the question."""
    if answer.refused:
        return f"Refused: {answer.refusal_reason}. Searched for: {answer.query}"
    quotes = [_quoted(number, citation) for number, citation in enumerate(answer.citations, 1)]
    return "\n".join([*quotes, f"Searched for: {answer.query}"])


def timings(answer: Answer) -> str:
    """The stages in order, in milliseconds."""
    return ", ".join(f"{stage} {duration:.0f}" for stage, duration in answer.timings_ms.items()) + " ms"


def versions(used: Versions) -> str:
    """Everything the same answer would need again."""
    behaviours = ", ".join(f"{behaviour} {how}" for behaviour, how in used.adapters.items())
    return (
        f"Index generation {used.generation}; contract {used.contract[:12]}; base model {used.base_model}; "
        f"behaviours: {behaviours}."
    )


def _quoted(number: int, citation: Citation) -> str:
    where = f"{citation.uri}, characters {citation.source_start} to {citation.source_end}"
    quote = "\n    ".join(line for line in citation.quote.splitlines() if line.strip())
    return f"[{number}] {where}:\n    {quote}"
