"""What a statement may only have from its quotes: numbers and their units, addresses, links. Pure.

Not whether the quotes bear it out, which no program can tell, but whether a figure was made up, or put
together from two: ``90 years`` of ``90 days`` and ``2 years``.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from qa.verify import normalise

_LINK = re.compile(
    r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+|(?:https?://|www\.)[^\s<>\"()\[\]]+|"
    r"[\w-]+(?:\.[\w-]+)*\.[^\W\d_]{2,}(?:/[^\s<>\"()\[\]]*)?",
    re.IGNORECASE,
)
_BEFORE_HOST = re.compile(r"^(?:https?://)?(?:www\.)?", re.IGNORECASE)
_AFTER_LINK = ".,;:!?'/"
# "(ninety)-day" is read as "ninety day"; what spells numbers out knows no hyphens.
_HYPHEN = re.compile(r"(?<=[A-Za-z])-(?=[A-Za-z])")
_SCALED = re.compile(r"(\d+(?:\.\d+)?)[ -](hundred|thousand|million|billion)\b")
_SCALES = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9}
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}\b)")
_ALSO = {"twice": "2 times", "thrice": "3 times", "dozen": "12", "half": "½"}
_ALSO_WORD = re.compile(rf"\b(?:{'|'.join(_ALSO)})\b")
_UNITS: dict[str, str] = {
    "second": r"seconds|secs?",
    "minute": r"minutes?|mins?",
    "hour": r"hours?|hourly|hrs?",
    "day": r"days?|daily",
    "week": r"weeks?|weekly",
    "fortnight": r"fortnights?|fortnightly",
    "month": r"months?|monthly",
    "quarter": r"quarters?|quarterly",
    "year": r"years?|yearly|annual|annually|yrs?",
    "decade": r"decades?",
    "century": r"century|centuries",
    "%": r"%|percent|per cent|percentage",
    "$": r"\$|dollars?|usd",
    "€": r"€|euros?|eur",
    "£": r"£|pounds?|gbp",
}
_ANY_UNIT = "|".join(_UNITS.values())
_BEFORE_NUMBER = frozenset("$€£")
_TOKEN = re.compile(
    r"(?P<number>\d+(?:[.,:/]\d+)*|[²³¹¼-¾⁰-₉⅐-ↈ①-⓿])(?P<nth>(?:st|nd|rd|th)\b)?|"
    rf"(?<![^\W\d])(?P<unit>{_ANY_UNIT})(?![^\W\d])|"
    r"(?P<between>\b(?:or|to|and|calendar|business|working|full|whole|more|further|"
    r"additional|consecutive|rolling)\b|[-/(),])|"
    r"(?P<one>\b(?:an?|one)\b)|(?P<word>\w+)"
)
_FREQUENCY = frozenset({"once", "times"})
"""After them "a year" is no length of time."""
_SMALL_ORDINAL = 4
"""Below it an ordinal counts nothing: a first party, a third country."""
_FARTHEST = 8

Kind = Literal["number", "unit", "between", "one", "word"]


@dataclass(frozen=True, slots=True)
class _Figure:
    """A number, a unit, or both, such as ``90`` and ``day`` of "ninety calendar days"."""

    number: str | None
    unit: str | None

    def __str__(self) -> str:
        return " ".join(filter(None, (self.number, self.unit)))


def strange(statement: str, quotes: str) -> str | None:
    """Return the first figure, address or link of a statement that its quotes do not have, or None.

    >>> strange("Ninety days, or 1,000 times.", "For a ninety-day period (1000 times).")
    >>> strange("Kept for 90 years.", "Logs are kept for 90 days, accounts for 2 years.")
    '90 year'
    >>> strange("See https://a.example/b.", "See www.a.example/c for more.")
    'a.example/b'
    """
    own, theirs = normalise(statement)[0], normalise(quotes)[0]
    known = set(_links(theirs))
    for link in _links(own):
        if link not in known:
            return link
    units: dict[str | None, set[str | None]] = defaultdict(set)
    for figure in _figures(theirs):
        units[figure.number].add(figure.unit)
    named = set().union(*units.values()) - {None}
    for figure in _figures(own):
        of_it = units[figure.number] if figure.number else named
        # A number may stand without its unit, as in a table whose head has it, or an age.
        is_bare = None in of_it and (figure.unit in named or not named)
        if not of_it or not (figure.unit in of_it or is_bare or figure.unit is None):
            return str(figure)
    return None


def _links(text: str) -> Iterator[str]:
    """Yield the addresses and links of a text, and of each link its host too."""
    for found in _LINK.findall(text):
        link = _BEFORE_HOST.sub("", found).rstrip(_AFTER_LINK)
        yield link.lower()
        yield link.lower().split("/")[0]


def _figures(text: str) -> Iterator[_Figure]:
    """Yield a text's numbers with their units, and the units of none.

    >>> [str(one) for one in _figures("13 or 18 (eighteen) years, a month, $5; one of us, daily")]
    ['13 year', '18 year', '18 year', '1 month', '5 $', 'day']
    """
    tokens = list(_tokens(text))
    taken: set[int] = set()
    for at, (kind, value) in enumerate(tokens):
        before, after = ([("word", ""), *tokens, ("word", "")][i] for i in (at, at + 2))
        # Once a year, 2 a year, a 30-day period.
        if kind == "one" and ("number" in {before[0], after[0]} or before[1] in _FREQUENCY):
            continue
        if kind in {"number", "one"}:
            is_price = kind == "number" and before[1] in _BEFORE_NUMBER
            place = at - 1 if is_price else _unit_after(tokens, at)
            unit = tokens[place][1] if place is not None else None
            if kind == "number" or unit:
                yield _Figure(value if kind == "number" else "1", unit)
            if place is not None:
                taken.add(place)
    yield from (
        _Figure(None, value)
        for at, (kind, value) in enumerate(tokens)
        if kind == "unit" and at not in taken
    )


def _unit_after(tokens: list[tuple[Kind, str]], at: int) -> int | None:
    """Return the place of the unit of the number at a place, past other numbers: "30 or 60 days"."""
    for place in range(at + 1, min(at + _FARTHEST, len(tokens))):
        if tokens[place][0] == "unit":
            return place
        if tokens[place][0] not in {"number", "between"}:
            return None
    return None


def _tokens(text: str) -> Iterator[tuple[Kind, str]]:
    # Only where a language model is configured, whose extras bring it.
    from text_to_num import alpha2digit

    plain = _HYPHEN.sub(" ", _LINK.sub(" ; ", text).lower())
    plain = _SCALED.sub(
        lambda found: f"{(Decimal(found[1]) * _SCALES[found[2]]).normalize():f}", plain
    )
    plain = _ALSO_WORD.sub(lambda found: _ALSO[found[0]], plain)
    # Above 1: "one" is a number only before a unit, as "a" is.
    plain = _THOUSANDS.sub("", alpha2digit(plain, "en", threshold=1.5))
    for found in _TOKEN.finditer(plain):
        kind: Kind = found.lastgroup if found.lastgroup != "nth" else "number"  # type: ignore[assignment]
        value = found[kind]
        if found["nth"] and value.isdecimal() and int(value) < _SMALL_ORDINAL:
            kind = "word"
        yield kind, _named(value) if kind == "unit" else value


def _named(form: str) -> str:
    return next(unit for unit, forms in _UNITS.items() if re.fullmatch(forms, form))
