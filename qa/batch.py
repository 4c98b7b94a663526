"""Many questions, one JSON object a line, answered in order."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from index.errors import PolicyQAError, UsageError
from qa.render import error_json

Json = dict[str, Any]
Answerer = Callable[[str, list[str]], Json]
"""Answers a question over policies (all if none is named); may raise PolicyQAError."""


def batch_results(file: str, policies: list[str], answer: Answerer) -> Iterator[Json]:
    """Yield a result for each line of a file (``-``: standard input); blank ones are skipped.

    ``policies`` are those of the lines that name none. A line that cannot be read or answered gives
    an error, and the run goes on. Raises UsageError if the file itself cannot be read.
    """
    for number, line in enumerate(_lines(file), start=1):
        if not line.strip():
            continue
        id_: Any = None
        try:
            request = _request(line, number)
            id_ = request.get("id")
            question, scope = _question(request, number)
            yield {"id": id_, **answer(question, scope or policies)}
        except PolicyQAError as error:
            yield {"id": id_, "error": error_json(error)}


def _lines(file: str) -> Iterator[bytes]:
    if file == "-":
        yield from sys.stdin.buffer
        return
    try:
        with Path(file).open("rb") as stream:
            yield from stream
    except OSError as error:
        raise UsageError(
            f"the batch file {file!r} cannot be read: {error.strerror}",
            hint="check the path, or use - for standard input",
        ) from error


def _request(line: bytes, number: int) -> Json:
    try:
        request = json.loads(line, parse_constant=_refused)
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"line {number} is not valid JSON: {error}",
            hint='write one object a line: {"id": 1, "question": "…"}',
        ) from error
    if not isinstance(request, dict):
        raise UsageError(
            f"line {number} is not a JSON object", hint='write {"id": 1, "question": "…"}'
        )
    return request


def _refused(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON value")


def _question(request: Json, number: int) -> tuple[str, list[str]]:
    question, scope = request.get("question"), request.get("policies")
    scope = [] if scope is None else scope
    if not isinstance(question, str):
        raise UsageError(f"line {number} has no question", hint='add "question": "…", a string')
    if not isinstance(scope, list) or not all(isinstance(name, str) for name in scope):
        raise UsageError(
            f'"policies" in line {number} is not a list of strings',
            hint='write "policies": ["webee"], or leave it out',
        )
    return question, scope
