"""Compare policyqa's speed with the obvious pipeline's, in one run, and with the design's goals.

``python -m eval.speed [--runs 5] [--large 1000] [--json FILE]`` prints one table: the median of the
runs, lowest and highest in brackets. Each measurement is a whole fresh process.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

from eval.speed import machine
from eval.speed.figures import MEASURES, Row, measures_of_many
from eval.speed.process import ChildError
from eval.speed.rounds import Place, Round, measure, measure_many, prepare
from eval.speed.synthetic import MOST
from eval.speed.table import render


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; return the exit status: 0 done, 1 something is missing or failed."""
    options = _parser().parse_args(arguments)
    missing = machine.absent()
    if missing:
        needs = f"the speed benchmark needs {', '.join(missing)}"
        return _fail(f"{needs}: pip install {' '.join(missing)}")
    facts = machine.facts()
    try:
        with TemporaryDirectory(prefix="policyqa-speed-") as folder:
            rows, rounds = _measure(Place(Path(folder)), options.runs, options.large)
    except ChildError as error:
        return _fail(str(error))
    print("\n".join(f"{name}: {value}" for name, value in facts.items()), end="\n\n")
    print(render(rows))
    if options.json:
        options.json.write_text(_json(facts, rows, rounds), encoding="utf-8")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m eval.speed", description=__doc__)
    parser.add_argument(
        "--runs", type=_between(1, 1_000), default=5, help="runs of each measurement (default 5)"
    )
    parser.add_argument(
        "--large",
        type=_between(0, MOST),
        default=0,
        metavar="N",
        help="also index N invented policies, about a second each, and ask them questions",
    )
    parser.add_argument("--json", type=_writable, metavar="FILE", help="also write all figures")
    return parser


def _between(least: int, most: int) -> Callable[[str], int]:
    def integer(text: str) -> int:
        if not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text} is not between {least:,} and {most:,}")
        return int(text)

    return integer


def _writable(text: str) -> Path:
    """Refuse a file in a folder that is not there before minutes are spent, not after."""
    path = Path(text)
    if path.is_dir() or not path.parent.is_dir():
        raise argparse.ArgumentTypeError(
            f"{text!r} cannot be written: no such folder, or it is one"
        )
    return path


def _measure(place: Place, runs: int, large: int) -> tuple[list[Row], list[Round]]:
    """Return the table's rows and what each of the rounds took, what was prepared among it."""
    prepared = prepare(place, _progress("preparing"))
    rounds: list[Round] = [
        {**prepared, **measure(place, number, _progress(f"round {number + 1} of {runs}"))}
        for number in range(runs)
    ]
    rows = [row.row(rounds) for row in MEASURES]
    if large:
        many = measure_many(place, large, _progress(f"{large:,} policies"))
        rows += [row.row([many]) for row in measures_of_many(large)]
        rounds.append(many)
    return rows, rounds


def _progress(stage: str) -> Callable[[str, float], None]:
    def show(name: str, seconds: float) -> None:
        print(f"{stage}: {name} {seconds:.1f} s", file=sys.stderr, flush=True)

    return show


def _json(facts: Mapping[str, str], rows: Sequence[Row], rounds: Sequence[Round]) -> str:
    document = {
        "machine": facts,
        "rows": [{**asdict(row), "met": row.met} for row in rows],
        "rounds": [{name: asdict(cost) for name, cost in one.items()} for one in rounds],
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _fail(message: str) -> int:
    print(f"error: {message}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
