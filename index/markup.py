"""A text as it reads: without Markdown's marks, escapes, link targets and line breaks."""

from __future__ import annotations

import re
from functools import lru_cache

# Bounded, or a text full of opening brackets takes time that grows with its square.
_LINK = re.compile(r"!?\[([^\]]{0,500})\]\((?:[^()\s]|\([^()]*\))*(?:\s+\"[^\"]*\")?\)")
_ESCAPED = re.compile(r"\\(?=[\\`*_{}\[\]()#+.!|<>~-])")
# Single marks only in pairs around words: "ln_or", "_ga" and "2 * 3" are no emphasis.
_MARKS = re.compile(
    r"\*{2,3}|`+|(?<!\w)(?P<mark>__?|\*)(?=\S)(?P<words>[^\n]{1,200}?)(?<=\S)(?P=mark)(?!\w)"
    r"|^\s*\|[\s|:-]*-{3,}[\s|:-]*$|^[#>|\s]+",
    re.MULTILINE,
)


# Every question reads the same sentences.
@lru_cache(maxsize=16_384)
def readable(text: str) -> str:
    """Return a text as it reads, on one line.

    >>> readable("See **our** [policy](https://a.example) on _ga and ln_or.")
    'See our policy on _ga and ln_or.'
    """
    unmarked = _MARKS.sub(r"\g<words>", _LINK.sub(r"\1", text))
    return " ".join(_ESCAPED.sub("", unmarked.replace("|", " ")).split())
