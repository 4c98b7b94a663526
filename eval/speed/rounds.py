"""What is run: every measurement once a round, each a fresh process, every other round backwards."""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

from eval.speed.process import Cost, run
from eval.speed.questions import COLD
from eval.speed.synthetic import write_policies
from index.build import CORPUS

Round = Mapping[str, Cost]
"""What each process of a round took, by its name in ``commands``."""
Progress = Callable[[str, float], None]
"""Called with the name of a process that has ended and the seconds it took."""


@dataclass(frozen=True, slots=True)
class Place:
    """The folder a benchmark writes to. ``home`` and ``store`` hold the two finished indexes."""

    folder: Path

    @property
    def home(self) -> str:
        """Where policyqa's index is."""
        return str(self.folder / "home")

    @property
    def store(self) -> str:
        """Where the obvious pipeline's index is."""
        return str(self.folder / "store")

    @property
    def texts(self) -> str:
        """The file of the texts that policyqa encodes."""
        return str(self.folder / "texts.json")

    def fresh(self) -> str:
        """Return a new empty folder."""
        return mkdtemp(dir=self.folder)


def prepare(place: Place, progress: Progress) -> Round:
    """Build both indexes once, which also brings all files into the system's cache."""
    return _run(
        {
            "prepare": _ours("prepare", place.home, place.texts),
            "obvious prepare": _obvious("index", str(CORPUS), place.store),
            "obvious tokens": _obvious("tokens", place.store),
        },
        progress,
    )


def measure(place: Place, number: int, progress: Progress) -> Round:
    """Run everything once, in an order that alternates from round to round."""
    planned = list(commands(place).items())
    return _run(dict(planned[::-1] if number % 2 else planned), progress)


def commands(place: Place) -> dict[str, list[str]]:
    """Return the processes of a round; those that are compared stand side by side."""
    return {
        "ask": _policyqa("ask", COLD, home=place.home),
        "obvious query": _obvious("query", place.store, COLD),
        "questions": _ours("questions", place.home),
        "obvious questions": _obvious("questions", place.store),
        "index": _policyqa("index", home=place.fresh()),
        "obvious index": _obvious("index", str(CORPUS), place.fresh()),
        "build": _ours("build", place.fresh()),
        "bare": _ours("bare", place.texts),
        "sync": _ours("sync", place.home),
        "guards": _ours("guards", place.home, place.fresh()),
        "index again": _policyqa("index", str(CORPUS), home=place.home),
        "chat page": _chat("page", place.home),
        "chat crowd": _chat("crowd", place.home),
        "llm": [sys.executable, "-m", "eval.speed.llm", place.home],
    }


def measure_many(place: Place, count: int, progress: Progress) -> Round:
    """Index as many invented policies and ask them all questions, once."""
    folder, home = place.folder / "policies", place.fresh()
    write_policies(folder, count, corpus=CORPUS)
    return _run(
        {
            "index many": _policyqa("index", "--no-bundled", str(folder), home=home),
            "questions to many": _ours("questions", home),
        },
        progress,
    )


def _run(planned: Mapping[str, Sequence[str]], progress: Progress) -> Round:
    done = {}
    for name, command in planned.items():
        done[name] = run(command)
        progress(name, done[name].seconds)
    return done


def _policyqa(*arguments: str, home: str) -> list[str]:
    script = Path(sysconfig.get_path("scripts")) / "policyqa"
    return [str(script), *arguments, "--home", home]


def _ours(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "eval.speed.ours", *arguments]


def _chat(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "eval.speed.chat", *arguments]


def _obvious(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "eval.speed.obvious", *arguments]
