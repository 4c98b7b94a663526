"""Run a command as a fresh process and note what it cost. POSIX only: it needs ``wait4``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import Any

Facts = Mapping[str, Any]


class ChildError(Exception):
    """A process could not be started, failed, or did not print what it has to."""


class NotMeasuredError(Exception):
    """A process lacks what it measures with; it printed what that is as ``missing``."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a process took from start to exit; ``facts`` is what it says of itself, if anything."""

    seconds: float
    megabytes: float
    facts: Facts


def run(command: Sequence[str]) -> Cost:
    """Run a command to its end. Raises ChildError that holds the last line it complained with.

    Peak memory is in 10⁶ bytes. Linux counts the parent's own up to ``exec``, so nothing big may
    be imported here.
    """
    with TemporaryFile() as out, TemporaryFile() as err:
        started = time.perf_counter()
        try:
            process = subprocess.Popen(  # noqa: S603
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=environment(os.environ),
            )
        except OSError as error:
            raise ChildError(f"cannot run {command[0]!r}: {error.strerror}") from error
        # Popen.wait() would reap the child and lose its resource usage.
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        printed, complaint = out.read().decode(), err.read().decode(errors="replace")
    if process.returncode:
        raise ChildError(
            f"{' '.join(command)!r} ended with status {process.returncode}: {_last(complaint)}"
        )
    unit = 1 if sys.platform == "darwin" else 1024
    return Cost(seconds, usage.ru_maxrss * unit / 1e6, facts(printed))


def environment(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the variables without policyqa's settings: the defaults are what is measured."""
    return {
        name: value for name, value in variables.items() if not name.upper().startswith("POLICYQA_")
    }


def facts(printed: str) -> Facts:
    """Return the JSON object on the last line of an output; empty if that is something else.

    >>> facts('{"seconds": 0.5}')
    {'seconds': 0.5}
    """
    try:
        found = json.loads(_last(printed))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def fact(cost: Cost, name: str) -> Any:
    """Return one of the facts of a process.

    Raises ChildError if it did not print it, NotMeasuredError if it said that something is missing.
    """
    if "missing" in cost.facts:
        raise NotMeasuredError(cost.facts["missing"])
    try:
        return cost.facts[name]
    except KeyError as error:
        raise ChildError(f"a process did not print {name!r} but {dict(cost.facts)}") from error


def _last(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else ""
