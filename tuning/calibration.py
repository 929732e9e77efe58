"""How an adapter's opinion counts beside other signals: logistic models, fitted on the calibration split.

    decision = fit_decision(odds, signals, labels, sources, over_refusal_budget=0.25)
    weight = fit_preference([[(evidence, preference), ...], ...], [{0}, ...])

The odds (log-odds of `answerable`) come from the adapter, the signals from retrieval; both are measured by whoever
serves. Classes weigh alike, however many rows each has. A small ridge keeps the weights finite where the rows can be
parted without fault.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuning.errors import RowsInvalid

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Decision", "fit_decision", "fit_preference"]

RIDGE = 0.01
"""Of the squared weights, the bias left out, beside the mean loss; signals are of the size of 1."""
FEWEST_OF_A_SOURCE = 20
"""Answerable rows of a source for which its own share of false refusals tells something."""
STEPS = 100
PREFERENCES = (0.0, *(0.01 * 1.25**step for step in range(21)))
"""Weights of a preference (natural logarithms) beside evidence (0 to 1.5) that are tried: none, and .01 to .87."""
SCALES = tuple(1.25**step for step in range(21))
"""1 to 87: from near indifference to certainty."""
_EXACT = 1e-10


@dataclass(frozen=True)
class Decision:
    """Weights of a logistic model whose output 0.5 parts what is answered from what is refused."""

    bias: float
    odds: float
    signals: tuple[float, ...]
    balanced_accuracy: float
    """On the rows it was fitted to, which is no measurement of it."""
    false_refusal_rate: float
    rows: int


def fit_decision(
    odds: Sequence[float],
    signals: Sequence[Sequence[float]],
    answerable: Sequence[bool],
    sources: Sequence[str],
    *,
    over_refusal_budget: float,
) -> Decision:
    """The decision of best balanced accuracy among those that refuse at most that share of the answerable rows.

    Of each source at most that share, too, if it has `FEWEST_OF_A_SOURCE` answerable rows: one that is met more often
    does not decide for the others. `signals` holds a tuple a row. Raises RowsInvalid without rows of both classes.
    """
    import numpy as np

    labels = np.asarray(answerable, dtype=bool)
    if not labels.any() or labels.all():
        raise RowsInvalid(
            f"A decision is fitted to answerable and unanswerable rows; {int(labels.sum())} of {len(labels)} are"
            " answerable.",
            remedy="Add rows of the class that is missing.",
        )
    given = np.column_stack([np.asarray(odds, dtype=np.float64), np.asarray(signals, dtype=np.float64)])
    weights = _fit(np.column_stack([np.ones(len(labels)), given]), labels)
    logits = weights[0] + given @ weights[1:]
    cut, accuracy, refused = _cut(logits, labels, np.asarray(sources), over_refusal_budget)
    bias, slope, *others = (float(weight) for weight in weights)
    return Decision(bias - cut, slope, tuple(others), accuracy, refused, len(labels))


def fit_preference(options: Sequence[Sequence[tuple[float, float]]], right: Sequence[Collection[int]]) -> float:
    """The weight of an adapter's preference beside the evidence, by which the right options are likeliest chosen.

    `options` holds pairs (evidence, preference) a question, `right` the places of those that answer it; questions of
    which all or none do tell nothing. The model is a softmax over `scale * (evidence + weight * preference)`, of which
    the scale is fitted too. 0 if nothing tells, or if the preference is no help.
    """
    import numpy as np

    telling = [
        (np.asarray(found, dtype=np.float64), sorted(places))
        for found, places in zip(options, right, strict=True)
        if 0 < len(places) < len(found)
    ]
    if not telling:
        return 0.0
    return max(PREFERENCES, key=lambda weight: (max(_fit_of(telling, weight, scale) for scale in SCALES), -weight))


def _fit_of(telling: Sequence[tuple[NDArray[np.float64], list[int]]], weight: float, scale: float) -> float:
    """Mean log-probability that one of the right options is chosen."""
    import numpy as np

    total = 0.0
    for found, places in telling:
        worth = scale * (found @ np.array([1.0, weight]))
        total += np.logaddexp.reduce(worth[places]) - np.logaddexp.reduce(worth)
    return float(total / len(telling))


def _fit(inputs: NDArray[np.float64], labels: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Weights of least class-balanced cross-entropy with a ridge, by Newton's method."""
    import numpy as np

    share = np.where(labels, 0.5 / labels.sum(), 0.5 / (~labels).sum())
    ridge = RIDGE * np.diag([0.0, *[1.0] * (inputs.shape[1] - 1)])
    weights = np.zeros(inputs.shape[1])
    for _ in range(STEPS):
        probability = 1 / (1 + np.exp(-np.clip(inputs @ weights, -30, 30)))
        slope = inputs.T @ (share * (probability - labels)) + ridge @ weights
        curve = (inputs * (share * probability * (1 - probability))[:, None]).T @ inputs + ridge
        step = np.linalg.solve(curve + 1e-12 * np.eye(len(weights)), slope)
        weights = weights - step
        if np.abs(step).max() < _EXACT:
            break
    return weights


def _cut(
    logits: NDArray[np.float64], labels: NDArray[np.bool_], sources: NDArray[np.str_], budget: float
) -> tuple[float, float, float]:
    """The logit from which to answer, with its balanced accuracy and its share of false refusals.

    It lies in the middle between two neighbouring rows; of cuts that are equally good the lowest, which refuses least.
    """
    import numpy as np

    ordered = np.unique(logits)
    cuts = np.concatenate([[ordered[0] - 1], (ordered[1:] + ordered[:-1]) / 2, [ordered[-1] + 1]])

    def below(rows: NDArray[np.bool_]) -> NDArray[np.float64]:
        return np.asarray(np.searchsorted(np.sort(logits[rows]), cuts) / rows.sum())

    refused = below(labels)
    accuracy = (1 - refused + below(~labels)) / 2
    parts = [labels & (sources == source) for source in np.unique(sources)]
    bounded = [refused, *(below(part) for part in parts if part.sum() >= FEWEST_OF_A_SOURCE)]
    allowed = np.flatnonzero(np.max(bounded, axis=0) <= budget)
    best = allowed[np.argmax(accuracy[allowed])]
    return float(cuts[best]), float(accuracy[best]), float(refused[best])
