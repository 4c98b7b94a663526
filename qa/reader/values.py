"""Values that a question can demand and that are known by their form.

Of a question for a phone number, a sentence that only says "call us" is near and no answer, however
alike the two are. So a policy whose likeliest sentences hold no such value does not state it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_ASKED = r"\b(?:what|which|where|give|list|state|tell|is there|have)\b(?!.*\bmy\b).*"


@dataclass(frozen=True, slots=True)
class Value:
    """A kind of value: ``asked`` finds that a question demands it, ``given`` finds it in a text."""

    name: str
    asked: re.Pattern[str]
    given: re.Pattern[str]


VALUES = (
    Value(
        "postal address",
        re.compile(
            rf"{_ASKED}\b(?:postal|mailing|street|physical|registered|office) address"
            r"|\bwhere (?:do|can|should|must) (?:i|we|you|one) (?:send|post|mail) (?:a|my|our) letter",
            re.IGNORECASE,
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
        re.compile(
            rf"{_ASKED}\b(?:phone|fax|hotline|helpline) number"
            r"|\bnumber (?:can|do|should|may) (?:i|we|one) (?:call|dial|ring)",
            re.IGNORECASE,
        ),
        re.compile(r"\+?\(?\d[\d ()./-]{6,}\d|\+\d|\b1-8\d\d"),
    ),
    Value(
        "e-mail address",
        re.compile(
            rf"{_ASKED}\be-?mail address(?!es)|\b(?:what|which) e-?mail (?:can|do|should|may|is)\b",
            re.IGNORECASE,
        ),
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
        if value.asked.search(question)
    )
