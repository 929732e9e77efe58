"""Does the cited evidence support a sentence of the answer? What it does not support is not shown.

Lexical and strict about what matters most in documentation: every number of the sentence must stand in the
evidence, and most of its words. A sentence quoted from its evidence is fully supported.

Covered: numbers and words that the evidence does not hold. Not covered: the same words in another relation
("A needs B" for "B needs A"), negation, and true paraphrase with other words, which is refused.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from serving.assistant.evidence import Terms
from serving.interface.segments import normalise

__all__ = ["SUPPORT_THRESHOLD", "support"]

SUPPORT_THRESHOLD = 0.6
"""A sentence below this is dropped from the answer."""

_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")


def support(sentence: str, evidence: Sequence[str], terms: Terms) -> float:
    """How far `evidence` (texts as the model was shown them) supports `sentence`: 0 to 1."""
    shown = normalise(" ".join(evidence))
    if normalise(sentence) in shown:
        return 1.0
    if not set(_NUMBER.findall(sentence)) <= set(_NUMBER.findall(shown)):
        return 0.0
    claimed, known = terms(sentence), terms(shown)
    return len(claimed & known) / len(claimed) if claimed else 0.0
