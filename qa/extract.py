"""Evidence → answer without an LLM: the policy's own sentences, all that answer and no more."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import combinations

from index.markup import readable
from index.sections import HEADING
from index.types import Passage, Policy, Sentence, Span
from qa.hedges import is_exception
from qa.types import Candidate, Claim, Quote, Reading

ENGINE = "extractive"
LONGEST_QUOTE = 600
"""Characters; a longer sentence is quoted whole, but nothing is added to it."""
_MOST_QUOTES = 5
_NEAREST = 2
# When a further sentence is quoted. On the training questions, scored by readers that had not seen
# their policies, F2 (a sentence left out counts for more than one too many) is best for a share of
# 0.2 and a floor of up to 0.1.
_RELEVANCE_FLOOR, _RELEVANCE_SHARE = 0.1, 0.2
_BETWEEN = re.compile(r"\s*(?:[•·*+–-]\s*)?")


def ranked(reading: Reading) -> tuple[Span, ...]:
    """Return what would be quoted, best first, whether or not the policy states an answer."""
    return tuple(_span(c.passage, c.sentence) for c in _quotable(reading.candidates))


def claims(policy: Policy, reading: Reading) -> tuple[Claim, ...]:
    """Return one claim per quote that answers, the best first."""
    best = _quotable(reading.candidates)
    if not best:
        return ()
    floor = max(_RELEVANCE_FLOOR, _RELEVANCE_SHARE * best[0].relevance)
    chosen = [best[0], *(c for c in best[1:_MOST_QUOTES] if c.relevance >= floor)]
    spans = _merge(policy, [span for candidate in chosen for span in _quoted(candidate)])
    contexts = {c.sentence.start: _context(policy, c) for c in chosen}
    return tuple(_claim(policy, span, contexts.get(span.start, "")) for span in spans)


def nearest(policy: Policy, reading: Reading) -> tuple[Claim, ...]:
    """Return what comes closest in a policy that does not state an answer."""
    return tuple(
        _claim(policy, Span(c.sentence.start, c.sentence.end), _context(policy, c))
        for c in _quotable(reading.candidates)[:_NEAREST]
    )


def _quotable(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Leave out headings and repeated sentences (a policy may say everything twice)."""
    seen: set[str] = set()
    kept = []
    for candidate in candidates:
        sentence, passage = candidate.sentence, candidate.passage
        words = readable(
            passage.text[sentence.start - passage.start : sentence.end - passage.start]
        )
        if sentence.kind != HEADING and words not in seen:
            seen.add(words)
            kept.append(candidate)
    return kept


def _span(passage: Passage, sentence: Sentence) -> Span:
    """Return a sentence's span; one that opens a list takes the items along that stand with it."""
    end = sentence.end
    for item in passage.sentences:
        opened = item.lead_in is not None and item.lead_in.end == sentence.end
        if opened and item.end - sentence.start <= LONGEST_QUOTE:
            end = max(end, item.end)
    return Span(sentence.start, end)


def _quoted(candidate: Candidate) -> Iterator[Span]:
    """Yield a sentence's span, and those right after it that open by taking it back in part."""
    passage, rule = candidate.passage, _span(candidate.passage, candidate.sentence)
    yield rule
    for sentence in passage.sentences:
        if sentence.start >= rule.end and sentence.kind != HEADING:
            text = passage.text[sentence.start - passage.start : sentence.end - passage.start]
            if not is_exception(readable(text)):
                return
            yield Span(sentence.start, sentence.end)


def _merge(policy: Policy, spans: Sequence[Span]) -> list[Span]:
    """Join quotes until none follows another or overlaps it; keep the best first."""
    for (first, better), (second, other) in combinations(enumerate(spans), 2):
        if joined := _joined(policy, better, other):
            rest = [*spans[first + 1 : second], *spans[second + 1 :]]
            return _merge(policy, [*spans[:first], joined, *rest])
    return list(spans)


def _joined(policy: Policy, better: Span, other: Span) -> Span | None:
    """Return two quotes as one; of two that overlap and are too long together, the better one."""
    joined = Span(min(better.start, other.start), max(better.end, other.end))
    between = Span(min(better.end, other.end), max(better.start, other.start))
    if joined == other or joined.end - joined.start <= LONGEST_QUOTE:
        return joined if _BETWEEN.fullmatch(between.of(policy.text)) else None
    return better if between.start > between.end else None


def _context(policy: Policy, candidate: Candidate) -> str:
    lead_in = candidate.sentence.lead_in
    return readable(lead_in.of(policy.text)) if lead_in else ""


def _claim(policy: Policy, span: Span, context: str) -> Claim:
    words = readable(span.of(policy.text))
    text = f"{context} {words}" if context else words
    return Claim(text, (Quote(span.of(policy.text), near=span, context=context),))
