"""The gate: a candidate's scores and those of what runs without it, in; a verdict with every reason, out. Pure.

    verdict = decide(candidate, {"prompt": ..., "few_shot": ..., "production": ...}, thresholds,
                     content_leak=leak_citation(...), seed=0)

Candidate and baselines were measured on the same rows, and each comparison is of pairs: the same rows are drawn for
both. Noise is no win: a gain counts from the low end of its interval. What could not be judged is never a 0: such a row
is in no figure, and too few judged rows, or too large a share without judgement, is a refusal of its own.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tuning.comparison import Comparison, compare
from tuning.content_leak import FOLLOWS_CONTEXT
from tuning.errors import NotComparable
from tuning.evaluation import Evaluation
from tuning.statistics import RESAMPLES, Interval
from tuning.thresholds import PRODUCTION, GateThresholds, gate_digest

__all__ = ["Check", "Verdict", "decide"]


@dataclass(frozen=True)
class Check:
    """One thing that was asked, and how it went, as a sentence with numbers."""

    passed: bool
    sentence: str


@dataclass(frozen=True)
class Verdict:
    """Whether a candidate may be promoted, and why not if not."""

    behaviour: str
    candidate: str
    gate_digest: str
    checks: tuple[Check, ...]
    notes: tuple[str, ...]
    """What was not asked, and why."""
    comparisons: tuple[Comparison, ...]

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return not self.reasons

    @property
    def reasons(self) -> tuple[str, ...]:
        """Every reason against the candidate; empty when it passed."""
        return tuple(check.sentence for check in self.checks if not check.passed)

    def as_json(self) -> dict[str, Any]:
        """For reports and manifests."""
        return {
            "behaviour": self.behaviour,
            "candidate": self.candidate,
            "gate_digest": self.gate_digest,
            "passed": self.passed,
            "reasons": list(self.reasons),
            "checks": [asdict(check) for check in self.checks],
            "notes": list(self.notes),
            "comparisons": [asdict(comparison) for comparison in self.comparisons],
        }

    def as_text(self) -> str:
        """For people: the verdict, then each check, what failed first."""
        head = f"{self.behaviour}, {self.candidate}: {'passed' if self.passed else 'refused'} by the gate."
        ordered = sorted(self.checks, key=lambda check: check.passed)
        lines = [f"  {'ok ' if check.passed else 'NO '} {check.sentence}" for check in ordered]
        return "\n".join([head, *lines, *(f"  --  {note}" for note in self.notes)])


@dataclass(frozen=True)
class _Case:
    """Everything that a verdict rests on."""

    candidate: Evaluation
    baselines: Mapping[str, Evaluation]
    thresholds: GateThresholds
    leak: Evaluation | None
    seed: int
    resamples: int

    def compare(self, metric: str, baseline: str, part: str = "", *, together: bool = False) -> Comparison | None:
        both = self.candidate, self.baselines[baseline]
        return compare(*both, metric, baseline, part, self.seed, self.resamples, together=together)


def decide(
    candidate: Evaluation,
    baselines: Mapping[str, Evaluation],
    thresholds: GateThresholds,
    *,
    content_leak: Evaluation | None,
    seed: int,
    resamples: int = RESAMPLES,
) -> Verdict:
    """The verdict on a candidate. The order of rows and of baselines changes nothing.

    `baselines` holds every baseline that the thresholds name; only `production` may be absent. `content_leak` is the
    candidate's, None if it was not measured, which is a refusal. Raises NotComparable for evaluations of other rows,
    another behaviour, or of baselines that the thresholds do not know.
    """
    case = _Case(candidate, baselines, thresholds, content_leak, seed, resamples)
    _require_comparable(case)
    comparisons: list[Comparison] = []
    checks = [*_rows(case), *_gains(case, comparisons), *_losses(case, comparisons), *_bounds(case)]
    checks += [*_slices(case, comparisons), *_over_refusal(case), *_leak(case)]
    return Verdict(
        behaviour=candidate.subject.behaviour,
        candidate=candidate.subject.adapter,
        gate_digest=gate_digest(thresholds),
        checks=tuple(checks),
        notes=tuple(_notes(case, comparisons)),
        comparisons=tuple(comparisons),
    )


def _require_comparable(case: _Case) -> None:
    remedy = "Measure candidate and baselines of this behaviour on the same held-out rows."
    wanted, rows = case.thresholds.behaviour, sorted(outcome.key for outcome in case.candidate.outcomes)
    for name, evaluation in {"candidate": case.candidate, **case.baselines}.items():
        if evaluation.subject.behaviour != wanted:
            raise NotComparable(f"{name} measures {evaluation.subject.behaviour}, not {wanted}.", remedy=remedy)
        if sorted(outcome.key for outcome in evaluation.outcomes) != rows:
            raise NotComparable(f"{name} was measured on other rows than the candidate.", remedy=remedy)
    if case.leak is not None and case.leak.subject != case.candidate.subject:
        raise NotComparable("The swapped facts were put to another system than the candidate.", remedy=remedy)
    unknown = case.baselines.keys() - case.thresholds.headline.least_gain.keys()
    if unknown:
        raise NotComparable(f"The thresholds do not name the baselines {', '.join(sorted(unknown))}.", remedy=remedy)


def _rows(case: _Case) -> Iterator[Check]:
    rules, candidate = case.thresholds.rows, case.candidate
    judged, share = candidate.judged, candidate.unjudged / candidate.rows if candidate.rows else 1.0
    yield Check(
        judged >= rules.least_judged, f"{judged} rows could be judged; at least {rules.least_judged} are needed."
    )
    yield Check(
        share <= rules.largest_unjudged_share,
        f"{share:.1%} of {candidate.rows} rows could not be judged; at most {rules.largest_unjudged_share:.1%} may.",
    )


def _gains(case: _Case, comparisons: list[Comparison]) -> Iterator[Check]:
    """The headline metric wins, beyond noise and margin, against every baseline."""
    metric, least = case.thresholds.headline.metric, case.thresholds.rows.least_judged
    for baseline, margin in sorted(case.thresholds.headline.least_gain.items()):
        if baseline not in case.baselines:
            if baseline != PRODUCTION:
                yield Check(False, f"{baseline} was not measured, so no gain of {metric} over it is known.")
            continue
        found = case.compare(metric, baseline)
        if found is None or not found.is_of(least):
            yield _too_few(metric, baseline, found, least)
            continue
        comparisons.append(found)
        yield Check(found.gain.low > margin, f"{found}; the low end must be above {margin:+.3f}.")


def _losses(case: _Case, comparisons: list[Comparison]) -> Iterator[Check]:
    """No other metric that matters is lost."""
    least = case.thresholds.rows.least_judged
    for rule in case.thresholds.must_not_lose:
        for baseline in sorted(rule.against or case.thresholds.headline.least_gain):
            if baseline not in case.baselines:
                continue  # said once, where gains are checked
            found = case.compare(rule.metric, baseline)
            if found is None or not found.is_of(least):
                yield _too_few(rule.metric, baseline, found, least)
                continue
            comparisons.append(found)
            yield Check(found.gain.low > -rule.tolerance, f"{found}; the low end must be above {-rule.tolerance:+.3f}.")


def _bounds(case: _Case) -> Iterator[Check]:
    """The candidate's own values keep to floors and ceilings."""
    for metric, floor in sorted(case.thresholds.floors.items()):
        yield _floor(metric, case.candidate.metrics.get(metric), floor)
    for metric, ceiling in sorted(case.thresholds.ceilings.items()):
        found = case.candidate.metrics.get(metric)
        if found is None:
            yield Check(False, f"{metric} could not be judged on any row; at most {ceiling:.3f} is allowed.")
        else:
            yield Check(found.value <= ceiling, f"{metric} is {_shown(found)}; at most {ceiling:.3f} is allowed.")


def _slices(case: _Case, comparisons: list[Comparison]) -> Iterator[Check]:
    """No part of the rows pays for the gain of the whole."""
    rules = case.thresholds.slices
    for name in _large_slices(case):
        assert rules is not None
        for floored, floor in sorted(rules.floors.items()):
            yield _floor(f"{floored} on {name}", case.candidate.slices[name].metrics.get(floored), floor)
        for baseline in sorted(case.baselines) if rules.largest_loss is not None else ():
            found = _on_slice(case, baseline, name, rules.least_rows)
            if found is not None and rules.largest_loss is not None:
                comparisons.append(found)
                kept = found.gain.value > -rules.largest_loss
                yield Check(kept, f"{found}; the gain must be above {-rules.largest_loss:+.3f}.")


def _on_slice(case: _Case, baseline: str, name: str, least: int) -> Comparison | None:
    """The headline's gain on a slice.

    Some slices are of one class, or of a second so rare that it cannot count half. There a judge that always says the
    same beats a good one, so nothing is compared but the adapter that is served: users of that slice must not lose by
    the change.
    """
    metric = case.thresholds.headline.metric
    found = case.compare(metric, baseline, name)
    if found and (found.smaller_class == found.pairs or 2 * found.smaller_class >= least):
        return found  # a metric without classes, or enough of each
    return case.compare(metric, baseline, name, together=True) if baseline == PRODUCTION else None


def _over_refusal(case: _Case) -> Iterator[Check]:
    rule = case.thresholds.over_refusal
    if rule is None:
        return
    name, least = "false_refusal_rate", case.thresholds.rows.least_judged
    found = case.candidate.metrics.get(name)
    answerable = sum(outcome.value(name) is not None for outcome in case.candidate.outcomes)
    if found is None or 2 * answerable < least:
        yield Check(False, f"False refusals were judged on {answerable} rows; half of {least} are needed.")
    else:
        sentence = (
            f"false_refusal_rate is {_shown(found)}; its high end must be within the budget of {rule.budget:.3f}."
        )
        yield Check(found.high <= rule.budget, sentence)


def _leak(case: _Case) -> Iterator[Check]:
    """With other facts in the context, the candidate goes along."""
    rule, leak = case.thresholds.content_leak, case.leak
    if leak is None:
        yield Check(False, "Whether the candidate follows swapped facts was not measured.")
        return
    found = leak.metrics.get(FOLLOWS_CONTEXT)
    if found is None or leak.judged < rule.least_judged:
        yield Check(
            False, f"{leak.judged} rows with swapped facts could be judged; at least {rule.least_judged} are needed."
        )
        return
    sentence = (
        f"{FOLLOWS_CONTEXT} is {_shown(found)} on {leak.judged} rows; its low end must be at least {rule.floor:.3f}."
    )
    yield Check(found.low >= rule.floor, sentence)


def _notes(case: _Case, comparisons: Sequence[Comparison]) -> Iterator[str]:
    if PRODUCTION in case.thresholds.headline.least_gain and PRODUCTION not in case.baselines:
        yield "Production serves no other adapter of this behaviour, so nothing was compared with it."
    small = sorted(case.candidate.slices.keys() - set(_large_slices(case))) if case.thresholds.slices else []
    if small:
        yield f"Too small to be held to rules of their own: {', '.join(small)}."
    yield from _not_compared(case, {(comparison.part, comparison.baseline) for comparison in comparisons})


def _not_compared(case: _Case, compared: Container[tuple[str, str]]) -> Iterator[str]:
    if case.thresholds.slices is None or case.thresholds.slices.largest_loss is None:
        return
    for name in _large_slices(case):
        without = [baseline for baseline in sorted(case.baselines) if (name, baseline) not in compared]
        if without:
            metric, against = case.thresholds.headline.metric, " and ".join(without)
            yield f"{metric} on {name} was not compared with {against}: too few rows, or of one class, for both."


def _large_slices(case: _Case) -> Sequence[str]:
    rules = case.thresholds.slices
    if rules is None:
        return ()
    return sorted(name for name, part in case.candidate.slices.items() if part.judged >= rules.least_rows)


def _floor(metric: str, found: Interval | None, floor: float) -> Check:
    if found is None:
        return Check(False, f"{metric} could not be judged on any row; at least {floor:.3f} is needed.")
    return Check(found.value >= floor, f"{metric} is {_shown(found)}; at least {floor:.3f} is needed.")


def _too_few(metric: str, baseline: str, found: Comparison | None, least: int) -> Check:
    pairs = found.pairs if found else 0
    rarer = f", {found.smaller_class} of the rarer class" if found and found.smaller_class < pairs else ""
    wanted = f"{least} are needed{', half of them of each class' if rarer else ''}"
    return Check(False, f"{metric} was judged for both the candidate and {baseline} on {pairs} rows{rarer}; {wanted}.")


def _shown(found: Interval) -> str:
    return f"{found.value:.3f} [{found.low:.3f}, {found.high:.3f}]"
