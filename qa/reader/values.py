"""Values that a question can demand and that are known by their form.

Of a question for a phone number, a sentence that only says "call us" is near and no answer, however
alike the two are. So a policy whose likeliest sentences hold no such value does not state it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

# What is done with a value is another question than what it is.
_OTHERWISE = re.compile(
    r"\b(?:my|us(?:e|ed|es|ing)|purposes?|happens?|kept|keep|stor(?:e|ed|ing)|shar(?:e|ed|es|ing)|"
    r"collect(?:s|ed|ing)?|process(?:es|ed|ing)?|disclosed?|types?|kinds?|why|third part(?:y|ies))\b",
    re.IGNORECASE,
)


def _demand(value: str, *others: str) -> re.Pattern[str]:
    """Return what finds in a question that it demands a value, which a pattern names."""
    named = (
        r"\b(?:what(?:['’]s| is| are)|give(?: me)?|state|list|tell me|is there an?|do(?:es)? \w+ "
        rf"(?:have|give|list|state|name) an?)\b[^?,]{{0,60}}\b{value}\b"
    )
    asked = rf"\b(?:what|which) {value} (?:can|do(?:es)?|should|may|must|is|reach)"
    return re.compile("|".join((named, asked, *others)), re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Value:
    """A kind of value: ``asked`` finds that a question demands it, ``given`` finds it in a text."""

    name: str
    asked: re.Pattern[str]
    given: re.Pattern[str]

    def is_demanded(self, question: str) -> bool:
        """Tell whether a question asks what the value is, and not what is done with it."""
        return bool(self.asked.search(question)) and not _OTHERWISE.search(question)


VALUES = (
    Value(
        "postal address",
        _demand(
            r"(?:postal|mailing|street|physical|registered|office) address",
            r"\bwhere (?:do|can|should|must) (?:i|we|you|one) (?:send|post|mail) (?:a|my|our) letter",
        ),
        re.compile(
            r"\d{1,5},? (?:(?:[A-Z][\w.]*|rue|via|de|la),? ){1,4}"
            r"|\w(?:str\.|straße|strasse|gatan|straat)\b"
            r"|\b(?:Street|St\.|Road|Rd|Avenue|Ave|Suite|Blvd|Boulevard|P\.?O\.? ?Box|Box|Lane|Drive|"
            r"Square)\b|\b[A-Z]{1,2}\d[\dA-Z]? ?\d[A-Z]{2}\b|\b\d{4,6},? [A-Z]|\b\d{3} \d{2} [A-Z]"
            r"|\b\d{5,6}\b"
        ),
    ),
    Value(
        "phone number",
        _demand(
            r"(?:(?:tele)?phone|fax|hotline|helpline) number",
            r"\bnumber (?:can|do|should|may) (?:i|we|one) (?:call|dial|ring)",
        ),
        re.compile(r"\+?\(?\d[\d ()./-]{6,}\d|\+\d|\b1-8\d\d"),
    ),
    Value(
        "e-mail address",
        _demand(r"e-?mail(?: address)?(?!es)"),
        re.compile(r"\S@\S|\[at\]|\(at\)|\bat \S+ dot\b|\[email", re.IGNORECASE),
    ),
)


def lacks_value(question: str, texts: Iterable[str]) -> bool:
    """Tell whether a question demands a kind of value that none of the texts has.

    >>> lacks_value("What is their phone number?", ["Call us.", "Write to a@b.example."])
    True
    >>> lacks_value("Is my phone number shared?", ["We share it."])
    False
    """
    read = list(texts)
    return any(
        not any(value.given.search(text) for text in read)
        for value in VALUES
        if value.is_demanded(question)
    )
