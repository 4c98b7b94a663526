"""A run's figures as one value: what the page, the tables, ``compare`` and the gate are made of."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from eval.benchmarks import Benchmark
from eval.controls import CONTROLS, Control, applicable
from eval.judge import Judged
from eval.judge import read as read_judged
from eval.metrics import Estimate
from eval.responses import Response
from eval.run import Run, responses
from eval.scores import MEANS, METRICS, Metric, Score, figures, score
from index.errors import DocumentError

FILE_NAME = "report.json"
_DIGITS = 4
_KEY = ("case", "policy", "kind", "split", "cluster")


@dataclass(frozen=True, slots=True)
class SystemReport:
    """One system's figures, overall and by split and kind, and the rows they are of.

    ``engines`` has them for each engine that worded answers, where there is more than one: each is
    as sure of itself as it is, so each has a calibration of its own.
    """

    figures: Mapping[str, Estimate]
    splits: Mapping[str, Mapping[str, Estimate]]
    kinds: Mapping[str, Mapping[str, Estimate]]
    scores: tuple[Score, ...]
    engines: Mapping[str, Mapping[str, Estimate]] = field(default_factory=dict)

    @property
    def answered(self) -> int:
        """How many cases it has answered."""
        return len({one.case for one in self.scores})


@dataclass(frozen=True, slots=True)
class ControlReport:
    """A control's figure on the metric that is there to catch it, beside policyqa's.

    ``caught`` tells whether it is worse beyond both intervals; None where that cannot be told, and
    ``untold`` is why.
    """

    what: str
    caught_by: str
    figure: Estimate | None
    policyqa: Estimate | None
    caught: bool | None
    untold: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """What a run came to; ``judges`` are the language models that were asked, too."""

    set: str
    made: str
    policyqa: str
    machine: Mapping[str, str]
    cases: int
    policies: int
    systems: Mapping[str, SystemReport]
    controls: Mapping[str, ControlReport]
    judges: tuple[Judged, ...] = ()


def make(run: Run, benchmark: Benchmark, out: Path) -> Report:
    """Score every response that a run in the folder ``out`` kept."""
    made = {name: responses(out, file, benchmark) for name, file in run.systems.items()}
    systems = {name: system_report(benchmark, own) for name, own in made.items()}
    controls = {}
    for control in CONTROLS if "policyqa" in systems and benchmark.task == "ask" else ():
        file = run.controls.get(control.name)
        scores = score(benchmark, responses(out, file, benchmark)) if file else []
        controls[control.name] = control_report(benchmark, control, scores, systems["policyqa"])
    return Report(
        set=run.set,
        made=run.made,
        policyqa=run.policyqa,
        machine=run.machine,
        cases=len(benchmark.cases),
        policies=len(benchmark.texts),
        systems=systems,
        controls=controls,
        judges=read_judged(out, benchmark, made),
    )


def system_report(benchmark: Benchmark, made: Mapping[str, Response]) -> SystemReport:
    """Score a system's responses."""
    scores = score(benchmark, made)
    engines = _grouped(scores, _engine_of(made))
    return SystemReport(
        figures=figures(scores),
        splits={name: figures(rows) for name, rows in _grouped(scores, lambda s: s.split)},
        kinds={name: figures(rows, MEANS) for name, rows in _grouped(scores, lambda s: s.kind)},
        scores=tuple(scores),
        engines={name: figures(rows) for name, rows in engines} if len(engines) > 1 else {},
    )


def _engine_of(made: Mapping[str, Response]) -> Callable[[Score], str]:
    engines = {
        (case, one.policy): one.engine for case, said in made.items() for one in said.predictions
    }
    return lambda row: engines.get((row.case, row.policy), "")


def _grouped(scores: Sequence[Score], by: Callable[[Score], str]) -> list[tuple[str, list[Score]]]:
    groups: dict[str, list[Score]] = {}
    for one in scores:
        groups.setdefault(by(one), []).append(one)
    return sorted(groups.items())


def control_report(
    benchmark: Benchmark, control: Control, scores: Sequence[Score], system: SystemReport
) -> ControlReport:
    """Hold a control's scores against policyqa's on the metric that is there to catch it."""
    (metric,) = (metric for metric in METRICS if metric.name == control.caught_by)
    own, ours = metric.estimate(scores), system.figures.get(control.caught_by)
    untold = ""
    if not applicable(control, benchmark):
        untold = f"cannot be made of {len(benchmark.texts)} policy"
    elif len({one.case for one in scores}) < len(benchmark.cases):
        untold = "has not answered yet"
    elif ours is None:
        untold = f"this set has no {control.caught_by}"
    # A control without a value where policyqa has one has cited nothing, which shows.
    caught = None if untold or ours is None else own is None or own.high < ours.low
    return ControlReport(control.what, control.caught_by, own, ours, caught, untold)


def uncaught(report: Report) -> list[str]:
    """Return the controls that no metric shows to be wrong."""
    return [name for name, control in report.controls.items() if control.caught is False]


def metrics_of(report: Report) -> list[Metric]:
    """Return the metrics that at least one system has a figure for, in their order."""
    found = {name for system in report.systems.values() for name in system.figures}
    return [metric for metric in METRICS if metric.name in found]


def dump(report: Report) -> str:
    """Return a report as JSON; the rows are a table, with None for what is undefined."""
    whole: dict[str, Any] = _REPORT.dump_python(report, mode="json")
    for system in whole["systems"].values():
        system["scores"] = _packed(system["scores"])
    return json.dumps(whole, ensure_ascii=False, separators=(",", ":")) + "\n"


def load(path: Path) -> Report:
    """Read a report. Raises DocumentError for a file that is missing or none."""
    file = path / FILE_NAME if path.is_dir() else path
    try:
        whole = json.loads(file.read_bytes())
        for system in whole["systems"].values():
            system["scores"] = _unpacked(system["scores"])
        return _REPORT.validate_python(whole)
    except OSError as exc:
        raise DocumentError(
            f"there is no report {str(file)!r}: {exc.strerror}",
            hint="make one: policyqa eval run",
        ) from exc
    except (ValidationError, ValueError, TypeError, KeyError, AttributeError) as exc:
        raise DocumentError(
            f"{str(file)!r} is no report of an evaluation", hint="make it again: policyqa eval run"
        ) from exc


_REPORT: TypeAdapter[Report] = TypeAdapter(Report)


def _packed(scores: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    columns = list(dict.fromkeys(name for one in scores for name in one["values"]))
    return {
        "columns": columns,
        "rows": [
            [*(one[key] for key in _KEY), *(_rounded(one["values"].get(name)) for name in columns)]
            for one in scores
        ],
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, _DIGITS)


def _unpacked(table: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows = []
    for row in table["rows"]:
        key, values = row[: len(_KEY)], row[len(_KEY) :]
        named = zip(table["columns"], values, strict=True)
        present = {name: value for name, value in named if value is not None}
        rows.append({**dict(zip(_KEY, key, strict=True)), "values": present})
    return rows
