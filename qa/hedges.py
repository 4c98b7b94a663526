"""What takes back part of what a policy says: "may", "such as", "unless", and whole exceptions.

A promise with a way out is not the promise alone, so answers name these words, and quote the
sentence that makes an exception together with the rule it is made from.
"""

from __future__ import annotations

import re

_PLACE = r"(?:the )?[A-Z]\w*(?:[ -][A-Z]\w*)*"
_HEDGES = re.compile(
    r"\b(?:"
    # It is left open whether it happens, or how far.
    r"may(?: not)?|might|at (?:our|its|their) (?:sole )?discretion|from time to time|reasonabl[ey]|"
    r"where (?:appropriate|possible|applicable)|"
    r"as (?:long|far) as (?:is |it is |we deem |reasonably )?(?:necessary|needed|required|possible)|"
    # The list is open.
    r"such as|for (?:example|instance)|including(?:,? but not limited to|,? without limitation)?|"
    r"among others?|e\.g|etc|"
    # It depends.
    r"unless|except(?: (?:for|as|where|when|if|that))?|with the exception of|other than|"
    r"only (?:if|when|where)|provided that|subject to|to the extent|"
    r"(?:as|if|when|where) (?:permitted|required|allowed) by (?:applicable )?laws?|"
    # It is so for some only.
    r"in (?:certain|some|limited|exceptional) (?:cases|circumstances|instances|jurisdictions)|"
    rf"(?:residents|citizens) of {_PLACE}|(?:reside|living|if you are(?: located)?) in {_PLACE}|"
    r"(?:under|below|over) (?:the age of )?\d{2}(?: years)?(?: of age| old)?"
    r")\b"
)
_EXCEPTION = re.compile(
    r"(?:Please note(?:,? however)?,?(?: that)?,? )?"
    r"(?:[Hh]owever|But|Exceptions?|The (?:only )?exception|Nevertheless|Nonetheless|That said|"
    r"Otherwise|Conversely|"
    # "This Privacy Policy does not cover" is about everything, not about the sentence before.
    r"(?:This|These|The (?:above|foregoing))(?: (?![Pp]rivacy|[Pp]olic)\w+){0,3}"
    r" (?:does|do|may|will|shall)(?: not|n['’]t) (?:always )?(?:apply|extend|cover)|"
    r"In (?:certain|some|limited|exceptional|rare) (?:cases|circumstances|instances|situations))\b"
)


def hedges(text: str) -> tuple[str, ...]:
    """Return the words of a text that qualify it, as they stand there, each once.

    >>> hedges("We may share data, such as your name, unless you live in the EU.")
    ('may', 'such as', 'unless')
    """
    return tuple(dict.fromkeys(" ".join(found[0].split()) for found in _HEDGES.finditer(text)))


def is_exception(text: str) -> bool:
    """Tell whether a sentence opens by limiting the one before it.

    >>> is_exception("However, invoices are kept for ten years.")
    True
    """
    return bool(_EXCEPTION.match(text))
