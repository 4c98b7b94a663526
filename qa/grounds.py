"""What a language model's quotes must be to carry its statement. Pure.

A model quotes less carefully than a program. What it quotes is looked for without punctuation at its
ends, whatever the case of its first letter, and as the policy reads: without Markdown's marks, link
targets and the lines of tables. It is widened to whole sentences or table rows, and refused if it is a
page, a title or could stand anywhere; and its statement may use no figure, address or link that its
quotes do not have.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import accumulate
from unicodedata import normalize

from index.markup import readable
from index.sections import HEADING
from index.types import Policy, Sentence, Span
from qa.facts import strange
from qa.types import Claim, Problem, Quote
from qa.verify import (
    Found,
    Place,
    find_quote,
    no_quote,
    normalise,
    normalised,
    not_found,
    shortened,
)

_ENDS = " \t\n.,;:!?…\"'“”‘’«»"
LONGEST_EVIDENCE = 1200
"""Characters of a model's quote with whole sentences; a single sentence may be longer."""


def whole_sentences(
    policy: Policy, claim: Claim, *, sentences: Sequence[Sentence], others: Sequence[Policy] = ()
) -> Found:
    """Return where the sentences of a model's quotes stand, if they may carry its claim.

    ``sentences`` are all of the policy's, in its order. ``others`` are policies that a quote may be
    from by mistake: it is not moved there, but said to be theirs.
    """
    if not claim.quotes:
        return no_quote(policy, claim)
    places: dict[Span, Place] = {}
    for quote in claim.quotes:
        place = _widened(policy, quote, sentences, others)
        if isinstance(place, Problem):
            return place
        places[place.span] = place
    quoted = " ".join(f"{one.context} {one.span.of(policy.text)}" for one in places.values())
    if (made_up := strange(claim.text, quoted)) is not None:
        return Problem(
            "not_in_quotes",
            f"the statement {shortened(claim.text)!r} has {made_up!r}, which its quotes do not have",
            policy.id,
        )
    return tuple(places.values())


def _widened(
    policy: Policy, quote: Quote, sentences: Sequence[Sentence], others: Sequence[Policy]
) -> Place | Problem:
    if not any(map(str.isalnum, quote.text)):
        return _too_short(policy, quote)
    span = _located(quote.text, policy.text, quote.near) or _read(quote.text, policy, sentences)
    if span is None:
        owner = next((one for one in others if _located(quote.text, one.text)), None)
        return not_found(policy, quote.text, owner)
    touched = [one for one in sentences if one.start < span.end and one.end > span.start]
    if touched and all(one.kind == HEADING for one in touched):
        return Problem(
            "only_a_title", f"the quote {shortened(quote.text)!r} is only a title", policy.id
        )
    whole = Span(
        min([span.start, *(one.start for one in touched)]),
        max([span.end, *(one.end for one in touched)]),
    )
    if _names_no_sentence(span, whole, policy.text, quote.near):
        return _too_short(policy, quote)
    if whole.end - whole.start > LONGEST_EVIDENCE and len(touched) > 1:
        return Problem(
            "quote_too_long",
            f"the quote {shortened(quote.text)!r} is {whole.end - whole.start:,} characters long",
            policy.id,
        )
    lead_in = touched[0].lead_in if touched else None
    outside = lead_in and not (whole.start <= lead_in.start and lead_in.end <= whole.end)
    return Place(whole, readable(lead_in.of(policy.text)) if lead_in and outside else "")


def _too_short(policy: Policy, quote: Quote) -> Problem:
    return Problem(
        "quote_too_short",
        f"the quote {shortened(quote.text)!r} is too short to tell where it stands",
        policy.id,
    )


def _located(quote: str, text: str, near: Span | None = None) -> Span | None:
    """Return where a model's quote stands in a text, first where it is expected."""
    for form in _forms(quote):
        if near and (found := find_quote(form, near.of(text))):
            return Span(near.start + found.start, near.start + found.end)
        if found := find_quote(form, text):
            return found
    return None


def _forms(quote: str) -> Iterator[str]:
    yield quote
    bare = normalize("NFC", quote).strip(_ENDS)
    yield bare
    yield f"{bare[:1].swapcase()}{bare[1:]}"


def _read(quote: str, policy: Policy, sentences: Sequence[Sentence]) -> Span | None:
    """Return the sentences that a quote stands in as they read; None if they may be others."""
    text, starts = _as_it_reads(policy.text, tuple(sentences))
    wanted = readable(quote)
    if not (found := _located(wanted, text)):
        return None
    first, last = (bisect_right(starts, at) - 1 for at in (found.start, found.end - 1))
    whole = Span(starts[first], [*starts, len(text) + 1][last + 1] - 1)
    if _names_no_sentence(found, whole, text, None):
        return None
    return Span(sentences[first].start, sentences[last].end)


@lru_cache(maxsize=64)
def _as_it_reads(text: str, sentences: tuple[Sentence, ...]) -> tuple[str, list[int]]:
    """Return sentences as they read, a space between them, and where each begins in that."""
    parts = [readable(text[one.start : one.end]) for one in sentences]
    starts = list(accumulate((len(part) + 1 for part in parts), initial=0))
    return " ".join(parts), starts[:-1]


def _names_no_sentence(span: Span, whole: Span, text: str, near: Span | None) -> bool:
    """Tell whether a quote is little of its sentence and stands elsewhere too, in what was shown."""
    if 2 * (span.end - span.start) >= whole.end - whole.start:
        return False
    is_shown = near and near.start <= span.start and span.end <= near.end
    shown = near.of(text) if near and is_shown else text
    return normalised(shown, False)[0].count(normalise(span.of(text))[0]) > 1
