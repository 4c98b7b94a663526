"""The document's nouns: a policy, its sections, its passages. Standard library only.

All offsets are Unicode code points of the policy's text, ends exclusive.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import PurePath
from typing import NamedTuple


class Span(NamedTuple):
    """The range ``[start, end)`` of a text."""

    start: int
    end: int

    def of(self, text: str) -> str:
        """Return the text this span covers."""
        return text[self.start : self.end]


@dataclass(frozen=True, slots=True)
class Section:
    """A heading or numbered clause and what stands below it, up to the next one.

    ``path`` is what a reader would call the place: the titles from the outermost in,
    joined by `` › ``; it is empty for text before the first heading.
    """

    start: int
    end: int
    number: str
    title: str
    path: str
    parent: str


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence, heading, list item or table row: the unit an answer quotes.

    ``lead_in`` is the sentence that opens the list it belongs to, or the header of its table.
    """

    start: int
    end: int
    kind: str
    lead_in: Span | None


@dataclass(frozen=True, slots=True)
class Passage:
    """The unit of retrieval: whole sentences of one section, ``policy.text[start:end]``.

    ``context`` is encoded and shown with the passage but is not part of ``text``.
    """

    id: str
    section: str
    start: int
    end: int
    text: str
    context: str
    sentences: tuple[Sentence, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """One document. ``id`` is stable across versions; ``sha256`` is of the file's own bytes."""

    id: str
    title: str
    names: tuple[str, ...]
    domains: tuple[str, ...]
    text: str
    sha256: str
    updated: date | None
    sources: tuple[str, ...]

    @property
    def source_name(self) -> str:
        """The name of the (first) file it was read from, without its folder."""
        return PurePath(self.sources[0]).name if self.sources else self.id
