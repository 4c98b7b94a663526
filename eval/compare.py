"""Two runs side by side: what differs beyond chance, which cases flipped, and whether to go on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from eval.metrics import Estimate, Numbers, Statistic, UndefinedError, bootstrap, mean
from eval.report import Report, SystemReport
from eval.scores import METRICS, Metric, Score
from index.errors import UsageError

_FLIPS = ("hit@1", "right")
_NOTICEABLE = 0.005
Pair = tuple[Score, Score]


@dataclass(frozen=True, slots=True)
class Difference:
    """A metric of two runs over the rows they share; ``change`` is the second minus the first."""

    metric: Metric
    before: float
    after: float
    change: Estimate

    @property
    def verdict(self) -> str:
        """``better`` or ``worse`` where the interval leaves zero out, else ``same``.

        A change below what another processor alone can make is ``same``, however sure it is.
        """
        ends = sorted((self.change.low * self.metric.better, self.change.high * self.metric.better))
        if abs(self.change.value) < _NOTICEABLE or ends[0] <= 0 <= ends[1]:
            return "same"
        return "better" if ends[0] > 0 else "worse"


@dataclass(frozen=True, slots=True)
class Flip:
    """A row on which one run is right and the other is not."""

    case: str
    policy: str
    what: str
    better: bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two runs of a set differ in; ``only`` counts the rows that only one of them has."""

    differences: tuple[Difference, ...]
    flips: tuple[Flip, ...]
    shared: int
    only: int

    @property
    def regressions(self) -> list[Difference]:
        """The metrics that are worse beyond their interval."""
        return [one for one in self.differences if one.verdict == "worse"]


def system(report: Report, name: str) -> SystemReport:
    """Return a system's part of a report. Raises UsageError if it has none."""
    if name not in report.systems:
        raise UsageError(
            f"the report of {report.set!r} has no system {name!r}",
            hint=f"it has: {', '.join(report.systems)}",
        )
    return report.systems[name]


def compare(before: SystemReport, after: SystemReport) -> Comparison:
    """Compare row by row. Raises UsageError where the runs share no case."""
    first, second = _by_key(before.scores), _by_key(after.scores)
    pairs = [(first[key], second[key]) for key in first if key in second]
    if not pairs:
        raise UsageError("the two runs share no case", hint="compare runs of one set and split")
    found = (_difference(metric, pairs) for metric in METRICS)
    return Comparison(
        differences=tuple(one for one in found if one),
        flips=tuple(_flips(pairs)),
        shared=len(pairs),
        only=len(first.keys() ^ second.keys()),
    )


def _by_key(scores: Iterable[Score]) -> Mapping[tuple[str, str], Score]:
    return {(score.case, score.policy): score for score in scores}


def _difference(metric: Metric, pairs: Iterable[Pair]) -> Difference | None:
    """Return a metric's difference over the rows where both runs have its values, if any."""
    both = [
        pair for pair in pairs if all(name in s.values for s in pair for name in metric.columns)
    ]
    rows, clusters = metric.rows(one for one, _ in both)
    others, _ = metric.rows(other for _, other in both)
    if not both:
        return None
    try:
        before, after = metric.statistic(rows), metric.statistic(others)
        change = _bootstrapped(metric.statistic, rows, others, clusters)
    except UndefinedError:
        return None
    return Difference(metric, before, after, change)


def _bootstrapped(
    statistic: Statistic, rows: Numbers, others: Numbers, clusters: list[str]
) -> Estimate:
    if statistic is mean:
        return bootstrap(others - rows, mean, groups=clusters)
    width = 1 if rows.ndim == 1 else rows.shape[1]
    table = np.column_stack([rows, others])

    def change(drawn: Numbers) -> float:
        one, other = drawn[:, :width], drawn[:, width:]
        if width == 1:
            one, other = one[:, 0], other[:, 0]
        return statistic(other) - statistic(one)

    return bootstrap(table, change, groups=clusters)


def _flips(pairs: Iterable[Pair]) -> Iterable[Flip]:
    for one, other in pairs:
        for what in _FLIPS:
            first, second = one.values.get(what), other.values.get(what)
            if first is not None and second is not None and first != second:
                yield Flip(one.case, one.policy, what, second > first)
