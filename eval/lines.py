"""What a run keeps: files of JSON, a line for each value, added to as the run goes.

A last line that was cut off by a killed run is left out when the file is read, and cut away before
anything is added.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter

from eval.benchmarks import reason
from index.errors import DocumentError

T = TypeVar("T")


def read(path: Path, form: TypeAdapter[T], check: Callable[[T], None]) -> Iterator[T]:
    """Yield the values in a file; none if there is no file.

    Raises DocumentError with file, line and reason for a line that is none, and where ``check``
    raises ValueError.
    """
    if not path.exists():
        return
    for number, line in enumerate(path.read_bytes().split(b"\n")[:-1], start=1):
        try:
            value = form.validate_json(line)
            check(value)
        except ValueError as exc:
            raise DocumentError(
                f"{str(path)!r}, line {number}: {reason(exc)}",
                hint="delete the line; what it was about is then asked again",
            ) from exc
        yield value


@contextmanager
def appending(path: Path, form: TypeAdapter[T]) -> Iterator[Callable[[T], None]]:
    """Open a file to add values to it, each of them there even if the run is killed right after."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+") as stream:
        stream.seek(0)
        stream.truncate(stream.read().rfind(b"\n") + 1)
        stream.seek(0, os.SEEK_END)

        def append(value: T) -> None:
            stream.write(form.dump_json(value) + b"\n")
            stream.flush()

        yield append
