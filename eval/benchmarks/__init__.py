"""Question sets, one module each, read into the same nouns: what is asked, and what is expected."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints, ValidationError

from eval.metrics import Gold
from index.errors import DocumentError, UsageError
from index.types import Span
from qa.assistant import checked

Task = Literal["ask", "read", "search"]
"""What a set measures: answers to questions, spans in a given passage, or ranked passages."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What one policy should yield; ``facts`` are regular expressions the answer has to match."""

    stated: bool
    gold: Gold = ()
    facts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """A question, the policies it is put to (all if none is named), and what each should yield."""

    id: str
    question: str
    kind: str
    split: str
    policies: tuple[str, ...]
    expect: Mapping[str, Expected]

    @property
    def policy(self) -> str:
        """The one policy that the case is about; ValueError if there are several."""
        (policy,) = self.expect
        return policy


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A set of cases and the text of each policy they are about, by the set's own names.

    ``files`` holds the policies' files where there are any. ``units`` are a policy's sentences
    where the set judges each of them. ``clustered_by`` says what is resampled for an interval.
    """

    name: str
    cases: tuple[Case, ...]
    texts: Mapping[str, str]
    files: Mapping[str, Path] = field(default_factory=dict)
    units: Mapping[str, tuple[Span, ...]] = field(default_factory=dict)
    task: Task = "ask"
    clustered_by: Literal["case", "policy"] = "policy"


Words = Annotated[str, StringConstraints(pattern=r"\S")]


def _askable(question: str) -> str:
    try:
        checked(question)
    except UsageError as exc:
        raise ValueError(exc.message) from exc
    return question


Asked = Annotated[str, AfterValidator(_askable)]
"""A question that policyqa can be asked, kept as it stands."""


class Row(BaseModel):
    """A line of a set; ``case`` makes it a case over the policies' texts."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    id: Words
    question: Asked


class PolicyRow(Row):
    """A line about one policy."""

    model_config = ConfigDict(extra="ignore")

    policy: Words
    answerable: bool
    kind: Words

    def case(self, gold: Gold, split: str) -> Case:
        """Return the case; ValueError where it has gold and should not, or has none."""
        if self.answerable and not gold:
            raise ValueError("the question is answerable and has no evidence")
        if gold and not self.answerable:
            raise ValueError("the question is not answerable and has evidence")
        expected = {self.policy: Expected(self.answerable, gold)}
        return Case(self.id, self.question, self.kind, split, (self.policy,), expected)


_Row = TypeVar("_Row", bound=Row)


def read_cases(
    questions: Path, row: type[_Row], case: Callable[[_Row], Case], *, hint: str
) -> tuple[Case, ...]:
    """Read a set: one question a line, blank lines skipped, each made a case by ``case``.

    Raises DocumentError, with ``hint``, for a missing file, and with the line's number for a line
    that cannot be read, an id that stands twice, and where ``case`` raises ValueError.
    """
    cases: dict[str, Case] = {}
    for number, line in _lines(questions, hint):
        try:
            parsed = row.model_validate_json(line)
            if parsed.id in cases:
                raise ValueError(f"the id {parsed.id!r} stands twice")
            cases[parsed.id] = case(parsed)
        except ValueError as exc:
            message = f"{str(questions)!r}, line {number}: {reason(exc)}"
            raise DocumentError(message, hint=hint) from exc
    if not cases:
        raise DocumentError(f"{str(questions)!r} holds no question", hint=hint)
    return tuple(cases.values())


class Texts(dict[str, str]):
    """The policies of a set by their files' names in a folder, each read when it is asked for.

    Raises DocumentError for a file that cannot be read, and for a name that leads out of the folder.
    """

    def __init__(self, folder: Path, suffix: str = "", *, hint: str) -> None:
        super().__init__()
        self._folder = folder.absolute()
        self._suffix = suffix
        self._hint = hint

    def __missing__(self, name: str) -> str:
        self[name] = text = read_document(self._file(name), hint=self._hint)
        return text

    @property
    def files(self) -> dict[str, Path]:
        """The files that were read, by name."""
        return {name: self._file(name) for name in self}

    def _file(self, name: str) -> Path:
        file = self._folder / f"{name}{self._suffix}"
        if not file.resolve().is_relative_to(self._folder.resolve()):
            raise DocumentError(
                f"the path {name!r} leads out of {str(self._folder)!r}", hint=self._hint
            )
        return file


def places(quote: str, text: str) -> tuple[Span, ...]:
    """Return every place of a quote; ValueError if there is none."""
    found = tuple(_places(quote, text))
    if not found:
        raise ValueError(f"the quote {quote!r} is not in its policy")
    return found


def _places(quote: str, text: str) -> Iterator[Span]:
    start = text.find(quote)
    while start >= 0:
        yield Span(start, start + len(quote))
        start = text.find(quote, start + 1)


def within(spans: Iterable[Span], text: str) -> tuple[Span, ...]:
    """Return spans in order; ValueError for one that does not lie in the text."""
    ordered = tuple(sorted(set(spans)))
    for start, end in ordered:
        if not 0 <= start < end <= len(text):
            raise ValueError(
                f"the span [{start}, {end}) does not lie in the policy's {len(text)} characters"
            )
    return ordered


def reason(error: ValueError) -> str:
    """Return what is wrong in one line: for a row that does not validate, its first fault."""
    if not isinstance(error, ValidationError):
        return str(error)
    fault = error.errors()[0]
    said = fault["msg"].removeprefix("Value error, ")  # ours, which needs no introduction
    return ": ".join(part for part in (".".join(map(str, fault["loc"])), said) if part)


def _lines(path: Path, hint: str) -> Iterator[tuple[int, bytes]]:
    """Yield the lines that are not blank, numbered from 1."""
    # Only the newline ends a line of JSON: splitlines() would also cut at U+2028 within a text.
    for number, line in enumerate(read_bytes(path, hint=hint).split(b"\n"), start=1):
        if line.strip():
            yield number, line


def read_document(path: Path, *, hint: str) -> str:
    """Return a file's text, its newlines normalised. Raises DocumentError with ``hint``."""
    try:
        text = read_bytes(path, hint=hint).decode("utf-8")
    except UnicodeDecodeError as exc:
        raise DocumentError(f"{str(path)!r} is not UTF-8: {exc}", hint=hint) from exc
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_bytes(path: Path, *, hint: str) -> bytes:
    """Return a file's content. Raises DocumentError with ``hint``."""
    try:
        return path.read_bytes()
    except FileNotFoundError as exc:
        raise DocumentError(f"{str(path)!r} is missing", hint=hint) from exc
    except (OSError, ValueError) as exc:
        reason_ = exc.strerror if isinstance(exc, OSError) else exc
        raise DocumentError(f"{str(path)!r} cannot be read: {reason_}", hint=hint) from exc
