"""The report's plots, as SVG: readable without colours, and without the page's scripts (it has none)."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from eval import metrics
from eval.benchmarks import Benchmark
from eval.metrics import Estimate
from eval.report import Report
from eval.responses import Response
from eval.scores import Score
from qa.render import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MARKS = "osD^vP*X<>"
_BINS = np.linspace(0.5, 1.0, 6)
_DEPTHS = range(1, 11)
_SIZE = (7.5, 4.2)
_LATENCY = 0.0001
_LONGEST = 40


def _svg(title: str, draw: Callable[[Axes], None], *, height: float = _SIZE[1]) -> str:
    """Return a drawing as an SVG element that scales with the page."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    # Text stays text: it can be searched, copied and read aloud.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": title, "font.size": 10}):
        figure = Figure(figsize=(_SIZE[0], height), layout="constrained")
        draw(figure.subplots())
        written = io.StringIO()
        figure.savefig(
            written, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type"))
        )
    return written.getvalue()[written.getvalue().index("<svg") :]


def _legend(axes: Axes, **place: Any) -> None:
    """Name what is drawn, if anything is."""
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, **place)


def by_kind(report: Report, system: str) -> str:
    """Plot, for each kind of question, how often the status is right and the evidence is first."""
    groups = report.systems[system].kinds

    def draw(axes: Axes) -> None:
        rows = list(groups)[::-1]
        for offset, mark, label, read in (
            (0.16, "o", "status right (stated or not)", _right),
            (-0.16, "s", "first quote is the evidence (of answerable ones)", _hit),
        ):
            points = [(n + offset, read(groups[name])) for n, name in enumerate(rows)]
            _intervals(axes, [(n, one) for n, one in points if one], mark, label)
        # Kinds are words of the set: no formulas, nothing that acts.
        axes.set_yticks(
            range(len(rows)), [printable(row)[:_LONGEST] for row in rows], parse_math=False
        )
        axes.set_xlim(-0.02, 1.02)
        axes.grid(axis="x", alpha=0.3)
        _legend(axes, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)

    return _svg("by kind", draw, height=1.2 + 0.36 * max(3, len(groups)))


def _right(found: Mapping[str, Estimate]) -> Estimate | None:
    return found.get("right status")


def _hit(found: Mapping[str, Estimate]) -> Estimate | None:
    return found.get("hit@1")


def _intervals(axes: Axes, points: Sequence[tuple[float, Estimate]], mark: str, label: str) -> None:
    values = np.array([[one.value, one.low, one.high] for _, one in points]).reshape(-1, 3)
    spread = np.abs(values[:, 1:] - values[:, :1]).T
    axes.errorbar(
        values[:, 0], [n for n, _ in points], xerr=spread, fmt=mark, capsize=3, label=label
    )


def reliability(report: Report) -> str:
    """Plot how often each system's status is right against the confidence it claims."""

    def draw(axes: Axes) -> None:
        axes.plot([0.5, 1], [0.5, 1], "--", color="gray", label="as sure as it is right")
        for mark, (name, system) in zip(_MARKS, report.systems.items(), strict=False):
            points = list(_bins(system.scores))
            if points:
                sure, right, sizes = np.array(points).T
                (line,) = axes.plot(sure, right, marker=mark, label=name, alpha=0.8)
                for x, y, size in zip(sure, right, sizes, strict=True):
                    axes.annotate(
                        f"{size:.0f}", (x, y), xytext=(4, -11), textcoords="offset points",
                        fontsize=7, color=line.get_color(),
                    )  # fmt: skip
        axes.set_xlabel("confidence claimed (the small numbers: how many answers)")
        axes.set_ylabel("share of right statuses")
        axes.set_xlim(0.49, 1.01)
        axes.set_ylim(-0.02, 1.02)
        axes.grid(alpha=0.3)
        _legend(axes)

    return _svg("reliability", draw)


def _bins(scores: Iterable[Score]) -> Iterable[tuple[float, float, int]]:
    rows = np.array(
        [[s.values["confidence"], s.values["right"]] for s in scores if "confidence" in s.values]
    ).reshape(-1, 2)
    place = np.clip(np.digitize(rows[:, 0], _BINS) - 1, 0, len(_BINS) - 2)
    for number in range(len(_BINS) - 1):
        inside = rows[place == number]
        if len(inside):
            yield float(inside[:, 0].mean()), float(inside[:, 1].mean()), len(inside)


def characters(benchmark: Benchmark, made: Mapping[str, Mapping[str, Response]]) -> str:
    """Plot the recall of evidence and its precision against the characters that are returned.

    Each system's first one to ten spans are taken, whether or not it would refuse.
    """

    def draw(axes: Axes) -> None:
        for number, (name, responses) in enumerate(made.items()):
            points = np.array(list(_depths(benchmark, responses))).reshape(-1, 3)
            if len(points):
                (line,) = axes.plot(
                    points[:, 0], points[:, 1], marker=_MARKS[number], label=f"{name}: recall"
                )
                axes.plot(
                    points[:, 0], points[:, 2], marker=_MARKS[number], linestyle=":",
                    color=line.get_color(), fillstyle="none", label=f"{name}: precision",
                )  # fmt: skip
        axes.set_xscale("log")
        axes.set_xlabel("characters returned per question and policy")
        axes.set_ylabel("share of characters")
        axes.set_ylim(-0.02, 1.02)
        axes.grid(alpha=0.3)
        _legend(axes, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))

    return _svg("characters", draw)


def _depths(
    benchmark: Benchmark, responses: Mapping[str, Response]
) -> Iterable[tuple[float, float, float]]:
    wanted = [
        (one.ranked, case.expect[one.policy].gold)
        for case in benchmark.cases
        if case.id in responses
        for one in responses[case.id].predictions
        if one.policy in case.expect
        and case.expect[one.policy].stated
        and metrics.has_characters(one.ranked[:1])
    ]
    for k in _DEPTHS if wanted else ():
        lengths = [sum(end - start for start, end in ranked[:k]) for ranked, _ in wanted]
        yield (
            metrics.mean(lengths),
            metrics.mean([metrics.evidence_recall(ranked[:k], gold) for ranked, gold in wanted]),
            metrics.mean([metrics.evidence_precision(ranked[:k], gold) for ranked, gold in wanted]),
        )


def latency(report: Report) -> str:
    """Plot the share of cases that each system has answered within a time."""

    def draw(axes: Axes) -> None:
        for name, system in report.systems.items():
            seconds = sorted(s.values["seconds"] for s in system.scores if "seconds" in s.values)
            if seconds:
                share = np.arange(1, len(seconds) + 1) / len(seconds)
                axes.step(np.maximum(seconds, _LATENCY), share, where="post", label=name)
        axes.set_xscale("log")
        axes.set_xlabel("seconds to the answer")
        axes.set_ylabel("share of questions")
        axes.set_ylim(0, 1.02)
        axes.grid(alpha=0.3)
        _legend(axes)

    return _svg("latency", draw)
