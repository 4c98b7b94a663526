"""Sections → passages: whole sentences of one section that fit the encoder's window.

A passage is encoded with its *context*: the titles it stands under, and the sentence that opens
its list or the header of its table where that is not in the passage itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import reduce
from hashlib import sha256
from itertools import groupby

from nupunkt import sent_spans

from index.markup import readable
from index.sections import (
    HEADING,
    PARAGRAPH,
    ROW,
    RUN_IN,
    SEPARATOR,
    Block,
    Outline,
    body_start,
    outline,
)
from index.types import Passage, Section, Sentence, Span

# Raised whenever the same text would be split or encoded otherwise: the index records it.
RULES = 1
# Tokens of a passage's own text it aims at: about a paragraph, so that a hit is a precise one.
TARGET = 128
_CONTEXT_SHARE = 4
_TITLES = 2
_SHORT_SENTENCE = 25
_CLAUSE_MARK = re.compile(r"[;:,]\s+|\s(?=(?:and|or|but|which|that|unless|if)\s)")


@dataclass(frozen=True, slots=True)
class _Draft:
    """Sentences on their way to a passage: ``start`` may lie before the first one's words."""

    start: int
    end: int
    section: int
    tokens: int
    sentences: tuple[Sentence, ...]

    @property
    def is_bare(self) -> bool:
        """Whether there is nothing but headings."""
        return all(sentence.kind == HEADING for sentence in self.sentences)

    def joined(self, other: _Draft) -> _Draft:
        """Return both as one, in the other's section. Their tokens add up: a space is between."""
        return _Draft(
            self.start,
            other.end,
            other.section,
            self.tokens + other.tokens,
            self.sentences + other.sentences,
        )


def split(
    policy: str, text: str, *, window: int, count: Callable[[str], int]
) -> tuple[tuple[Section, ...], tuple[Passage, ...]]:
    """Return the sections and passages of a policy's text, in order.

    ``window`` is the most tokens the encoder reads, special ones included; ``count`` returns the
    tokens of a text, without the special ones. Together the passages cover all but white space.
    """
    splitter = _Splitter(policy, text, window - 2, count)
    return splitter.outline.sections, tuple(splitter.passages())


def encoded(context: str, text: str) -> str:
    """Return what the encoder is given for a text and its context."""
    return readable(f"{context}\n{text}" if context else text)


def _identify(policy: str, text: str, occurrence: int) -> str:
    """Hash what makes a passage itself, so that indexing the same text again changes nothing."""
    return sha256(f"{policy}\0{text}\0{occurrence}".encode()).hexdigest()[:32]


class _Splitter:
    def __init__(self, policy: str, text: str, room: int, count: Callable[[str], int]) -> None:
        self.policy = policy
        self.text = text
        self.room = room
        self.count = count
        self.context_room = room // _CONTEXT_SHARE
        self.target = min(TARGET, room - self.context_room)
        self.outline: Outline = outline(text)

    def passages(self) -> Iterator[Passage]:
        seen: dict[str, int] = {}
        for draft in self._drafts():
            section = self.outline.sections[draft.section]
            context = self._context(draft, section)
            body = self.text[draft.start : draft.end]
            words = encoded(context, body)
            seen[words] = seen.get(words, 0) + 1
            yield Passage(
                id=_identify(self.policy, words, seen[words]),
                section=section.path,
                start=draft.start,
                end=draft.end,
                text=body,
                context=context,
                sentences=draft.sentences,
            )

    def _drafts(self) -> Iterator[_Draft]:
        """Pack each section's sentences; a heading with nothing below it joins what follows."""
        waiting: _Draft | None = None
        for _, blocks in groupby(self.outline.blocks, key=lambda block: block.section):
            for packed in self._pack(blocks):
                draft = packed
                if waiting and waiting.tokens + packed.tokens <= self.room - self.context_room:
                    draft = waiting.joined(packed)
                elif waiting:
                    yield waiting
                waiting = draft if draft.is_bare else None
                if not waiting:
                    yield draft
        if waiting:
            yield waiting

    def _pack(self, blocks: Iterable[Block]) -> Iterator[_Draft]:
        draft: _Draft | None = None
        for block in blocks:
            for piece in self._pieces(block):
                if draft and draft.tokens + piece.tokens > self.target:
                    yield draft
                    draft = None
                draft = draft.joined(piece) if draft else piece
        if draft:
            yield draft

    def _tokens(self, start: int, end: int) -> int:
        body = self.text[start:end]
        if start and self.text[start - 1] != "\n" and body.lstrip()[:1] in {"#", ">"}:
            body = f". {body}"  # a mark in mid-line is read, also where a slice begins with it
        return self.count(readable(body))

    def _pieces(self, block: Block) -> list[_Draft]:
        """Return a block whole where it fits a passage, else one piece for each sentence."""
        pieces = []
        start = block.start
        for sentence in self._sentences(block):
            tokens = self._tokens(start, sentence.end)
            pieces.append(_Draft(start, sentence.end, block.section, tokens, (sentence,)))
            start = sentence.end
        if sum(piece.tokens for piece in pieces) <= self.target:
            return [reduce(_Draft.joined, pieces)]
        return [
            replace(piece, start=piece.sentences[0].start) if n else piece
            for n, piece in enumerate(pieces)
        ]

    def _sentences(self, block: Block) -> Iterator[Sentence]:
        kind = "sentence" if block.kind == PARAGRAPH else block.kind
        lead_in = self._last_sentence(block.lead_in) if block.lead_in else None
        start = body_start(self.text, block)
        spans = (
            [Span(start, block.end)]
            if block.kind in (HEADING, ROW)
            else _sentence_spans(self.text, start, block.end)
        )
        for span in _without_run_in(self.text, spans):
            for part in self._within_window(span):
                yield Sentence(part.start, part.end, kind, lead_in)

    def _last_sentence(self, span: Span) -> Span:
        """Narrow a lead-in to its last sentence (and, for a table, the header after it)."""
        body = span.of(self.text)
        head = body.rpartition(":" if ":" in body else ";")[0]
        spans = _sentence_spans(self.text, span.start, span.start + len(head)) if head else []
        return Span(spans[-1].start, span.end) if spans else span

    def _within_window(self, span: Span) -> list[Span]:
        """Split a sentence too long for the window: at clause marks, else between words."""
        limit = self.room - self.context_room
        if self._tokens(*span) <= limit:
            return [span]
        body = span.of(self.text)
        marks = [match.end() for match in _CLAUSE_MARK.finditer(body)]
        cuts = marks or [match.end() for match in re.finditer(r"\s+", body)]
        cuts = [cut for cut in cuts if 0 < cut < len(body)] or [len(body) // 2]
        middle = span.start + min(cuts, key=lambda cut: abs(cut - len(body) // 2))
        left = Span(span.start, span.start + len(self.text[span.start : middle].rstrip()))
        return [*self._within_window(left), *self._within_window(Span(middle, span.end))]

    def _context(self, draft: _Draft, section: Section) -> str:
        inside = draft.start <= section.start and section.path
        titles = (section.parent if inside else section.path).split(SEPARATOR)[-_TITLES:]
        parts = [SEPARATOR.join(titles)] if titles[0] else []
        lead_in = draft.sentences[0].lead_in
        if lead_in and lead_in.end <= draft.start:
            parts.append(" ".join(lead_in.of(self.text).split()))
        return self._cut("\n".join(parts))

    def _cut(self, context: str) -> str:
        """Shorten a context to its share of the window, from the front: its end says most."""
        while self.count(readable(context)) > self.context_room:
            least = max(1, len(context) // 8)
            space = context.find(" ", least, 2 * least)
            context = context[max(least, space + 1) :]
        return context


def _without_run_in(text: str, spans: list[Span]) -> list[Span]:
    """Join a title that runs in ("Compliance with Laws. We may …") with the sentence after it."""
    title = RUN_IN.match(text, spans[0].start, spans[1].end) if len(spans) > 1 else None
    if title and title.end() >= spans[1].start:
        return [Span(spans[0].start, spans[1].end), *spans[2:]]
    return spans


def _sentence_spans(text: str, start: int, end: int) -> list[Span]:
    """Return the sentences of ``text[start:end]``; a very short one joins its neighbour."""
    spans: list[Span] = []
    for first, last in sent_spans(text[start:end]):
        body = text[start + first : start + last]
        span = Span(
            start + first + len(body) - len(body.lstrip()), start + first + len(body.rstrip())
        )
        if span.start >= span.end:
            continue
        if spans and spans[-1].end - spans[-1].start < _SHORT_SENTENCE:
            spans[-1] = Span(spans[-1].start, span.end)
        else:
            spans.append(span)
    if len(spans) > 1 and spans[-1].end - spans[-1].start < _SHORT_SENTENCE:
        last_span = spans.pop()
        spans[-1] = Span(spans[-1].start, last_span.end)
    return spans
