"""What a system made of a case, and the file it is kept in: a line of JSON per response."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pydantic import TypeAdapter, ValidationError

from index.errors import DocumentError
from index.types import Span


@dataclass(frozen=True, slots=True)
class Quoted:
    """What a system shows as a policy's words at ``[start, end)``; whether they are is scored."""

    start: int
    end: int
    quote: str

    @property
    def span(self) -> Span:
        """Where the quote is said to stand."""
        return Span(self.start, self.end)


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a system made of one policy for a case.

    ``ranked`` are spans, best first, whether or not it would refuse; ``cited`` is what it shows.
    ``unverified`` counts statements that are shown without a quote; ``engine`` worded the answer.
    """

    policy: str
    p_stated: float
    cited: tuple[Quoted, ...]
    ranked: tuple[Span, ...]
    text: str = ""
    unverified: int = 0
    engine: str = ""

    @property
    def stated(self) -> bool:
        """Whether the policy is said to state an answer."""
        return self.p_stated >= 0.5


@dataclass(frozen=True, slots=True)
class Found:
    """A place in a policy that a search returned."""

    policy: str
    span: Span


@dataclass(frozen=True, slots=True)
class Response:
    """What a system made of a case: a prediction per policy, or the places it found."""

    case: str
    seconds: float
    predictions: tuple[Prediction, ...] = ()
    found: tuple[Found, ...] = ()


_LINE: TypeAdapter[Response] = TypeAdapter(Response)


def read_responses(path: Path) -> dict[str, Response]:
    """Return the responses in a file by case; none if there is no file.

    A last line that was cut off by a killed run is left out. Raises DocumentError for any other
    line that is none.
    """
    if not path.exists():
        return {}
    *lines, cut = path.read_bytes().split(b"\n")
    del cut
    found = {}
    for number, line in enumerate(lines, start=1):
        try:
            response = _LINE.validate_json(line)
        except ValidationError as exc:
            raise DocumentError(
                f"{str(path)!r}, line {number} is no response",
                hint="move the file away; its cases are then answered again",
            ) from exc
        found[response.case] = response
    return found


@contextmanager
def appending(path: Path) -> Iterator[IO[bytes]]:
    """Open a file of responses to add to it; what a killed run left unfinished is cut off."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+") as stream:
        stream.seek(0)
        whole = stream.read().rfind(b"\n") + 1
        stream.truncate(whole)
        stream.seek(0, os.SEEK_END)
        yield stream


def append(stream: IO[bytes], response: Response) -> None:
    """Add a response, so that it is there even if the run is killed right after."""
    stream.write(_LINE.dump_json(response) + b"\n")
    stream.flush()
