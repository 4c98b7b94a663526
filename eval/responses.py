"""What a system made of a case, and the file it is kept in: a line of JSON per response."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter

from eval import lines
from eval.benchmarks import Benchmark
from index.types import Span

Probability = Annotated[float, Field(ge=0, le=1)]


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
    p_stated: Probability
    cited: tuple[Quoted, ...]
    ranked: tuple[Span, ...]
    text: str = ""
    unverified: Annotated[int, Field(ge=0)] = 0
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
    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    predictions: tuple[Prediction, ...] = ()
    found: tuple[Found, ...] = ()


_FORM: TypeAdapter[Response] = TypeAdapter(Response)


def read_responses(path: Path, benchmark: Benchmark) -> dict[str, Response]:
    """Return the responses in a file by case; none if there is no file.

    Raises DocumentError with file, line and reason for a line that is none, or is not about the set.
    """
    return {one.case: one for one in lines.read(path, _FORM, _checker(benchmark))}


def appending(path: Path) -> AbstractContextManager[Callable[[Response], None]]:
    """Open a file of responses to add to it."""
    return lines.appending(path, _FORM)


def _checker(benchmark: Benchmark) -> Callable[[Response], None]:
    """Return what raises ValueError for a response about other cases, policies or places."""
    cases = {case.id for case in benchmark.cases}
    # A quote may be said to stand where its policy has no text: that is a matter of the score.
    longest = max(map(len, benchmark.texts.values()), default=0)

    def check(response: Response) -> None:
        if response.case not in cases:
            raise ValueError(f"the set {benchmark.name!r} has no case {response.case!r}")
        for policy, span in _places(response):
            if policy not in benchmark.texts:
                raise ValueError(f"the set {benchmark.name!r} has no policy {policy!r}")
            if not 0 <= span.start <= span.end <= longest:
                raise ValueError(f"[{span.start}, {span.end}) is no place in the policy {policy!r}")

    return check


def _places(response: Response) -> Iterator[tuple[str, Span]]:
    for one in response.predictions:
        yield one.policy, Span(0, 0)
        for quoted in one.cited:
            yield one.policy, quoted.span
        for span in one.ranked:
            yield one.policy, span
    for found in response.found:
        yield found.policy, found.span
