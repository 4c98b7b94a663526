"""From what processes took to the rows of the table: medians, percentiles, rates and goals."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from eval.speed.chat import FEW, MANY, SESSIONS
from eval.speed.process import NotMeasuredError, fact
from eval.speed.rounds import Round

Read = Callable[[Round], float]
"""Reads one figure from a round, which holds what was prepared too."""
LARGE = 1_000
"""Policies from which on the goal for a large index holds."""


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of a measurement's runs, and its extremes."""

    median: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Goal:
    """A bound that the design sets in its chapter on speed, in the row's unit."""

    bound: float
    at_least: bool = False

    def met(self, value: float) -> bool:
        """Return whether a value keeps the bound."""
        return value >= self.bound if self.at_least else value <= self.bound


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table: a measurement of one pipeline or both, and policyqa's goal.

    Where ``missing`` names what it is measured with, it was not.
    """

    what: str
    unit: str
    ours: Spread | None
    obvious: Spread | None
    goal: Goal | None
    missing: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None if there is none, or nothing to tell it by."""
        return self.goal.met(self.ours.median) if self.goal and self.ours else None


@dataclass(frozen=True, slots=True)
class Measure:
    """How a row is read from the rounds."""

    what: str
    unit: str
    ours: Read
    obvious: Read | None = None
    goal: Goal | None = None

    def row(self, rounds: Sequence[Round]) -> Row:
        """Return the row over all rounds: the median of the rounds' figures, ratios included."""
        obvious = spread([self.obvious(one) for one in rounds]) if self.obvious else None
        try:
            ours = spread([self.ours(one) for one in rounds])
        except NotMeasuredError as error:
            return Row(self.what, self.unit, None, obvious, self.goal, str(error))
        return Row(self.what, self.unit, ours, obvious, self.goal)


def spread(values: Sequence[float]) -> Spread:
    """Return the median, lowest and highest of the runs.

    >>> spread([3.0, 1.0, 2.0])
    Spread(median=2.0, low=1.0, high=3.0)
    """
    return Spread(statistics.median(values), min(values), max(values))


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the value that a share of all lies below, interpolated linearly between two.

    >>> percentile([10.0, 20.0, 30.0], 75)
    25.0
    """
    if not values or not 0 <= percent <= 100:
        raise ValueError(f"the percentile {percent} of {len(values)} values is not defined")
    ranked = sorted(values)
    place = (len(ranked) - 1) * percent / 100
    low = ranked[math.floor(place)]
    return low + (ranked[math.ceil(place)] - low) * (place - math.floor(place))


def _whole(process: str) -> Read:
    return lambda done: done[process].seconds


def _memory(process: str) -> Read:
    return lambda done: done[process].megabytes


def _inside(process: str, scale: float = 1.0) -> Read:
    return lambda done: float(fact(done[process], "seconds")) * scale


def _fact(process: str, name: str) -> Read:
    return lambda done: float(fact(done[process], name))


def _question(process: str, percent: float) -> Read:
    """Read a percentile of a process's questions, in milliseconds."""
    return _percentile(process, "seconds", percent, 1e3)


def _percentile(process: str, name: str, percent: float, scale: float = 1.0) -> Read:
    return lambda done: percentile(fact(done[process], name), percent) * scale


def _rate(process: str, counted: str, tokens: str) -> Read:
    """Read tokens per second: those that one process counted, in the time of another."""
    return lambda done: float(fact(done[counted], tokens) / fact(done[process], "seconds"))


def _share(done: Round) -> float:
    """Read policyqa's rate in percent of the bare encoder's; both encode the same tokens."""
    return float(100 * fact(done["bare"], "seconds") / fact(done["build"], "seconds"))


def _coverage(counted: str, tokens: str) -> Read:
    """Read how many tokens are encoded, in percent of the policies' own text."""
    return lambda done: float(100 * fact(done[counted], tokens) / fact(done["prepare"], "text"))


MEASURES = (
    Measure("cold answer, whole process", "s", _whole("ask"), _whole("obvious query"), Goal(1.7)),
    Measure("  peak memory", "MB", _memory("ask"), _memory("obvious query")),
    Measure(
        "warm question, p50", "ms", _question("questions", 50), _question("obvious questions", 50)
    ),
    Measure(
        "warm question, p95",
        "ms",
        _question("questions", 95),
        _question("obvious questions", 95),
        Goal(150),
    ),
    Measure("first indexing, whole process", "s", _whole("index"), _whole("obvious index")),
    Measure("  peak memory", "MB", _memory("index"), _memory("obvious index")),
    Measure("  imported and loaded", "s", _inside("build"), _inside("obvious index")),
    Measure(
        "  tokens of text",
        "/s",
        _rate("build", "prepare", "text"),
        _rate("obvious index", "prepare", "text"),
    ),
    Measure(
        "  tokens encoded",
        "/s",
        _rate("build", "prepare", "encoded"),
        _rate("obvious index", "obvious tokens", "encoded"),
    ),
    Measure(
        "  tokens encoded, share of text",
        "%",
        _coverage("prepare", "encoded"),
        _coverage("obvious tokens", "encoded"),
    ),
    Measure("bare encoder, the same texts", "/s", _rate("bare", "prepare", "encoded")),
    Measure("indexing rate / bare encoder", "%", _share, goal=Goal(90, at_least=True)),
    Measure("re-sync, nothing changed", "ms", _inside("sync", 1e3)),
    Measure("  whole process", "s", _whole("index again")),
    Measure("guards, share of a first answer", "%", _fact("guards", "ask"), goal=Goal(5)),
    Measure("guards, share of indexing", "%", _fact("guards", "index"), goal=Goal(5)),
    Measure("chat, command to page", "s", _fact("chat page", "opened"), goal=Goal(6)),
    Measure(
        "  question to answer on screen, p95",
        "s",
        _percentile("chat page", "seconds", 95),
        goal=Goal(1),
    ),
    Measure(
        f"  {FEW} people at once, p95", "s", _percentile("chat crowd", "few", 95), goal=Goal(3)
    ),
    Measure("  answers that are another's", "", _fact("chat crowd", "foreign"), goal=Goal(0)),
    Measure(f"  {MANY} at once: answered", "", _fact("chat crowd", "answered")),
    Measure(
        "    the rest, until told “busy”",
        "s",
        _percentile("chat crowd", "refused", 100),
        goal=Goal(1),
    ),
    Measure("    a question afterwards", "s", _fact("chat crowd", "after"), goal=Goal(1)),
    Measure(
        f"  memory after {SESSIONS} sessions",
        "MB",
        _fact("chat crowd", "megabytes"),
        goal=Goal(1500),
    ),
    Measure("LLM: question to evidence, p50", "ms", _percentile("llm", "evidence", 50, 1e3)),
    Measure("  p95", "ms", _percentile("llm", "evidence", 95, 1e3)),
    Measure("  first words, beyond the bare call, p50", "ms", _percentile("llm", "added", 50, 1e3)),
    Measure("  p95", "ms", _percentile("llm", "added", 95, 1e3), goal=Goal(150)),
)


def measures_of_many(count: int) -> tuple[Measure, ...]:
    """Return what is measured over many policies; fewer than ``LARGE`` have no goal to meet."""
    goal, of = Goal(300) if count >= LARGE else None, f"over {count:,} policies"
    return (
        Measure(f"indexing, {count:,} policies", "s", _whole("index many")),
        Measure("  peak memory", "MB", _memory("index many")),
        Measure(f"question {of}, p50", "ms", _question("questions to many", 50)),
        Measure(f"question {of}, p95", "ms", _question("questions to many", 95), goal=goal),
        Measure("  peak memory", "MB", _memory("questions to many")),
    )
