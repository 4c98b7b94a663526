"""The floor of P(stated) below which no language model is asked, on the gold training questions.

``python -m eval.train.floor HOME`` prints, for each floor, the share of requests it spares and the
share of the stated answers that would be lost. ``qa.compose.FLOOR`` is the highest that loses one
answer in about a hundred; choose it again when the reader was trained again.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from eval.benchmarks import gold
from eval.corpus import indexed
from index.home import Home
from index.settings import Settings
from qa.assistant import Assistant

FLOORS = (0.01, 0.02, 0.03, 0.05, 0.08, 0.1, 0.15, 0.2, 0.3, 0.5)


def main(home: str) -> None:
    """Read every policy a training question expects something of, and print the table."""
    benchmark = gold.load(gold.GOLD, "train")
    with closing(Assistant(Home(Settings(home=Path(home))))) as assistant:
        policies = indexed(assistant.home, benchmark, progress=lambda *_: None)
        read = [
            (assistant.read(case.question, policies[name]).p_stated, expected.stated)
            for case in benchmark.cases
            for name, expected in case.expect.items()
        ]
    for floor in FLOORS:
        spared, lost = shares(read, floor)
        print(f"{floor:.2f}  spared {spared:.3f}  lost {lost:.3f}")


def shares(read: Sequence[tuple[float, bool]], floor: float) -> tuple[float, float]:
    """Return the share of requests that a floor spares, and of stated answers that it loses.

    >>> shares([(0.1, False), (0.2, True), (0.9, True), (0.0, False)], 0.15)
    (0.5, 0.0)
    """
    stated = [p for p, is_stated in read if is_stated]
    return (
        sum(p < floor for p, _ in read) / len(read),
        sum(p < floor for p in stated) / len(stated),
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("home", help="the folder of the index; it is made if it is not there")
    main(parser.parse_args().home)
