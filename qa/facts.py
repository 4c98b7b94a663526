"""What a statement may only have from its quotes: figures, dates, addresses and links. Pure.

Not whether the quotes bear a statement out, which no program can tell, but whether a figure was made up,
or put together from two: "90 years" of "90 days" and "2 years". Numbers are read in digits and in words
and with their units; a length of time is the same in months and in years.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, NamedTuple

from qa.verify import normalise

_END = r"[^\s<>\"()\[\]]"
_LINK = re.compile(
    rf"(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)+|(?:[a-z]+://|www\.|(?:mailto|javascript|tel|file):){_END}+|"
    rf"(?<![\w.-])(?!(?:e\.g|i\.e)\.)[\w-]+(?:\.[\w-]+)*\.[^\W\d_]{{2,}}(?:/{_END}*)?",
    re.IGNORECASE,
)
_BEFORE_HOST = re.compile(r"^(?:https?://|mailto:)?(?:www\.)?", re.IGNORECASE)
_AFTER_LINK = ".,;:!?'/"
# What spells numbers out knows no hyphens.
_HYPHEN = re.compile(r"(?<=[A-Za-z])-(?=[A-Za-z])")
_PHONE = re.compile(r"(?<![\w.])(?:\+|\(\+?|0)\d[\d ()./-]{5,}\d")
_THOUSANDS = re.compile(r"(?<![\d.,])\d{1,3}(?:([,. ])\d{3})(?:\1\d{3})*(?![\d])")
_SCALED = re.compile(
    r"(?<![\d.])(?P<number>\d+(?:\.\d+)?)"
    r"(?:[ -]?(?P<scale>hundred|thousand|million|billion|k\b|mn\b|bn\b|M\b)|"
    r"(?<=[$€£]\d)m\b|(?<=[$€£]\d\d)m\b|(?<=[$€£]\d\d\d)m\b)"
)
_SCALES = {"hundred": 100, "thousand": 1000, "k": 1000, "billion": 10**9, "bn": 10**9}
_MILLION = 10**6
_ALSO = {"twice": "2 times", "thrice": "3 times", "dozen": "12", "half": "½"}
_ALSO_WORD = re.compile(rf"\b(?:{'|'.join(_ALSO)})\b", re.IGNORECASE)
_AND_A_HALF = re.compile(r"(?<=\d) and (?:an? )?½")

_UNITS: dict[str, str] = {
    "second": r"seconds|secs?", "minute": r"minutes?|mins?", "hour": r"hours?|hourly|hrs?",
    "day": r"days?|daily", "night": r"nights?", "week": r"weeks?|weekly|wks?",
    "fortnight": r"fortnights?|fortnightly", "month": r"months?|monthly",
    "quarter": r"quarters?|quarterly", "year": r"years?|yearly|annually|yrs?",
    "decade": r"decades?", "century": r"century|centuries",
    "%": r"%|percent|per cent", "$": r"\$|dollars?|usd", "€": r"€|euros?|eur",
    "£": r"£|pounds?|gbp", "KB": r"kb|kilobytes?", "MB": r"mb|megabytes?", "GB": r"gb|gigabytes?",
    "TB": r"tb|terabytes?",
}  # fmt: skip
# Of a second, and of a month: what one of them comes to.
_SECONDS = {
    "second": 1, "minute": 60, "hour": 3600, "day": 86_400, "week": 604_800, "fortnight": 1_209_600,
}  # fmt: skip
_MONTHS = {"month": 1, "quarter": 3, "year": 12, "decade": 120, "century": 1200}
_BASES = {
    **{unit: ("second", factor) for unit, factor in _SECONDS.items()},
    **{unit: ("month", factor) for unit, factor in _MONTHS.items()},
}
_SHORT = {"h": "hour", "d": "day", "mo": "month", "mos": "month", "y": "year"}
"""Units only right behind a number."""
_CALENDAR = (
    "January February March April May June July August September October November December"
).split()
_MONTH = "|".join(rf"{name}|{name[:3]}\b\.?" for name in _CALENDAR) + r"|Sept\b\.?"
_BEFORE_NUMBER = frozenset("$€£")
_TOKEN = re.compile(
    r"(?P<number>\d+(?:[.,:/]\d+)*|[²³¹¼-¾⁰-₉⅐-ↈ①-⓿])(?P<nth>(?i:st|nd|rd|th)\b)?|"
    rf"(?P<month>\b(?:{_MONTH})(?!\w))|"
    rf"(?P<unit>[$€£%]|(?<![^\W\d])(?i:{'|'.join(_UNITS.values())})(?![^\W\d]))|"
    rf"(?:(?<=\d)|(?<=\d ))(?P<short>{'|'.join(_SHORT)})\b|"
    r"(?P<between>\b(?i:or|to|and|of|calendar|business|working|full|whole|more|further|additional|"
    r"consecutive|rolling)\b|[-/(),])|"
    r"(?P<one>\b(?i:an?|one)\b)|(?P<word>\w+)"
)
_FREQUENCY = frozenset({"once", "times"})
"""After them "a year" is no length of time."""
_AGE = frozenset({"age", "aged", "ages", "under", "below"})
_COUNTED = re.compile(
    r"kinds?|types?|categor\w+|ways?|reasons?|purposes?|cases?|conditions?|groups?|situations?|grounds?|"
    r"options?|exceptions?|circumstances?|points?|things?|steps?"
)
"""What a statement may count for itself, up to ten of them."""
_FARTHEST = 8

Kind = Literal["number", "nth", "month", "unit", "between", "one", "word"]


class _Token(NamedTuple):
    kind: Kind
    value: str


_NOTHING = _Token("word", "")


@dataclass(frozen=True, slots=True)
class _Figure:
    """A number, a unit, or both, such as ``90`` and ``day`` of "ninety calendar days"."""

    number: str | None
    unit: str | None

    def __str__(self) -> str:
        return " ".join(filter(None, (self.number, self.unit)))

    @property
    def amount(self) -> tuple[str | None, str | None]:
        """The figure in the unit that all of its kind come to."""
        base, factor = _BASES.get(self.unit or "", (self.unit, 1))
        if self.number is None or not _is_plain(self.number):
            return self.number, base
        return _plain(Decimal(self.number) * factor), base


def strange(statement: str, quotes: str) -> str | None:
    """Return the first figure, address or link of a statement that its quotes do not have, or None.

    >>> strange("Two years, or 1,000 times.", "For a 24-month period (1000 times).")
    >>> strange("Kept for 90 years.", "Logs are kept for 90 days, accounts for 2 years.")
    '90 year'
    >>> strange("See https://a.example/b.", "See www.a.example/c for more.")
    'a.example/b'
    """
    own, theirs = _same(statement), _same(quotes)
    known = set(_links(theirs))
    if made_up := next((link for link in _links(own) if link not in known), None):
        return made_up
    figures = list(_figures(theirs))
    amounts = {one.amount for one in figures if one.number}
    numbers = {one.number for one in figures}
    bare = {one.number for one in figures if not one.unit}
    units = {one.unit for one in figures}
    alone = {one.unit for one in figures if not one.number}
    for figure in _figures(own, is_claimed=True):
        if figure.number is None:
            is_known = figure.unit in units
        elif figure.unit is None:
            is_known = figure.number in numbers
        else:
            # A table's head may have the unit of its numbers.
            is_known = figure.amount in amounts or (figure.number in bare and figure.unit in alone)
        if not is_known:
            return str(figure)
    return None


def _same(text: str) -> str:
    return normalise(text)[0].replace("[.]", ".").replace("(.)", ".")


def _links(text: str) -> Iterator[str]:
    """Yield the addresses and links of a text, and of each link its host too."""
    for found in _LINK.findall(text):
        link = _BEFORE_HOST.sub("", found).rstrip(_AFTER_LINK).lower()
        yield link
        yield link.partition("://")[2].split("/")[0] or link.split("/")[0]


def _figures(text: str, *, is_claimed: bool = False) -> Iterator[_Figure]:
    """Yield a text's numbers with their units, then the units of none.

    Of one that ``is_claimed``, only what must stand elsewhere: not the numbers of its own points.

    >>> [str(one) for one in _figures("13 or 18 (eighteen) years, a month, $5; one of us, daily")]
    ['13 year', '18 year', '18 year', '1 month', '5 $', 'day']
    """
    tokens = [_NOTHING, *_tokens(text), _NOTHING, _NOTHING]
    taken: set[int] = set()
    for at in range(1, len(tokens) - 2):
        kind, value = tokens[at]
        if kind not in {"number", "nth", "one"} or (kind == "one" and _is_no_number(tokens, at)):
            continue
        place = _unit_of(tokens, at)
        taken.add(place)
        unit = tokens[place].value if place else None
        if kind == "one":
            if unit:
                yield _Figure("1", unit)
        elif unit or not (kind == "nth" or (is_claimed and _is_own_point(tokens, at))):
            yield _Figure(value, unit)
            if not unit and _AGE & {token.value.lower() for token in tokens[max(0, at - 3) : at]}:
                yield _Figure(value, "year")
    yield from (
        _Figure(None, token.value)
        for at, token in enumerate(tokens)
        if token.kind == "unit" and at not in taken
    )


def _is_no_number(tokens: list[_Token], at: int) -> bool:
    """Tell whether "a" or "one" is none: 2 a year, a 30-day period, once a year."""
    around = {tokens[at - 1].kind, tokens[at + 1].kind}
    return "number" in around or tokens[at - 1].value.lower() in _FREQUENCY


def _is_own_point(tokens: list[_Token], at: int) -> bool:
    """Tell whether a number is what a statement counts itself: "(1)", "three kinds of data"."""
    number, after = tokens[at].value, tokens[at + 1 : at + 3]
    if tokens[at - 1].value == "(" and after[0].value == ")":
        return True
    return number in {str(n) for n in range(2, 11)} and any(
        one.kind == "word" and _COUNTED.fullmatch(one.value.lower()) for one in after
    )


def _unit_of(tokens: list[_Token], at: int) -> int:
    """Return the place of a number's unit, past other numbers ("30 or 60 days"); 0 if it has none."""
    before = tokens[at - 1]
    if before.value in _BEFORE_NUMBER or before.kind == "month":
        return at - 1
    for place in range(at + 1, min(at + _FARTHEST, len(tokens))):
        if tokens[place].kind in {"unit", "month"}:
            return place
        if tokens[place].kind not in {"number", "between"}:
            break
    return 0


def _tokens(text: str) -> Iterator[_Token]:
    # Only where a language model is configured, whose extras bring it.
    from text_to_num import alpha2digit

    plain = _PHONE.sub(lambda found: re.sub(r"[^\d]", "", found[0]), _LINK.sub(" ; ", text))
    plain = _THOUSANDS.sub(lambda found: found[0].replace(found[1], ""), plain)
    plain = _SCALED.sub(_scaled, _HYPHEN.sub(" ", plain))
    plain = _ALSO_WORD.sub(lambda found: _ALSO[found[0].lower()], plain)
    # Above 1: "one" is a number only before a unit, as "a" is.
    plain = alpha2digit(plain, "en", threshold=1.5)
    plain = _THOUSANDS.sub(lambda found: found[0].replace(found[1], ""), plain)
    for found in _TOKEN.finditer(_AND_A_HALF.sub(".5", plain)):
        kind = found.lastgroup or ""
        if found["number"]:
            number = found["number"]
            yield _Token(
                "nth" if found["nth"] else "number",
                _plain(Decimal(number)) if _is_plain(number) else number,
            )
        elif found["month"]:
            yield _Token("month", found["month"][:3])
        elif found["short"]:
            yield _Token("unit", _SHORT[found["short"]])
        elif found["unit"]:
            yield _Token("unit", _named(found["unit"]))
        else:
            yield _Token(kind, found[0])  # type: ignore[arg-type]


def _scaled(found: re.Match[str]) -> str:
    factor = _SCALES.get(found["scale"] or "", _MILLION)
    return _plain(Decimal(found["number"]) * factor)


def _is_plain(number: str) -> bool:
    return re.fullmatch(r"[0-9]{1,30}(?:\.[0-9]{1,30})?", number) is not None


def _plain(number: Decimal) -> str:
    return f"{number.normalize():f}"


def _named(form: str) -> str:
    return next(unit for unit, forms in _UNITS.items() if re.fullmatch(forms, form, re.IGNORECASE))
