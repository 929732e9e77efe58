"""Does the cited evidence support a sentence of the answer? What it does not support is not shown.

Lexical, and strict about what matters most in documentation: every number of the sentence must stand in the evidence,
a sentence may neither add nor lose a negation, and most of its words must be the evidence's. A sentence quoted from
its evidence is fully supported. Measured in infra/decisions/support-check.md.

Covered: numbers and words that the evidence does not hold; English negation, added, or dropped from nearly the same
words. Not covered: the same words in another relation ("A needs B" for "B needs A"), negation by other words
("unable", "refuses"), and true paraphrase with other words, which is refused.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from serving.assistant.evidence import Terms
from serving.interface.segments import normalise

__all__ = ["SUPPORT_THRESHOLD", "support"]

SUPPORT_THRESHOLD = 0.58
"""A sentence below this is dropped from the answer; chosen on the fixed half of three public sets."""
NEARLY_ALL = 0.7
"""Share of a sentence's words from which one sentence of the evidence is what it restates."""

_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]+")
_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
_NEGATION = re.compile(r"\b(?:not|no|never|none|nothing|nobody|neither|nor|cannot|without)\b|n ?['’]t\b", re.IGNORECASE)


def support(sentence: str, evidence: Sequence[str], terms: Terms) -> float:
    """How far `evidence` (texts as the model was shown them) supports `sentence`: 0 to 1."""
    claim, shown = normalise(sentence), [normalise(text) for text in evidence]
    together = " ".join(shown)
    if claim and claim in {*shown, together}:
        return 1.0
    if not set(_NUMBER.findall(claim)) <= set(_NUMBER.findall(together)) or _turns_round(claim, shown, terms):
        return 0.0
    if claim and re.search(rf"(?<!\w){re.escape(claim)}(?!\w)", together):
        return 1.0
    return _share(claim, together, terms)


def _turns_round(claim: str, shown: Sequence[str], terms: Terms) -> bool:
    """Whether the claim is negated and nothing of the evidence is, or only it is not of all that it restates."""
    if _NEGATION.search(claim):
        return not any(map(_NEGATION.search, shown))
    restated = [text for text in shown if _share(claim, text, terms) >= NEARLY_ALL]
    return bool(restated) and all(map(_NEGATION.search, restated))


def _share(claim: str, shown: str, terms: Terms) -> float:
    """Share of the claim's units that `shown` holds; 0 of a claim that has none."""
    claimed = _units(claim, terms)
    return len(claimed & _units(shown, terms)) / len(claimed) if claimed else 0.0


def _units(text: str, terms: Terms) -> frozenset[int | str]:
    """Stems, and pairs of neighbouring characters where a script writes no spaces between words."""
    runs = _UNSPACED.findall(text)
    pairs = {run[i : i + 2] for run in runs for i in range(max(len(run) - 1, 1))}
    return frozenset(pairs) | terms(_UNSPACED.sub(" ", text))
