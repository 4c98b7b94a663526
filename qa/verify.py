"""Every quote is found in its policy, character for character, or its claim is marked. Pure.

A quote is looked for under one declared normalisation, and what is shown is always the policy's
own text at the place found. Numbers, letters, negations and punctuation are never touched:

- a run of white space, no-break spaces and line breaks counts as one space;
- curly and angular quotation marks count as straight ones;
- dashes and minus signs count as a hyphen;
- soft hyphens and zero-width characters do not count;
- ligatures count as their letters, an ellipsis as three points;
- a hyphen between letters at the end of a line may be the line's or the word's.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from index.types import Policy, Span
from qa.types import Citation, Claim, Problem, Statement

_EQUAL = {
    **dict.fromkeys("‘’‚‛′‹›`´", "'"),
    **dict.fromkeys("“”„‟″«»", '"'),
    **dict.fromkeys("‐‑‒–—―−﹣－", "-"),
    **dict.fromkeys("\u00ad\u200b\u200c\u200d\u2060\ufeff", ""),
    "ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st",
    "Ĳ": "IJ", "ĳ": "ij", "…": "...",
}  # fmt: skip
# "5 days" does not stand in "15 days" or "1.5 days", nor "able to" in "unable to". Scripts that
# are written without spaces have no such places.
_LETTER = r"[A-Za-zÀ-ɏͰ-ӿ]"
_INSIDE_A_WORD = re.compile(
    rf"(?<={_LETTER})(?={_LETTER})|(?<=\d)(?=\d)|(?<=\d[.,])(?=\d)|(?<=\d)(?=[.,]\d)"
)

_HYPHENATED = re.compile(rf"(?<={_LETTER})[-\u2010\u00ad][^\S\n]*\n\s*(?={_LETTER})")
_SHOWN = 160

Sections = Callable[[int], str]
"""Returns the section path of an offset."""


def normalise(text: str) -> tuple[str, list[int]]:
    r"""Return a text as quotes are compared, and each of its characters' offset in the original.

    >>> normalise("“a\u00ad b")[0]
    '"a b'
    """
    characters: list[str] = []
    offsets: list[int] = []
    for offset, character in enumerate(text):
        same = " " if character.isspace() else _EQUAL.get(character, character)
        if same == " " and (not characters or characters[-1] == " "):
            continue
        characters += same
        offsets += [offset] * len(same)
    return "".join(characters), offsets


@lru_cache(maxsize=512)
def normalised(text: str, is_joined: bool) -> tuple[str, list[int]]:
    """Return a text as quotes are compared; the words that its lines divide may be joined."""
    if not is_joined:
        return normalise(text)
    left_out = {at for found in _HYPHENATED.finditer(text) for at in range(*found.span())}
    kept = [at for at in range(len(text)) if at not in left_out]
    compared, places = normalise("".join(text[at] for at in kept))
    return compared, [kept[place] for place in places]


def find_quote(quote: str, text: str, near: int | None = None) -> Span | None:
    """Return where a text holds a quote, or None.

    Of several places the one nearest to ``near`` is returned, or the first. The span never begins
    or ends inside a word, a number or a character that stands for several (a ligature).
    """
    if near is not None and quote.strip() == quote != "" and text.startswith(quote, near):
        span = Span(near, near + len(quote))
        if not any(_INSIDE_A_WORD.match(text, at) for at in span):
            return span
    forms = dict.fromkeys((quote, _HYPHENATED.sub("", quote), _HYPHENATED.sub("-", quote)))
    for is_joined in (False, True):
        for form in forms:
            wanted = normalise(form)[0].strip()
            found = _find(wanted, *normalised(text, is_joined), near) if wanted else None
            if found:
                return found
    return None


def _find(wanted: str, haystack: str, offsets: list[int], near: int | None) -> Span | None:
    at = bisect_left(offsets, near or 0)
    both = [
        next((place for place in places if not _cuts(place, haystack, offsets)), None)
        for places in (_before(at, wanted, haystack), _from(at, wanted, haystack))
    ]
    spans = [Span(offsets[start], offsets[end - 1] + 1) for start, end in filter(None, both)]
    return min(spans, key=lambda span: abs(span.start - (near or 0)), default=None)


def _cuts(place: Span, text: str, offsets: list[int]) -> bool:
    """Tell whether a place in a normalised text begins or ends in a word, number or ligature."""
    return any(
        (0 < at < len(text) and offsets[at - 1] == offsets[at]) or _INSIDE_A_WORD.match(text, at)
        for at in place
    )


def _from(at: int, wanted: str, text: str) -> Iterator[Span]:
    while (at := text.find(wanted, at)) >= 0:
        yield Span(at, at + len(wanted))
        at += 1


def _before(at: int, wanted: str, text: str) -> Iterator[Span]:
    while (at := text.rfind(wanted, 0, max(at + len(wanted) - 1, 0))) >= 0:
        yield Span(at, at + len(wanted))


@dataclass(frozen=True, slots=True)
class Place:
    """Where a quote stands, and the line that opens its list or table."""

    span: Span
    context: str


Found = tuple[Place, ...] | Problem
"""The places of a claim's quotes, or why it is not verified."""


class Verifier:
    """Turns claims into statements and citations, numbering markers over a whole response."""

    def __init__(self) -> None:
        self._next_marker = 1
        self.problems: list[Problem] = []

    def verify(
        self,
        policy: Policy,
        claims: Iterable[Claim],
        sections: Sections,
        find: Callable[[Policy, Claim], Found] | None = None,
    ) -> tuple[tuple[Statement, ...], tuple[Citation, ...]]:
        """Return the statements of claims, and the citations of those whose quotes were found.

        A claim that ``find`` (by default ``word_for_word``) does not verify becomes an unverified
        statement without markers, and a problem.
        """
        statements: list[Statement] = []
        citations: list[Citation] = []
        for claim in claims:
            found = (find or word_for_word)(policy, claim)
            if isinstance(found, Problem):
                self.problems.append(found)
                statements.append(Statement(claim.text, (), verified=False))
                continue
            made = [self._cite(policy, place, sections) for place in found]
            citations += made
            markers = tuple(citation.marker for citation in made)
            statements.append(Statement(claim.text, markers, verified=True))
        return tuple(statements), tuple(citations)

    def _cite(self, policy: Policy, place: Place, sections: Sections) -> Citation:
        marker = self._next_marker
        self._next_marker += 1
        return cite(policy, place.span, marker, sections(place.span.start), place.context)


def word_for_word(policy: Policy, claim: Claim) -> Found:
    """Return where a claim's quotes stand, each as it is."""
    if not claim.quotes:
        return no_quote(policy, claim)
    places = []
    for quote in claim.quotes:
        near = quote.near.start if quote.near else None
        span = find_quote(quote.text, policy.text, near)
        if span is None:
            return not_found(policy, quote.text)
        places.append(Place(span, quote.context))
    return tuple(places)


def cite(policy: Policy, span: Span, marker: int, section: str, context: str = "") -> Citation:
    """Return the citation of a span: its quote is cut from the policy's own text."""
    return Citation(
        marker=marker,
        quote=span.of(policy.text),
        start=span.start,
        end=span.end,
        section=section,
        page=None,
        source=policy.source_name,
        sha256=policy.sha256,
        context=context,
    )


def no_quote(policy: Policy, claim: Claim) -> Problem:
    """Return the problem of a claim that nothing supports."""
    return Problem(
        "no_quote", f"no quote supports the statement {shortened(claim.text)!r}", policy.id
    )


def not_found(policy: Policy, quote: str, owner: Policy | None = None) -> Problem:
    """Return the problem of a quote that is not in its policy; ``owner`` is whose it is."""
    if owner:
        return Problem(
            "quote_of_another_policy",
            f"the quote {shortened(quote)!r} is not in this policy but in {owner.id}",
            policy.id,
        )
    return Problem(
        "quote_not_found", f"the quote {shortened(quote)!r} is not in the policy", policy.id
    )


def shortened(text: str) -> str:
    """Return what of a text is shown in a message."""
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN].rstrip()} …"
