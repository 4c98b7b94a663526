"""A report for people: one page of HTML that needs nothing else, and the same tables as Markdown.

Questions, policies and answers are data: Jinja escapes all of them, and the page has no script.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from eval.benchmarks import Benchmark
from eval.metrics import Estimate
from eval.report import ControlReport, Report, metrics_of, uncaught
from eval.responses import Prediction, Response
from eval.scores import Score
from index.errors import UsageError
from index.markup import readable
from index.types import Span
from qa.render import escape_markdown, printable

PUBLISHED = (
    "hit@1", "evidence precision", "citation precision", "hit@1 unrefused", "hit@3 unrefused",
    "citation recall", "quote exactness", "facts", "false answers", "false refusals",
    "balanced accuracy", "AUROC", "calibration error", "characters",
)  # fmt: skip
"""The metrics of the tables that are published, in their order; a hit stands beside what it cost."""
_TEMPLATE = Path(__file__).parent / "report.html"
_WORST, _SHOWN = 20, 400
_PLAIN = 10.0
"""Above it a figure is a count, and has no decimals."""


@dataclass(frozen=True, slots=True)
class Worst:
    """A row that went wrong: what was asked, what should have come, and what came."""

    case: str
    policy: str
    kind: str
    question: str
    fault: str
    p_stated: float
    gold: tuple[str, ...]
    shown: tuple[tuple[str, bool], ...]
    nearest: str


def show(estimate: Estimate | None) -> str:
    """Return a figure with its interval.

    >>> show(Estimate(0.5, 0.25, 0.75, 4)), show(Estimate(353.2, 333, 374, 4)), show(None)
    ('0.50 [0.25, 0.75]', '353 [333, 374]', '–')
    """
    if estimate is None:
        return "–"
    digits = 0 if estimate.value > _PLAIN else 2
    return f"{estimate.value:.{digits}f} [{estimate.low:.{digits}f}, {estimate.high:.{digits}f}]"


def headline(report: Report) -> str:
    """Return what was measured, in a line."""
    return printable(
        f"{report.set}: {report.cases} questions over {_policies(report)}, "
        f"{report.made[:10]}, policyqa {report.policyqa}"
    )


def _policies(report: Report) -> str:
    return f"{report.policies:,} {'policy' if report.policies == 1 else 'policies'}"


def figure_rows(report: Report) -> list[list[str]]:
    """Return the table of all figures: a row per metric (name, n, figures), a column per system."""
    there = [metric.name for metric in metrics_of(report)]
    order = sorted(there, key=lambda name: (*PUBLISHED, name).index(name))
    return _rows(order, [system.figures for system in report.systems.values()])


def _rows(names: Iterable[str], systems: Sequence[Mapping[str, Estimate]]) -> list[list[str]]:
    return [[name, *_counted([figures.get(name) for figures in systems])] for name in names]


def _counted(found: Sequence[Estimate | None]) -> list[str]:
    """Return how many values entered the figures, and these; each with its own n if they differ."""
    counts = {one.n for one in found if one}
    if len(counts) == 1:
        return [f"{counts.pop():,}", *map(show, found)]
    return ["", *(f"{show(one)} (n {one.n:,})" if one else show(one) for one in found)]


def unanswered(report: Report) -> Iterator[str]:
    """Yield a line for each system that has not answered every question."""
    for name, system in report.systems.items():
        if system.answered < report.cases:
            yield (
                f"{name} has answered {system.answered:,} of {report.cases:,} questions, and the "
                "figures are of these: give the run's command again to go on"
            )


def control_rows(report: Report) -> list[list[str]]:
    """Return the table of controls: what catches each, its figure, policyqa's, and the verdict."""
    return [
        [name, one.caught_by, show(one.figure), show(one.policyqa), _verdict(one)]
        for name, one in report.controls.items()
    ]


def _verdict(control: ControlReport) -> str:
    if control.caught is None:
        return f"not told: {control.untold}"
    return "caught" if control.caught else "NOT CAUGHT"


def judge_lines(report: Report) -> Iterator[str]:
    """Yield what each language model said that was asked."""
    for one in report.judges:
        counts = ", ".join(f"{n:,} {outcome}" for outcome, n in one.outcomes.items())
        yield (
            f"Judged by {one.model} (not part of any gate), {one.system}: faithful "
            f"{show(one.faithful)}, correct {show(one.correct)}; of {one.answers:,} answers: {counts}"
        )


def published(report: Report) -> str:
    """Return the figures that are published as Markdown: a table for each split of the set."""
    name = report.set.partition("/")[0]
    splits = dict.fromkeys(split for system in report.systems.values() for split in system.splits)
    parts = []
    for split in splits:
        systems = [system.splits.get(split, {}) for system in report.systems.values()]
        asked = {s.case for one in report.systems.values() for s in one.scores if s.split == split}
        there = [
            metric.name for metric in metrics_of(report) if any(metric.name in s for s in systems)
        ]
        chosen = [metric for metric in PUBLISHED if metric in there] or there
        head = f"{name}, {split}: {len(asked):,} questions, {_policies(report)}"
        parts += [
            escape_markdown(printable(head)),
            _table(["", "n", *report.systems], _rows(chosen, systems)),
        ]
    return "\n\n".join([*parts, *map(escape_markdown, unanswered(report))])


def markdown(report: Report) -> str:
    """Return the figures as Markdown, those that are published first; in brackets 95 % intervals."""
    parts = [f"# {escape_markdown(headline(report))}", published(report)]
    if report.controls:
        head = ["control", "caught by", "its figure", "policyqa's", ""]
        parts += ["## Negative controls", _table(head, control_rows(report))]
        parts += [f"**Nothing shows that {name!r} is wrong.**" for name in uncaught(report)]
    parts += ["## All figures", _table(["", "n", *report.systems], figure_rows(report))]
    parts += [escape_markdown(line) for line in judge_lines(report)]
    machine = ", ".join(f"{key} {value}" for key, value in report.machine.items())
    return "\n\n".join([*parts, escape_markdown(machine)]) + "\n"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        "|" + "".join(f" {cell} |" if cell else " |" for cell in line) for line in lines
    )


def html(
    report: Report, benchmark: Benchmark, made: Mapping[str, Mapping[str, Response]], system: str
) -> str:
    """Return the page. ``made`` are the systems' responses; ``system`` is the one looked into.

    Raises UsageError where what draws it is not installed.
    """
    missing = [name for name in ("jinja2", "matplotlib") if find_spec(name) is None]
    if missing:
        raise UsageError(
            f"the page needs {missing[0]}, which is not installed",
            hint="pip install 'policyqa[eval]', then: policyqa eval report DIR",
        )
    from jinja2 import Environment

    template = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(
        _TEMPLATE.read_text("utf-8")
    )
    return template.render(
        headline=headline(report),
        machine=printable("; ".join(f"{key}: {value}" for key, value in report.machine.items())),
        system=system,
        systems=list(report.systems),
        unanswered=list(unanswered(report)),
        rows=figure_rows(report),
        controls=control_rows(report),
        judge=list(judge_lines(report)),
        groups=_groups(report, system),
        plots=_plots(report, benchmark, made, system),
        worst=list(worst(report, benchmark, made[system], system)),
    )


def _groups(report: Report, system: str) -> dict[str, Any]:
    """Return one system's figures by engine, split and kind: the head and the rows of a table."""
    one = report.systems[system]
    names = (
        "right status", "hit@1", "false answers", "false refusals", "token F1", "facts",
        *(("calibration error", "unverified statements") if one.engines else ()),
    )  # fmt: skip
    there = [name for name in names if name in one.figures]
    groups = {
        **{f"engine: {name or 'none'}": of for name, of in one.engines.items()},
        **{f"split: {name}": of for name, of in one.splits.items()},
        **one.kinds,
    }
    rows = [
        [printable(name), *_counted([of.get(metric) for metric in there])]
        for name, of in groups.items()
    ]
    return {"head": ["", "n", *there], "rows": rows}


def _plots(
    report: Report, benchmark: Benchmark, made: Mapping[str, Mapping[str, Response]], system: str
) -> list[tuple[str, Any]]:
    from markupsafe import Markup

    from eval import plots

    drawn = [("How long it takes", plots.latency(report))]
    if benchmark.task != "search":
        drawn = [
            (f"By kind of question ({system})", plots.by_kind(report, system)),
            ("Is it as sure as it is right?", plots.reliability(report)),
            ("How much has to be read for the evidence?", plots.characters(benchmark, made)),
            *drawn,
        ]
    # Drawn by matplotlib, which escapes the text in them.
    return [(title, Markup(svg)) for title, svg in drawn]  # noqa: S704


def worst(
    report: Report, benchmark: Benchmark, made: Mapping[str, Response], system: str
) -> Iterator[Worst]:
    """Yield the rows a system is most wrongly sure of, the surest first."""
    wrong = [
        score for score in report.systems[system].scores
        if score.values.get("right") == 0 or score.values.get("hit@1") == 0
    ]  # fmt: skip
    cases = {case.id: case for case in benchmark.cases}
    for score in sorted(wrong, key=lambda one: -one.values["confidence"])[:_WORST]:
        case, text = cases[score.case], benchmark.texts[score.policy]
        found = [p for p in made[score.case].predictions if p.policy == score.policy]
        prediction = found[0] if found else Prediction(score.policy, 0.0, (), ())
        gold = case.expect[score.policy].gold
        places = [place for piece in gold for place in piece]
        nearest = prediction.ranked[0].of(text) if prediction.ranked else ""
        yield Worst(
            case=printable(case.id),
            policy=printable(score.policy),
            kind=printable(case.kind),
            question=printable(case.question),
            fault=_fault(score),
            p_stated=prediction.p_stated,
            gold=tuple(_short(piece[0].of(text)) for piece in gold),
            shown=tuple(
                (_short(one.quote), any(_touch(one.span, place) for place in places))
                for one in prediction.cited
            ),
            nearest=_short(nearest) if not prediction.cited else "",
        )


def _fault(score: Score) -> str:
    if "false answers" in score.values:
        return "answered, though the policy does not state it"
    if score.values["false refusals"]:
        return "refused, though the policy states it"
    return "quoted something else first"


def _touch(one: Span, other: Span) -> bool:
    return min(one.end, other.end) > max(one.start, other.start)


def _short(text: str) -> str:
    words = printable(readable(text))
    return words if len(words) <= _SHOWN else words[:_SHOWN] + " …"
