"""Several questions over several policies: a table of what each policy says, in its own words.

A cell holds the whole answer of one policy to one question, citations included. What is written to
CSV or Markdown cannot act in a spreadsheet: a cell that begins like a formula is defused.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from index.build import Progress
from index.errors import UsageError
from qa import render
from qa.types import Answer, PolicyAnswer

COMMON_QUESTIONS = (
    "How long is personal data kept?",
    "With whom is personal data shared?",
    "Is personal data sold?",
    "In which countries is personal data stored?",
    "Which cookies are used, and for what?",
    "May children use the service?",
    "How is personal data protected?",
    "What rights do people have over their data?",
    "Whom can one contact about privacy?",
    "How are changes to the policy announced?",
)
"""What people compare policies by: retention, sharing, sale, place, cookies, children, security,
rights, contact and changes."""

MOST_QUESTIONS, MOST_POLICIES = 50, 50
NOT_STATED, NOT_READ = "not stated", "not read"
_LONGEST_CELL = 280
# What opens a formula, also where a spreadsheet takes its full-width form for it.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_HINT = "write one question a line, or leave --questions out to compare by the common ones"


@dataclass(frozen=True, slots=True)
class Row:
    """A question, and the answer of each policy in the table's order; None for one not read."""

    question: str
    cells: tuple[PolicyAnswer | None, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """A table of answers: a row per question, a column per policy. ``names`` are the columns'.

    ``wanted`` is how many rows it has when all questions are answered.
    """

    policies: tuple[str, ...]
    names: tuple[str, ...]
    rows: tuple[Row, ...]
    wanted: int
    engine: str
    seconds: float


def compare(
    ask: Callable[[str], Answer],
    questions: Sequence[str],
    policies: Sequence[str],
    *,
    progress: Progress | None = None,
) -> Comparison:
    """Ask every question over the same policies. Raises UsageError for none or too many."""
    for number, grown in enumerate(comparisons(ask, questions, policies), start=1):
        if progress:
            progress(grown.rows[-1].question, number, grown.wanted)
    return grown


def comparisons(
    ask: Callable[[str], Answer], questions: Sequence[str], policies: Sequence[str]
) -> Iterator[Comparison]:
    """Yield the table after each question, as it grows. Raises as ``compare`` does."""
    wanted = tuple(dict.fromkeys(text for q in questions if (text := " ".join(q.split()))))
    _refuse(len(wanted), MOST_QUESTIONS, "question")
    _refuse(len(policies), MOST_POLICIES, "policy", "policies")
    names: dict[str, str] = {}
    rows: tuple[Row, ...] = ()
    seconds = 0.0
    for question in wanted:
        answer = ask(question)
        names |= {one.policy: one.name for one in answer.answers}
        rows, seconds = (*rows, _row(answer, policies)), seconds + answer.seconds
        shown = tuple(names.get(id_, id_) for id_ in policies)
        yield Comparison(tuple(policies), shown, rows, len(wanted), answer.engine, seconds)


def _refuse(count: int, most: int, one: str, many: str = "") -> None:
    many = many or f"{one}s"
    if not count:
        raise UsageError(f"there is no {one} to compare by", hint=_HINT)
    if count > most:
        raise UsageError(
            f"{count} {many} are too many to compare; the limit is {most}",
            hint=f"name fewer {many}",
        )


def _row(answer: Answer, policies: Sequence[str]) -> Row:
    by_id = {one.policy: one for one in answer.answers}
    return Row(answer.question, tuple(by_id.get(id_) for id_ in policies))


def read_questions(file: Path) -> tuple[str, ...]:
    """Return the questions of a file, one a line; blank lines and ``#`` comments are skipped."""
    try:
        lines = file.read_text("utf-8-sig").splitlines()
    except OSError as error:
        raise UsageError(
            f"the questions in {str(file)!r} cannot be read: {error.strerror}",
            hint="check the path",
        ) from error
    except UnicodeDecodeError as error:
        raise UsageError(
            f"the questions in {str(file)!r} are not UTF-8 text", hint="save the file as UTF-8"
        ) from error
    return tuple(line for line in lines if line.strip() and not line.lstrip().startswith("#"))


def words(cell: PolicyAnswer | None) -> str:
    """Return what a policy says, in its own words and short enough for a table."""
    if cell is None:
        return NOT_READ
    if cell.status != "stated":
        return NOT_STATED
    said = next((s.text for s in cell.statements if s.verified), cell.text)
    text = render.printable(said)
    return text if len(text) <= _LONGEST_CELL else f"{text[:_LONGEST_CELL].rstrip()} …"


def defused(text: str) -> str:
    """Return a cell that no spreadsheet takes for a formula.

    >>> defused("=1+1"), defused("90 days")
    ("'=1+1", '90 days')
    """
    # White space before it does not make a formula text everywhere.
    is_formula = text.startswith(_FORMULA) or text.lstrip().startswith(_FORMULA)
    return f"'{text}" if is_formula else text


def comparison_csv(comparison: Comparison) -> str:
    """Return the table as CSV, its cells defused; opens as it is in a spreadsheet."""
    written = io.StringIO()
    table = csv.writer(written, lineterminator="\n")
    table.writerow(defused(cell) for cell in _head(comparison))
    table.writerows([defused(cell) for cell in row] for row in _lines(comparison))
    return written.getvalue()


def comparison_markdown(comparison: Comparison) -> str:
    """Return the table as Markdown, document text escaped."""
    head = _head(comparison)
    rows = (head, ["---"] * len(head), *_lines(comparison))
    return "".join(_markdown_line(row, number == 1) for number, row in enumerate(rows))


def comparison_json(comparison: Comparison) -> render.Json:
    """Return the JSON form of a comparison; a cell is an answer as ``ask --json`` prints it."""
    return {
        "policies": list(comparison.policies),
        "rows": [
            {
                "question": row.question,
                "cells": [cell and render.policy_answer_json(cell) for cell in row.cells],
            }
            for row in comparison.rows
        ],
        "engine": comparison.engine,
        "seconds": round(comparison.seconds, 4),
    }


def _head(comparison: Comparison) -> list[str]:
    return ["Question", *(render.printable(name) for name in comparison.names)]


def _lines(comparison: Comparison) -> Iterable[list[str]]:
    return ([row.question, *map(words, row.cells)] for row in comparison.rows)


def _markdown_line(cells: Iterable[str], is_rule: bool) -> str:
    shown = cells if is_rule else (render.escape_markdown(defused(cell)) for cell in cells)
    return f"| {' | '.join(shown)} |\n"
