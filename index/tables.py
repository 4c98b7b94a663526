"""Lines → the rows of tables, also of tables that a copy from the web broke over many lines."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from index.types import Span

_PIPE = re.compile(r"\s*\|.*\|\s*$")
_PIPE_RULE = re.compile(r"\s*\|(\s*:?-{2,}:?\s*\|)+\s*$")
# What stands between two cells of one line: a tab, a no-break space with a space, or a wide gap.
_CELL_BREAK = re.compile(r"\t+|[ ]*\u00a0[\u00a0 ]+|[ ]{3,}")
# A broken table's row opens with its key, alone before a cell break or before the line's end.
_ROW_KEY = re.compile(r"[^\s\u00a0|]{2,60}(?:\t|[ ]*\u00a0[\u00a0 ]*|[ ]{2,})")
_CELL_LIMIT = 70
_ROW_LINES = 8
_FEWEST_ROWS = 3


@dataclass(frozen=True, slots=True)
class Row:
    """One row, ``text[start:end]``, and the line that names its columns (none for the header)."""

    start: int
    end: int
    header: Span | None


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a text, its line break not included."""

    start: int
    text: str

    @property
    def end(self) -> int:
        """Return the offset just after the line's last character."""
        return self.start + len(self.text)

    @property
    def blank(self) -> bool:
        """Tell whether there is nothing but white space on the line."""
        return not self.text.strip()


def find_rows(lines: Sequence[Line]) -> Iterator[Row]:
    """Yield the rows of every table in order: piped, in aligned columns, or broken over lines."""
    position = 0
    while position < len(lines):
        for read in (_piped, _aligned, _broken):
            rows, length = read(lines, position)
            if rows:
                yield from rows
                position += length
                break
        else:
            position += 1


def _piped(lines: Sequence[Line], at: int) -> tuple[list[Row], int]:
    """Read a Markdown table: each line a row, the first the header if a rule stands below it."""
    length = _run(lines, at, lambda line: bool(_PIPE.match(line.text)))
    if length < 2:
        return [], 0
    table = lines[at : at + length]
    if not _PIPE_RULE.match(table[1].text):
        return [Row(line.start, line.end, None) for line in table], length
    header = Span(table[0].start, table[0].end)
    head = Row(table[0].start, table[1].end, None)
    return [head, *(Row(line.start, line.end, header) for line in table[2:])], length


def _aligned(lines: Sequence[Line], at: int) -> tuple[list[Row], int]:
    """Read lines that all have the same number of short cells, two or more."""
    columns = _cells(lines[at])
    if columns < 2:
        return [], 0
    length = _run(lines, at, lambda line: _cells(line) == columns)
    if length < _FEWEST_ROWS:
        return [], 0
    head, *body = lines[at : at + length]
    header = Span(head.start, head.end)
    rows = [Row(line.start, line.end, header) for line in body]
    return [Row(head.start, head.end, None), *rows], length


def _broken(lines: Sequence[Line], at: int) -> tuple[list[Row], int]:
    """Read a header line and rows whose cells went to lines of their own."""
    if not _is_header(lines[at]):
        return [], 0
    keys = [at + 1]
    for here in range(at + 1, len(lines)):
        if len(lines[here].text) > _CELL_LIMIT or here - keys[-1] > _ROW_LINES:
            break
        if here > at + 1 and _ROW_KEY.match(lines[here].text):
            keys.append(here)
    if len(keys) < _FEWEST_ROWS or not _ROW_KEY.match(lines[at + 1].text):
        return [], 0
    bounds = [*pairwise(keys), (keys[-1], _end_of_last(lines, keys[-1]))]
    header = Span(lines[at].start, lines[at].end)
    rows = [_row(lines[first:after], header) for first, after in bounds]
    return [Row(header.start, header.end, None), *rows], bounds[-1][1] - at


def _is_header(line: Line) -> bool:
    return 2 <= len(line.text.split()) <= 8 and line.text.strip()[-1] not in ".:;,"


def _end_of_last(lines: Sequence[Line], key: int) -> int:
    """Return the line after the last row: it ends at the first blank line below its last cell."""
    alone = not lines[key].text.split("\u00a0", 1)[-1].strip()
    after = key + 1
    while after < len(lines) and alone and lines[after].blank:
        after += 1
    while after < len(lines) and not lines[after].blank and len(lines[after].text) <= _CELL_LIMIT:
        after += 1
    return after


def _row(lines: Sequence[Line], header: Span) -> Row:
    last = max(n for n, line in enumerate(lines) if not line.blank)
    return Row(lines[0].start, lines[last].end, header)


def _cells(line: Line) -> int:
    cells = [cell for cell in _CELL_BREAK.split(line.text.strip()) if cell.strip()]
    return 0 if any(len(cell) > _CELL_LIMIT for cell in cells) else len(cells)


def _run(lines: Sequence[Line], at: int, holds: Callable[[Line], bool]) -> int:
    length = 0
    while at + length < len(lines) and holds(lines[at + length]):
        length += 1
    return length
