"""Rows → a plain table, as wide as it needs to be."""

from __future__ import annotations

from collections.abc import Sequence

from eval.speed.figures import Goal, Row, Spread

_VERDICTS = {True: "met", False: "missed", None: ""}
_HEAD = ("", "", "policyqa", "obvious pipeline", "goal", "")


def render(rows: Sequence[Row]) -> str:
    """Return the table: medians with their extremes in brackets, and whether goals are met."""
    lines = [_HEAD, *(_cells(row) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            # What is compared stands to the right, under its like; names and verdicts do not.
            f"{cell:>{width}}" if column in {2, 3} else f"{cell:{width}}"
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def _cells(row: Row) -> tuple[str, ...]:
    goal = _bound(row.goal) if row.goal else ""
    verdict = f"not measured: no {row.missing}" if row.missing else _VERDICTS[row.met]
    return row.what, row.unit, _spread(row.ours), _spread(row.obvious), goal, verdict


def _bound(goal: Goal) -> str:
    return f"{'≥' if goal.at_least else '≤'} {goal.bound:g}"


def _spread(spread: Spread | None) -> str:
    if spread is None:
        return "—"
    if spread.low == spread.high:
        return number(spread.median)
    return f"{number(spread.median)} ({number(spread.low)}–{number(spread.high)})"


def number(value: float) -> str:
    """Return a number with about three digits.

    >>> number(1.234), number(12.34), number(1234.5)
    ('1.23', '12.3', '1,234')
    """
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f}"
