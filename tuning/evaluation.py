"""An evaluation: what each row gave, kept, and the figures made of it.

    outcomes = run_rows(rows, judge)                      judge: row -> Judged; raises NotJudged
    evaluation = summarise(subject, METRICS, outcomes, seed=0)

Rows are kept so that two evaluations of the same rows can be compared pair by pair (`tuning.gate`). A row that could
not be judged is counted with its reason and enters no figure; a metric that does not apply to a row passes it over.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel

from serving.interface.errors import QuestionTooLong
from tuning.errors import NotJudged
from tuning.statistics import RESAMPLES, Interval, Statistic, Value, bootstrap
from tuning.systems import Progress

__all__ = [
    "Evaluation",
    "Judged",
    "Metric",
    "Outcome",
    "Slice",
    "Subject",
    "by_passages",
    "row_key",
    "run_rows",
    "summarise",
]

SLICES_SHOWN = 4
"""In the table for people; the JSON holds all."""

Row = TypeVar("Row", bound=BaseModel)


@dataclass(frozen=True)
class Metric:
    """A figure: its name, and what is made of the rows' values."""

    name: str
    statistic: Statistic = Statistic.MEAN
    less_is_better: bool = False
    """Then a gain is no win: the metric is bounded by a ceiling or a budget."""


@dataclass(frozen=True)
class Judged:
    """What judging one row gave."""

    values: Mapping[str, float]
    """Metric -> value; a metric that does not apply to the row is absent."""
    positive: bool = False
    """The row's class, for metrics that know classes."""
    counts: tuple[str, ...] = ()
    """Names of what is counted beside the metrics and is so of this row."""
    shown: str = ""
    """What was asked and what came out, for people."""


@dataclass(frozen=True)
class Outcome:
    """One row of an evaluation."""

    key: str
    """Digest of the row, with its number among equal rows."""
    slices: tuple[str, ...]
    judged: Judged | None
    unjudged: str = ""
    """Why it could not be judged."""

    def value(self, metric: str) -> Value | None:
        """What the row counts for a metric; None where it could not be judged or the metric does not apply."""
        if self.judged is None or metric not in self.judged.values:
            return None
        return Value(self.judged.values[metric], self.judged.positive)


@dataclass(frozen=True)
class Slice:
    """The figures of a part of the rows."""

    rows: int
    judged: int
    metrics: Mapping[str, Interval]


@dataclass(frozen=True)
class Subject:
    """What is measured, by the names under which a report shows it."""

    behaviour: str
    adapter: str = "none"
    """A version, or how the behaviour ran without one."""


@dataclass(frozen=True)
class Evaluation:
    """The figures of a system on rows, and what they were made of."""

    subject: Subject
    measures: tuple[Metric, ...]
    outcomes: tuple[Outcome, ...]
    """In the order of the rows."""
    metrics: Mapping[str, Interval]
    """Absent is a metric for which no row could be judged."""
    slices: Mapping[str, Slice]
    counts: Mapping[str, int]
    settings: Mapping[str, float] = field(default_factory=dict)
    """Numbers that the system decided by, such as a threshold."""

    @property
    def rows(self) -> int:
        """How many rows were asked."""
        return len(self.outcomes)

    @property
    def judged(self) -> int:
        """How many could be judged."""
        return sum(outcome.judged is not None for outcome in self.outcomes)

    @property
    def unjudged(self) -> int:
        """How many could not."""
        return self.rows - self.judged

    def reasons(self) -> dict[str, int]:
        """Why rows could not be judged, most frequent first."""
        return dict(_by_frequency(outcome.unjudged for outcome in self.outcomes if outcome.judged is None))

    def as_json(self) -> dict[str, Any]:
        """What `evaluate --json` prints."""
        return {
            **asdict(self.subject),
            "rows": self.rows,
            "judged": self.judged,
            "unjudged": self.unjudged,
            "metrics": _metrics(self.metrics),
            "counts": dict(self.counts),
            "unjudged_reasons": self.reasons(),
            "settings": dict(self.settings),
            "slices": {
                name: {"rows": part.rows, "judged": part.judged, "metrics": _metrics(part.metrics)}
                for name, part in self.slices.items()
            },
        }

    def as_text(self) -> str:
        """A table for people: a line a metric, a column for all rows and one for each of the largest slices."""
        head = f"{self.subject.behaviour}, adapter {self.subject.adapter}: {self.rows} rows, {self.judged} judged."
        shown = sorted(sorted(self.slices, key=lambda name: (-self.slices[name].rows, name))[:SLICES_SHOWN])
        columns = {"all rows": self.metrics, **{name: self.slices[name].metrics for name in shown}}
        lines = [head, _line("", columns)]
        for name in (metric.name for metric in self.measures):
            lines.append(_line(name, [_cell(metrics.get(name)) for metrics in columns.values()]))
        lines += [f"{name}: {count}" for name, count in {**self.settings, **self.counts}.items()]
        if others := sorted(set(self.slices) - set(shown)):
            lines.append(f"Smaller slices, in the JSON only: {', '.join(others)}.")
        lines += [f"not judged, {count} rows: {reason}" for reason, count in self.reasons().items()]
        return "\n".join([*lines, "In brackets the 95% bootstrap interval."])


def run_rows(
    rows: Sequence[Row], judge: Callable[[Row], Judged], *, progress: Progress | None = None
) -> tuple[Outcome, ...]:
    """Judges each row; the outcomes are in the order of the rows.

    What cannot be judged (`NotJudged`, `QuestionTooLong`) is an outcome, too. Rows over the same passages are judged
    one after another, so that an engine computes the passages once.
    """
    keys = _keys(rows)
    outcomes: dict[int, Outcome] = {}
    for done, place in enumerate(by_passages(rows), 1):
        outcomes[place] = _outcome(rows[place], keys[place], judge)
        if progress:
            progress(done, len(rows))
    return tuple(outcomes[place] for place in range(len(rows)))


def by_passages(rows: Sequence[BaseModel]) -> list[int]:
    """The places of `rows` in an order in which those over the same passages follow each other."""
    shown = [[passage.text for passage in getattr(row, "passages", ())] for row in rows]
    return sorted(range(len(rows)), key=lambda place: shown[place])


def _keys(rows: Sequence[BaseModel]) -> list[str]:
    """A key for each row, another one for each of equal rows."""
    seen: Counter[str] = Counter()
    keys = []
    for digest in map(row_key, rows):
        seen[digest] += 1
        keys.append(f"{digest}.{seen[digest]}")
    return keys


def row_key(row: BaseModel) -> str:
    """The first 16 hex digits of sha256 over the row."""
    return hashlib.sha256(row.model_dump_json().encode()).hexdigest()[:16]


def summarise(
    subject: Subject,
    measures: Sequence[Metric],
    outcomes: Sequence[Outcome],
    *,
    seed: int,
    resamples: int = RESAMPLES,
    settings: Mapping[str, float] | None = None,
) -> Evaluation:
    """The figures over all rows and over each slice, with intervals."""

    def figures(part: Sequence[Outcome]) -> dict[str, Interval]:
        found = {m.name: _figure(m, part, seed, resamples) for m in measures}
        return {name: interval for name, interval in found.items() if interval is not None}

    parts = {
        name: [outcome for outcome in outcomes if name in outcome.slices]
        for name in sorted({name for outcome in outcomes for name in outcome.slices})
    }
    slices = {
        name: Slice(len(part), sum(outcome.judged is not None for outcome in part), figures(part))
        for name, part in parts.items()
    }
    counts = Counter(name for outcome in outcomes if outcome.judged for name in outcome.judged.counts)
    return Evaluation(
        subject=subject,
        measures=tuple(measures),
        outcomes=tuple(outcomes),
        metrics=figures(outcomes),
        slices=slices,
        counts=dict(sorted(counts.items())),
        settings=dict(settings or {}),
    )


def _figure(metric: Metric, outcomes: Sequence[Outcome], seed: int, resamples: int) -> Interval | None:
    values = [value for outcome in outcomes if (value := outcome.value(metric.name)) is not None]
    return bootstrap(values, metric.statistic, seed=seed, resamples=resamples)


def _outcome(row: Row, key: str, judge: Callable[[Row], Judged]) -> Outcome:
    try:
        return Outcome(key, _slices(row), judge(row))
    except (NotJudged, QuestionTooLong) as cause:
        return Outcome(key, _slices(row), None, str(cause))


def _slices(row: BaseModel) -> tuple[str, ...]:
    """The parts that a row belongs to by its origin, as `source=...` and `slice=...`."""
    origin = getattr(row, "origin", None)
    named = [(name, getattr(origin, name, "")) for name in ("source", "slice")]
    return tuple(f"{name}={value}" for name, value in named if value)


def _by_frequency(reasons: Any) -> list[tuple[str, int]]:
    return sorted(Counter(reasons).items(), key=lambda item: (-item[1], item[0]))


def _metrics(metrics: Mapping[str, Interval]) -> dict[str, dict[str, float]]:
    return {name: asdict(interval) for name, interval in metrics.items()}


def _cell(interval: Interval | None) -> str:
    return f"{interval.value:.3f} [{interval.low:.3f}, {interval.high:.3f}]" if interval else "not judged"


def _line(title: str, cells: Any) -> str:
    return "".join([f"{title:<32}", *(f"{cell:<25} " for cell in cells)]).rstrip()
