"""What a language model's quotes must be to carry its statement. Pure.

A model quotes less carefully than a program. What it quotes is looked for without punctuation at its
ends, widened to whole sentences or table rows, and refused if it is a page or could stand anywhere;
and its statement may use no number, address or link that its quotes do not have.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from index.markup import readable
from index.sections import HEADING
from index.types import Policy, Sentence, Span
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
_FEWEST_WORDS = 3
# What a statement must have from its quotes: links, addresses, hosts and numbers.
_FACT = re.compile(
    r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+|https?://[^\s/]+|[a-z0-9-]+(?:\.[a-z0-9-]{2,})+|"
    r"\d+(?:[.,:/]\d+)*|[a-z]+",
    re.IGNORECASE,
)
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}\b)")
_UNITS = (
    "two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen"
).split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_NUMBERS = (
    {word: str(number) for number, word in enumerate(_UNITS, start=2)}
    | {word: str(10 * number) for number, word in enumerate(_TENS, start=2)}
    | {"dozen": "12", "hundred": "100", "thousand": "1000", "million": "1000000"}
)


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
    if strange := sorted(facts(claim.text) - facts(quoted)):
        return Problem(
            "not_in_quotes",
            f"the statement {shortened(claim.text)!r} has {strange[0]!r}, which its quotes do not have",
            policy.id,
        )
    return tuple(places.values())


def facts(text: str) -> frozenset[str]:
    """Return what of a text must stand in its quotes: numbers, also in words, hosts and addresses.

    >>> sorted(facts("Ninety days, or 1,000 times; ask me@a.example."))
    ['1000', '90', 'me@a.example']
    >>> sorted(facts("A hundred times; see t.co or https://злой.рф/a, e.g. now."))
    ['100', 't.co', 'злой.рф']
    """
    found = (one.lower() for one in _FACT.findall(_THOUSANDS.sub("", normalise(text)[0])))
    kept = (_NUMBERS.get(one, "" if one.isalpha() else one) for one in found)
    return frozenset(one.removeprefix("https://").removeprefix("http://") for one in kept if one)


def _widened(
    policy: Policy, quote: Quote, sentences: Sequence[Sentence], others: Sequence[Policy]
) -> Place | Problem:
    span = _located(quote.text, policy.text, quote.near)
    if span is None:
        owner = next((one for one in others if _located(quote.text, one.text, None)), None)
        return not_found(policy, quote.text, owner)
    if _could_stand_anywhere(span.of(policy.text), policy.text):
        return Problem("quote_too_short", f"the quote {quote.text!r} is too short", policy.id)
    touched = [one for one in sentences if one.start < span.end and one.end > span.start]
    if touched and all(one.kind == HEADING for one in touched):
        return Problem("only_a_title", f"the quote {quote.text!r} is only a title", policy.id)
    whole = Span(
        min([span.start, *(one.start for one in touched)]),
        max([span.end, *(one.end for one in touched)]),
    )
    if whole.end - whole.start > LONGEST_EVIDENCE and len(touched) > 1:
        return Problem(
            "quote_too_long",
            f"the quote {shortened(quote.text)!r} is {whole.end - whole.start:,} characters long",
            policy.id,
        )
    lead_in = touched[0].lead_in if touched else None
    outside = lead_in and not (whole.start <= lead_in.start and lead_in.end <= whole.end)
    return Place(whole, readable(lead_in.of(policy.text)) if lead_in and outside else "")


def _located(quote: str, text: str, near: int | None) -> Span | None:
    """Return where a model's quote stands, punctuation at its ends aside."""
    return find_quote(quote, text, near) or find_quote(quote.strip(_ENDS), text, near)


def _could_stand_anywhere(quote: str, text: str) -> bool:
    wanted = normalise(quote)[0].strip()
    is_short = len(wanted.split()) < _FEWEST_WORDS and len(wanted) < 4 * _FEWEST_WORDS
    return is_short and normalised(text, False)[0].count(wanted) > 1
