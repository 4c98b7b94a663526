"""Text → headings, numbered clauses and blocks, each an exact span of the text.

Nothing is searched for: every line is visited once, in order, and its offsets are carried along.
A *block* is what a person sees as one thing: a heading, a paragraph (joined again where the file
broke its lines), a list item, a table row.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from index.markup import readable
from index.tables import Line, find_rows
from index.types import Section, Span

HEADING, PARAGRAPH, ITEM, ROW = "heading", "paragraph", "item", "row"
SEPARATOR = " › "

_ATX = re.compile(r"\s{0,3}(?P<level>#{1,6})\s+(?P<title>.*?)[\s#]*$")
_UNDERLINE = re.compile(r"\s{0,3}(=+|-{2,})\s*$")
_RULE = re.compile(r"\s{0,3}([-*_=])(\s*\1){2,}\s*$")
_BOLD = re.compile(r"\s*(\*\*|__)(?P<title>[^*_]+)\1:?\s*$")
_NUMBERED = re.compile(
    r"\s*(?P<label>(?P<word>(?:section|article|clause|part)\s+|§\s*)?"
    r"(?P<number>\d{1,3}(?:\.\d{1,3}){0,4})(?P<mark>[.):]?))[\s\u00a0]+(?P<rest>\S.*)$",
    re.IGNORECASE,
)
_MARKER = re.compile(
    r"\s*(?:[•·▪●○◦‣∙–—*+\uf0b7-]|\(?(?:[a-z]|[ivx]{1,5})\)|\(\d{1,2}\))[\s\u00a0]+(?=\S)"
)
RUN_IN = re.compile(r"(?P<title>[A-Z][^.:;]{2,59})[.:]\s+(?=[A-Z“\"])")
_SENTENCE_END = re.compile(r"[.!?…:;][\"'”’)\]*_]*\s*$")
_OPENS_LIST = re.compile(r"(?::|\b(?:to|following|includes?|including|as);)[*_\s]*$")
_LIST_GOES_ON = re.compile(r"[;,](?:\s*(?:and|or|and/or))?[*_\s]*$")
_NO_TITLE = re.compile(r"[.;,:!]$|[a-z]{3}\. |: |@|://")
_TITLE_LIMIT, _TITLE_WORDS, _BODY_FLOOR, _BODY_WORDS = 90, 12, 60, 5
_WRAP_WIDTH, _WRAP_SHARE, _FULL_LINE = 100, 0.95, 0.6
# A heading closes every open one that does not rank above it; Markdown's own levels come first.
_CAPS_RANK, _TITLE_RANK, _BOLD_RANK, _NUMBER_RANK = 7, 8, 9, 10


@dataclass(frozen=True, slots=True)
class Block:
    """``text[start:end]``, trimmed; ``section`` counts from 0.

    ``lead_in`` is the block that opens this one's list, or the header of its table.
    """

    kind: str
    start: int
    end: int
    section: int
    lead_in: Span | None


@dataclass(frozen=True, slots=True)
class Outline:
    """A text's sections (the first holds what precedes any heading) and blocks, both in order."""

    sections: tuple[Section, ...]
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class _Title:
    """What a heading or numbered clause is called, and how it ranks among the others."""

    rank: int
    label: str
    number: str = ""


@dataclass(frozen=True, slots=True)
class _Raw:
    """A block whose section is not known yet; ``title`` where it opens one."""

    kind: str
    start: int
    end: int
    title: _Title | None = None
    header: Span | None = None
    listed: bool = False


def outline(text: str) -> Outline:
    """Return the sections and blocks of a text; the blocks cover all of it but white space."""
    lines, start = [], 0
    for line in text.split("\n"):
        lines.append(Line(start, line))
        start += len(line) + 1
    return _arrange(text, _Scanner(lines).blocks())


class _Scanner:
    """Reads lines into blocks in one pass; what it remembers is the list and the number it is in."""

    def __init__(self, lines: Sequence[Line]) -> None:
        self.lines = lines
        self.rows = {row.start: row for row in find_rows(lines)}
        self.wrapped = _is_wrapped(lines)
        self.number = ""
        self.listing = False
        self.previous = ""

    def blocks(self) -> Iterator[_Raw]:
        """Yield the blocks of the text in order."""
        pending: _Raw | None = None
        position = 0
        while position < len(self.lines):
            line = self.lines[position]
            if not line.blank and pending and self._continues(pending, position):
                pending = replace(pending, end=line.end)
                position += 1
                continue
            if pending:
                yield self._remember(pending, self.lines[position - 1])
                pending = None
            if not line.blank:
                pending = self._read(position)
            position += 1
            while (
                pending and position < len(self.lines) and self.lines[position].end <= pending.end
            ):
                position += 1
        if pending:
            yield self._remember(pending, self.lines[-1])

    def _remember(self, block: _Raw, last: Line) -> _Raw:
        self.previous = last.text
        if block.title and block.title.number:
            self.number = block.title.number
        if block.kind in (HEADING, ROW):
            self.listing = False
        elif _OPENS_LIST.search(last.text):
            self.listing = True
        elif block.kind == PARAGRAPH:
            self.listing = False
        return block

    def _continues(self, block: _Raw, position: int) -> bool:
        """Tell whether a line goes on with the block above it, which the file broke."""
        line, above = self.lines[position], self.lines[position - 1]
        if (
            block.kind not in (PARAGRAPH, ITEM)
            or _MARKER.match(line.text)
            or _RULE.match(line.text)
        ):
            return False
        if line.start in self.rows or _ATX.match(line.text) or self._numbered(position):
            return False
        if block.listed and not self.wrapped and _LIST_GOES_ON.search(above.text):
            return False
        if self.wrapped and len(above.text) >= _FULL_LINE * _WRAP_WIDTH:
            return True
        return not _SENTENCE_END.search(above.text) and line.text.lstrip()[:1].islower()

    def _read(self, position: int) -> _Raw:
        """Return the block that opens at a line."""
        line = self.lines[position]
        if row := self.rows.get(line.start):
            return _Raw(ROW, row.start, row.end, header=row.header)
        if _RULE.match(line.text):
            return _Raw(HEADING, line.start, line.end)
        if heading := self._marked_heading(position):
            return heading
        if _MARKER.match(line.text):
            return _Raw(ITEM, line.start, line.end, listed=self.listing)
        if block := self._numbered(position):
            return block
        if self._is_title(position):
            rank = _CAPS_RANK if line.text.isupper() else _TITLE_RANK
            return _Raw(HEADING, line.start, line.end, _Title(rank, plain(line.text)))
        listed = self.listing and bool(
            _OPENS_LIST.search(self.previous)
            or _LIST_GOES_ON.search(self.previous)
            or _LIST_GOES_ON.search(line.text)
            or (_is_fragment(self.previous) and _is_fragment(line.text))
        )
        return _Raw(ITEM if listed else PARAGRAPH, line.start, line.end, listed=listed)

    def _marked_heading(self, position: int) -> _Raw | None:
        """Read a heading that Markdown marks: ``#``, an underline, or a line all in bold."""
        line = self.lines[position]
        if match := _ATX.match(line.text):
            return _Raw(HEADING, line.start, line.end, _titled(len(match["level"]), match["title"]))
        below = self.lines[position + 1] if position + 1 < len(self.lines) else None
        if below and _UNDERLINE.match(below.text) and not _MARKER.match(line.text):
            rank = 1 if "=" in below.text else 2
            return _Raw(HEADING, line.start, below.end, _titled(rank, line.text))
        if (match := _BOLD.match(line.text)) and len(match["title"]) <= _TITLE_LIMIT:
            return _Raw(HEADING, line.start, line.end, _titled(_BOLD_RANK, match["title"]))
        return None

    def _numbered(self, position: int) -> _Raw | None:
        """Read a numbered heading (``7. Storage``), clause (``7.5 We …``) or list item."""
        line = self.lines[position]
        match = _NUMBERED.match(line.text)
        if not match:
            return None
        number, rest = match["number"], match["rest"].strip()
        marked = bool(match["mark"] or match["word"])
        dotted = "." in number
        if not dotted and not marked and not (_is_title(rest) and self._is_next(number)):
            return None
        child = number.startswith(f"{self.number}.") if self.number else not dotted
        if self.listing and child and (_is_title(rest) or _LIST_GOES_ON.search(rest)):
            return _Raw(ITEM, line.start, line.end, listed=True)
        rank = _NUMBER_RANK + number.count(".")
        if _is_title(rest) and (dotted or not self._precedes_sibling(position)):
            return _Raw(HEADING, line.start, line.end, _Title(rank, plain(line.text), number))
        run_in = RUN_IN.match(rest)
        label = f"{match['label']} {run_in['title']}" if run_in else match["label"]
        return _Raw(PARAGRAPH, line.start, line.end, _Title(rank, label.strip(), number))

    def _is_next(self, number: str) -> bool:
        """Tell whether a bare number follows the last one: ``2 What we …`` after ``1.6``."""
        last = int(self.number.split(".")[0]) if self.number else 0
        return int(number) in (last, last + 1)

    def _below(self, position: int) -> Line | None:
        return next((line for line in self.lines[position + 1 :] if not line.blank), None)

    def _precedes_sibling(self, position: int) -> bool:
        below = self._below(position)
        match = _NUMBERED.match(below.text) if below else None
        return bool(match and "." not in match["number"])

    def _is_title(self, position: int) -> bool:
        """Tell whether a line without any mark is a heading.

        It is the first line, in capitals, or short with longer text, a list or clauses below it.
        """
        text, below = self.lines[position].text, self._below(position)
        if not _is_title(text) or below is None or below.start in self.rows:
            return False
        if not self.previous or (
            text.isupper() and len(text.split()) > 1 and not re.search(r"\d", text)
        ):
            return True
        sentence = _SENTENCE_END.search(below.text) and len(below.text.split()) >= _BODY_WORDS
        return len(below.text) > len(text) and bool(
            len(below.text) >= _BODY_FLOOR
            or sentence
            or _MARKER.match(below.text)
            or _NUMBERED.match(below.text)
        )


def _arrange(text: str, raws: Iterator[_Raw]) -> Outline:
    """Give every block its section and its lead-in."""
    sections = [Section(0, len(text), "", "", "", "")]
    blocks: list[Block] = []
    stack: list[_Title] = []
    lead_in: Span | None = None
    for raw in raws:
        if raw.title:
            stack = [title for title in stack if title.rank < raw.title.rank]
            parent = _path(stack)
            stack.append(raw.title)
            path = _path(stack)
            sections[-1] = replace(sections[-1], end=raw.start)
            sections.append(
                Section(raw.start, len(text), raw.title.number, raw.title.label, path, parent)
            )
        span = _trim(text, raw.start, raw.end)
        opener = lead_in if raw.listed else None
        if raw.header:
            opener = Span(lead_in.start if lead_in else raw.header.start, raw.header.end)
        block = Block(raw.kind, span.start, span.end, len(sections) - 1, opener)
        blocks.append(block)
        if raw.kind == HEADING or (raw.kind == PARAGRAPH and not _OPENS_LIST.search(span.of(text))):
            lead_in = None
        elif raw.kind != ROW and _OPENS_LIST.search(span.of(text)):
            lead_in = Span(body_start(text, block), span.end)
    return Outline(tuple(sections), tuple(blocks))


def _path(titles: Iterable[_Title]) -> str:
    """Return titles from the outermost in; a heading may hold nothing."""
    return SEPARATOR.join(title.label for title in titles if title.label)


def body_start(text: str, block: Block) -> int:
    """Return where a block's words start, after its list marker or clause number."""
    head = text[block.start : block.end]
    match = _MARKER.match(head)
    if match:
        return block.start + match.end()
    number = _NUMBERED.match(head.split("\n", 1)[0]) if block.kind in (PARAGRAPH, ITEM) else None
    if number and ("." in number["number"] or number["mark"]):
        return block.start + number.start("rest")
    return block.start


def plain(title: str) -> str:
    """Return a title without Markdown's emphasis, links and marks, on one line."""
    return readable(title).strip(" :#")


def _titled(rank: int, title: str) -> _Title:
    match = _NUMBERED.match(plain(title))
    return _Title(rank, plain(title), match["number"] if match else "")


def _is_title(line: str) -> bool:
    line = line.strip()
    return (
        0 < len(line) <= _TITLE_LIMIT
        and len(line.split()) <= _TITLE_WORDS
        and not line[0].islower()
        and any(character.isalpha() for character in line)
        and not _NO_TITLE.search(line)
    )


def _is_fragment(line: str) -> bool:
    """Tell whether a line is a short piece, such as one of an address, and no sentence."""
    return 0 < len(line.strip()) < _BODY_FLOOR and not _SENTENCE_END.search(line)


def _is_wrapped(lines: Sequence[Line]) -> bool:
    """Tell whether the file breaks its paragraphs at a fixed width, as e-mail does."""
    lengths = [len(line.text) for line in lines if len(line.text) > _WRAP_WIDTH // 2]
    fitting = sum(length <= _WRAP_WIDTH for length in lengths)
    return len(lengths) >= 10 and fitting >= _WRAP_SHARE * len(lengths)


def _trim(text: str, start: int, end: int) -> Span:
    body = text[start:end]
    return Span(start + len(body) - len(body.lstrip()), start + len(body.rstrip()))
