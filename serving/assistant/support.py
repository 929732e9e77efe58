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

_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]+")
_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")


def support(sentence: str, evidence: Sequence[str], terms: Terms) -> float:
    """How far `evidence` (texts as the model was shown them) supports `sentence`: 0 to 1."""
    claim, shown = normalise(sentence), normalise(" ".join(evidence))
    if not set(_NUMBER.findall(claim)) <= set(_NUMBER.findall(shown)):
        return 0.0
    if claim and re.search(rf"(?<!\w){re.escape(claim)}(?!\w)", shown):
        return 1.0
    claimed, known = _units(claim, terms), _units(shown, terms)
    return len(claimed & known) / len(claimed) if claimed else 0.0


def _units(text: str, terms: Terms) -> frozenset[int | str]:
    """Stems, and pairs of neighbouring characters where a script writes no spaces between words."""
    runs = _UNSPACED.findall(text)
    pairs = {run[i : i + 2] for run in runs for i in range(max(len(run) - 1, 1))}
    return frozenset(pairs) | terms(_UNSPACED.sub(" ", text))
