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
from eval.report import Report, metrics_of, uncaught
from eval.responses import Prediction, Response
from eval.scores import Score
from index.errors import UsageError
from index.markup import readable
from index.types import Span
from qa.render import escape_markdown, printable

MAIN = (
    "right status", "hit@1", "hit@1 unrefused", "hit@3 unrefused", "citation precision",
    "citation recall", "evidence precision", "evidence recall", "quote exactness", "token F1",
    "facts", "false answers", "false refusals", "balanced accuracy", "AUROC",
    "calibration error", "characters",
)  # fmt: skip
"""The metrics of the table that is published, in its order."""
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
        f"{report.set}: {report.cases} questions over {report.policies} policies, "
        f"{report.made[:10]}, policyqa {report.policyqa}"
    )


def main_rows(report: Report, found: Mapping[str, Mapping[str, Estimate]]) -> list[list[str]]:
    """Return the table of figures: a row per metric (name, count, figures), a column per system."""
    there = [metric.name for metric in metrics_of(report)]
    order = [name for name in MAIN if name in there] + [n for n in there if n not in MAIN]
    rows = []
    for name in order:
        estimates = [figures.get(name) for figures in found.values()]
        counted = max((e.n for e in estimates if e), default=0)
        rows.append([name, f"{counted:,}", *(_counted(e, counted) for e in estimates)])
    return rows


def _counted(estimate: Estimate | None, rows: int) -> str:
    """Return a figure, and how many rows it is of where that is not what the others are of."""
    fewer = f" of {estimate.n:,}" if estimate and estimate.n != rows else ""
    return f"{show(estimate)}{fewer}"


def control_rows(report: Report) -> list[list[str]]:
    """Return the table of controls: what catches each, its figure, policyqa's, and the verdict."""
    verdicts = {True: "caught", False: "NOT CAUGHT", None: "not measured by this set"}
    return [
        [name, one.caught_by, show(one.figure), show(one.policyqa), verdicts[one.caught]]
        for name, one in report.controls.items()
    ]


def judge_lines(report: Report) -> Iterator[str]:
    """Yield what the language model said, if one was asked."""
    if report.judged:
        one = report.judged
        counts = ", ".join(f"{n:,} {outcome}" for outcome, n in one.outcomes.items())
        yield (
            f"Judged by {one.model} (not part of any gate), {one.system}: faithful "
            f"{show(one.faithful)}, correct {show(one.correct)}; answers: {counts}"
        )


def markdown(report: Report) -> str:
    """Return the figures as Markdown; in brackets 95 % intervals."""
    names = list(report.systems)
    tables = [f"# {escape_markdown(headline(report))}"]
    overall = {name: system.figures for name, system in report.systems.items()}
    tables.append(_table(["", "n", *names], main_rows(report, overall)))
    if report.controls:
        head = ["control", "caught by", "control's", "policyqa's", ""]
        tables.append(_table(head, control_rows(report)))
        tables += [f"**Nothing shows that {name!r} is wrong.**" for name in uncaught(report)]
    tables += [escape_markdown(line) for line in judge_lines(report)]
    machine = ", ".join(f"{key} {value}" for key, value in report.machine.items())
    return "\n\n".join([*tables, escape_markdown(machine)]) + "\n"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


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
    overall = {name: one.figures for name, one in report.systems.items()}
    return template.render(
        headline=headline(report),
        machine=printable("; ".join(f"{key}: {value}" for key, value in report.machine.items())),
        system=system,
        systems=list(report.systems),
        rows=main_rows(report, overall),
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
        [printable(name), *(show(of.get(metric)) for metric in there)]
        for name, of in groups.items()
    ]
    return {"head": ["", *there], "rows": rows}


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
