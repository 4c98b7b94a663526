"""Published and prepared question sets, one module each, read into the same two nouns."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from index.build import Progress, sync
from index.errors import DocumentError
from index.home import Home
from index.types import Policy, Span


@dataclass(frozen=True, slots=True)
class Case:
    """A question about one policy; ``gold`` are the spans that answer it, none if nothing does."""

    id: str
    policy: str
    question: str
    answerable: bool
    kind: str
    gold: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A set of cases and the file of each policy they ask about."""

    name: str
    policies: Mapping[str, Path]
    cases: tuple[Case, ...]


Words = Annotated[str, StringConstraints(pattern=r"\S")]


class Row(BaseModel):
    """What every set's line of JSON has; a set adds its own fields and how they name spans."""

    model_config = ConfigDict(frozen=True, strict=True)

    id: Words
    policy: Words
    question: Words
    answerable: bool
    kind: Words

    @abstractmethod
    def spans(self, text: str) -> set[Span]:
        """Return the gold spans in the policy's text; ValueError says what is wrong with them."""


_Row = TypeVar("_Row", bound=Row)


def read(
    name: str, questions: Path, policy_file: Callable[[str], Path], row: type[_Row], *, hint: str
) -> Benchmark:
    """Read a set: one question a line, blank lines skipped, one file per policy asked about.

    Raises DocumentError, with ``hint``, for a missing file, and with the line's number for a line
    that cannot be read, an id that stands twice, and gold that does not fit the policy's text.
    """
    texts: dict[str, str] = {}
    cases: dict[str, Case] = {}
    for number, line in _lines(questions, hint):
        try:
            parsed = row.model_validate_json(line)
            if parsed.id in cases:
                raise ValueError(f"the id {parsed.id!r} stands twice")
            if parsed.policy not in texts:
                texts[parsed.policy] = _text(policy_file(parsed.policy), hint)
            cases[parsed.id] = _case(parsed, texts[parsed.policy])
        except ValueError as exc:
            message = f"{str(questions)!r}, line {number}: {_reason(exc)}"
            raise DocumentError(message, hint=hint) from exc
    if not cases:
        raise DocumentError(f"{str(questions)!r} holds no question", hint=hint)
    policies = {policy: policy_file(policy) for policy in texts}
    return Benchmark(name, policies, tuple(cases.values()))


def indexed(home: Home, benchmark: Benchmark, *, progress: Progress) -> dict[str, Policy]:
    """Index a benchmark's policies and return them by the name its cases use.

    Raises DocumentError for a file that cannot be indexed.
    """
    report = sync(home, sorted(benchmark.policies.values()), progress=progress)
    for failure in report.failed:
        raise DocumentError(f"{failure.path!r}: {failure.message}", hint=failure.hint)
    by_source = {path: policy for policy in home.catalog.policies() for path in policy.sources}
    return {name: by_source[str(path.resolve())] for name, path in benchmark.policies.items()}


def _case(row: Row, text: str) -> Case:
    """Return the row as a case; ValueError where it has gold and should not, or has none."""
    gold = tuple(sorted(row.spans(text)))
    if row.answerable and not gold:
        raise ValueError("the question is answerable and has no evidence")
    if gold and not row.answerable:
        raise ValueError("the question is not answerable and has evidence")
    return Case(row.id, row.policy, row.question, row.answerable, row.kind, gold)


def _reason(error: ValueError) -> str:
    """Return what is wrong in one line: for a row that does not validate, its first fault."""
    if not isinstance(error, ValidationError):
        return str(error)
    fault = error.errors()[0]
    return ": ".join(part for part in (".".join(map(str, fault["loc"])), fault["msg"]) if part)


def _lines(path: Path, hint: str) -> Iterator[tuple[int, bytes]]:
    """Yield the lines that are not blank, numbered from 1."""
    # Only the newline ends a line of JSON: splitlines() would also cut at U+2028 within a text.
    for number, line in enumerate(_bytes(path, hint).split(b"\n"), start=1):
        if line.strip():
            yield number, line


def _text(path: Path, hint: str) -> str:
    """Return a policy's text, its newlines normalised."""
    try:
        text = _bytes(path, hint).decode("utf-8")
    except UnicodeDecodeError as exc:
        raise DocumentError(f"{str(path)!r} is not UTF-8: {exc}", hint=hint) from exc
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _bytes(path: Path, hint: str) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as exc:
        raise DocumentError(f"{str(path)!r} is missing", hint=hint) from exc
    except OSError as exc:
        raise DocumentError(f"{str(path)!r} cannot be read: {exc.strerror}", hint=hint) from exc
