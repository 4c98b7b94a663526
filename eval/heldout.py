"""Measure on questions whose evidence is known, over policies that were never trained on.

``python -m eval.heldout --data DIR [--split dev]`` prints, for each set, policyqa beside plain
sentence similarity, BM25, and a control that sees only the question. Every question is scoped to
its policy. Every citation is checked against its policy's text while the run goes on.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

from numpy.typing import ArrayLike

from eval import metrics
from eval.baselines import Baselines, Prediction
from eval.benchmarks import Benchmark, Case, indexed, opp115, policy_questions
from eval.metrics import Estimate, Statistic, UndefinedError, bootstrap, is_hit
from index.home import Home
from index.settings import Settings
from index.types import Policy, Span
from qa import extract
from qa.assistant import Assistant

SETS: Mapping[str, Callable[[Path, str], Benchmark]] = {
    "policy-questions": policy_questions.load,
    "opp115": opp115.load,
}

System = Callable[[Case], Prediction]
Figures = dict[str, Estimate | None]
"""A system's figures by metric; None where the sample gives the metric no value."""


def main() -> None:
    """Index the sets' policies, run every system over every case, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with the sets")
    parser.add_argument("--home", type=Path, default=Path(".venv/heldout-home"))
    parser.add_argument("--split", choices=("train", "dev"), default="dev")
    parser.add_argument("--set", dest="sets", action="append", choices=tuple(SETS))
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    arguments = parser.parse_args()
    figures = {}
    for name in arguments.sets or SETS:
        benchmark = SETS[name](arguments.data / name, arguments.split)
        settings = Settings.load(home=arguments.home / f"{name}-{arguments.split}")
        with closing(Home(settings)) as home:
            figures[name] = _measure(home, benchmark)
        print(table(f"{name}/{arguments.split}", benchmark, figures[name]), flush=True)
    if arguments.json:
        rows = {
            n: {s: {m: e and asdict(e) for m, e in f.items()} for s, f in systems.items()}
            for n, systems in figures.items()
        }
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def _measure(home: Home, benchmark: Benchmark) -> dict[str, Figures]:
    systems = systems_of(home, indexed(home, benchmark, progress=_show))
    figures = {}
    for name, system in systems.items():
        predictions = []
        for number, case in enumerate(benchmark.cases, start=1):
            predictions.append(system(case))
            _show(name, number, len(benchmark.cases))
        figures[name] = figures_of(benchmark.cases, predictions)
    return figures


def systems_of(home: Home, policies: Mapping[str, Policy]) -> dict[str, System]:
    """Return what is measured, by name; ``policies`` are a benchmark's, by its own names."""
    assistant = Assistant(home)
    baselines = Baselines(home, policies)
    return {
        "policyqa": lambda case: _policyqa(assistant, policies[case.policy], case),
        "similarity": baselines.similarity,
        "BM25": baselines.bm25,
        "question only": baselines.question_only,
    }


def _policyqa(assistant: Assistant, policy: Policy, case: Case) -> Prediction:
    """Ask as a user would; the ranking without refusal comes from the same reader."""
    answer = assistant.ask(case.question, policies=[policy.id]).answers[0]
    for citation in (*answer.citations, *answer.nearest):
        if policy.text[citation.start : citation.end] != citation.quote:
            raise AssertionError(f"{case.id}: a citation is not the policy's text: {citation}")
    ranked = extract.ranked(assistant.read(case.question, policy))
    cited = tuple(Span(c.start, c.end) for c in answer.citations)
    return Prediction(ranked, answer.p_stated, cited)


def figures_of(cases: Sequence[Case], predictions: Sequence[Prediction]) -> Figures:
    """Return the table's figures; intervals resample whole policies."""
    answerable = [(c, p) for c, p in zip(cases, predictions, strict=True) if c.answerable]
    groups = [case.policy for case, _ in answerable]
    everyone = [case.policy for case in cases]
    pairs = [(p.p_stated, c.answerable) for c, p in zip(cases, predictions, strict=True)]

    def share(hit: Callable[[Case, Prediction], float]) -> Estimate | None:
        return _estimated([hit(case, p) for case, p in answerable], groups=groups)

    return {
        "hit@1": share(lambda c, p: is_hit(p.cited, c.gold, 1)),
        "hit@1 unrefused": share(lambda c, p: is_hit(p.ranked, c.gold, 1)),
        "hit@3 unrefused": share(lambda c, p: is_hit(p.ranked, c.gold, 3)),
        "characters": _estimated(
            [float(sum(end - start for start, end in p.cited)) for p in predictions if p.cited]
        ),
        "AUROC": _estimated(
            pairs, lambda rows: metrics.auroc(rows[:, 0], rows[:, 1]), groups=everyone
        ),
        "balanced accuracy": _estimated(
            pairs,
            lambda rows: metrics.balanced_accuracy(rows[:, 0] >= 0.5, rows[:, 1]),
            groups=everyone,
        ),
        "calibration error": _estimated(
            pairs,
            lambda rows: metrics.expected_calibration_error(rows[:, 0], rows[:, 1]),
            groups=everyone,
        ),
    }


def _estimated(
    values: ArrayLike, statistic: Statistic = metrics.mean, *, groups: Sequence[str] | None = None
) -> Estimate | None:
    try:
        return bootstrap(values, statistic, groups=groups)
    except UndefinedError:  # a system that cites nothing has no length of citations
        return None


def table(title: str, benchmark: Benchmark, figures: Mapping[str, Figures]) -> str:
    """Return the figures as text: a row per metric, a column per system."""
    answerable = sum(case.answerable for case in benchmark.cases)
    lines = [
        f"{title}: {len(benchmark.cases)} questions, {answerable} answerable, "
        f"{len(benchmark.policies)} policies; 95 % intervals over policies"
    ]
    lines.append(f"{'':18}" + "".join(f"{system:>26}" for system in figures))
    for metric in next(iter(figures.values())):
        row = "".join(f"{_estimate(of[metric]):>26}" for of in figures.values())
        lines.append(f"{metric:18}{row}")
    return "\n".join(lines) + "\n"


def _estimate(estimate: Estimate | None) -> str:
    if estimate is None:
        return "undefined"
    digits = 0 if estimate.value > 1 else 3
    return f"{estimate.value:.{digits}f} [{estimate.low:.{digits}f}, {estimate.high:.{digits}f}]"


def _show(what: str, done: int, total: int) -> None:
    end = "\n" if done == total else ""
    print(f"\r{done}/{total} {what:40.40}", end=end, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
