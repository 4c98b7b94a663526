"""What a policy is called: its title, the names and domains of its company, its date.

Names come from four places: the file's name, the title, definitions (``X ("X," "we" or "us")``)
and legal names next to words such as "operated by". A domain counts as the policy's own when its
label is one of those names (``privacy@wecloudit.nl`` in WeCloudit's policy).
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from itertools import islice

from index.markup import readable

_TITLE_LINES = 12
_TITLE_LIMIT, _TITLE_WORDS = 100, 12
_OPENING = 4_000
_TITLE_WORD = re.compile(
    r"priva|confiden|datenschutz|protec[tç]|données|gegevens|cookie policy|data (?:policy|notice)",
    re.IGNORECASE,
)
_NOT_A_NAME = frozenset(
    (
        "a an the and or of for to in on de du la le des der die das our your this website "
        "site app apps application service services platform product products group company "
        "policy policies privacy notice statement terms use data protection global cookie "
        "cookies online extension dashboard english en us eu uk we you customers users "
        "version updated archive copy inc llc ltd limited gmbh corp collectively agreement pp "
        "pii tos information personal who what how general legal advertising consumer choices "
        "rights centre center california european business full main"
    ).split()
)
_LEGAL_FORM = (
    r"(?:Inc\.?|LLC|L\.L\.C\.|Ltd\.?|LTD\.?|Limited|GmbH|B\.V\.|BV|AG|SE|S\.A\.|SAS|S\.r\.l\.|plc|PLC|"
    r"Pty\.? Ltd\.?|Corp\.?|Corporation|Co\.|AB|AS|Oy|ApS|s\. ?r\. ?o\.)"
)
_NAME = r"[A-Z0-9][\w&.’'-]*(?: (?:[A-Z0-9&][\w&.’'-]*|of|and|the)){0,5}"
_DEFINED = re.compile(
    rf"(?P<left>{_NAME})\s*\((?P<inside>[^()]{{0,120}}[“\"][^()]{{1,120}}[”\"][^()]{{0,40}})\)"
)
_QUOTED = re.compile(r"[“\"]([^”\"]{1,40}?)[,.]?[”\"]")
_SELF = re.compile(r"[“\"](?:we|us|our)[,.]?[”\"]", re.IGNORECASE)
_LEGAL = re.compile(
    rf"(?:powered|operated|provided|owned|run|published|offered|controlled) by (?:the )?"
    rf"(?P<by>{_NAME}?)[ ,]+{_LEGAL_FORM}(?!\w)|(?P<own>{_NAME}?),? {_LEGAL_FORM}(?!\w)"
)
_DOMAIN = re.compile(
    r"(?<![\w.-])(?:[\w-]+\.)*(?P<label>[\w-]{2,40})\.(?P<top>[a-z]{2,12})(?![\w-])", re.I
)
_CAMEL = re.compile(r"\b(?=\w*[a-z])(?=\w*[A-Z]\w*[A-Z])\w+\b|\b[A-Za-z]+\d[a-z]\w*\b")
_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
_MONTH = (
    r"(?P<month>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|"
    r"sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\b\.?"
)
_DAY, _YEAR = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?", r"(?P<year>(?:19|20)\d\d)"
_DATES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"{_YEAR}-(?P<number>\d{{1,2}})-{_DAY}\b",
        rf"{_DAY}[ .]+(?:of )?{_MONTH},? +{_YEAR}\b",
        rf"{_MONTH} +{_DAY},? +{_YEAR}\b",
        rf"{_MONTH},? +{_YEAR}\b",
        rf"{_DAY}[./-](?P<number>\d{{1,2}})[./-]{_YEAR}\b",
    )
)
_UPDATED = re.compile(
    r"\b(?:(?:last|latest|most recently)[ -](?:updated?|revis\w+|modifi\w+|amended|changed?|reviewed)|"
    r"updated|effective(?: date| as of)?|revised|date of last \w+|version|in force (?:since|from))"
    r"\b(?: on| date| as of)?\W{0,6}(?=(?P<when>[^\n]{0,40}))",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Names:
    """``names`` and ``domains`` are as written, best first, without repeats."""

    title: str
    names: tuple[str, ...]
    domains: tuple[str, ...]
    updated: date | None


def squash(name: str) -> str:
    """Return a name as names are compared: lower case, letters and digits only.

    >>> squash("We-Cloudit's")
    'wecloudits'
    """
    folded = unicodedata.normalize("NFKD", name).casefold()
    return "".join(character for character in folded if character.isalnum())


def slug(stem: str) -> str:
    """Return a file's stem as an id: lower case ASCII letters, digits and hyphens.

    >>> slug("Acme Corp. (2024)")
    'acme-corp-2024'
    """
    folded = unicodedata.normalize("NFKD", stem).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", folded).strip("-") or "policy"


def find_names(stem: str, text: str) -> Names:
    """Read what a policy calls itself. ``stem`` is its file's name without the suffix."""
    own = _as_written(stem, text)
    line = _title_line(text)
    candidates = [own, *_from_title(line), *_defined(text), *_legal(text, stem)]
    names = _unique(candidate for candidate in candidates if is_name(candidate))
    known = {squash(name) for name in names} | {squash(stem)}
    domains = _unique(
        match.group().lower().removeprefix("www.")
        for match in _DOMAIN.finditer(text)
        if squash(match["label"]) in known
    )
    return Names(line or own, names or (own,), tuple(domains), find_date(text))


def find_date(text: str) -> date | None:
    """Return the date the policy says it was last updated or took effect, if it says one.

    >>> find_date("Updated: 03-06-2019")
    datetime.date(2019, 6, 3)
    """
    for match in _UPDATED.finditer(text):
        for pattern in _DATES:
            if found := pattern.match(match["when"].lstrip(" :*_–—-")):
                try:
                    return _date(found)
                except ValueError:
                    continue
    return None


def _date(found: re.Match[str]) -> date:
    groups = found.groupdict()
    word = groups.get("month")
    month = _MONTHS.index(word[:3].lower()) + 1 if word else int(groups["number"])
    day = int(groups.get("day") or 1)
    # "06/23/2019" can only be month first; "03-06-2019" is read day first, as most of the world does.
    if not word and month > 12 >= day:
        day, month = month, day
    return date(int(groups["year"]), month, day)


def _title_line(text: str) -> str:
    """Return the first of the opening lines that reads like a title of a policy, or ``""``."""
    lines = (readable(line) for line in text.splitlines())
    for line in islice(filter(None, lines), _TITLE_LINES):
        ends = line.rstrip("*_ ")[-1:]
        short = len(line) <= _TITLE_LIMIT and len(line.split()) <= _TITLE_WORDS
        if short and line[0].isalnum() and _TITLE_WORD.search(line) and ends not in ".:;!,":
            return line
    return ""


def _as_written(stem: str, text: str) -> str:
    """Return the file's name the way the policy's text writes it, if it does."""
    parts = [re.escape(part) for part in re.split(r"[\W_]+", stem) if part]
    if not parts:
        return stem
    pattern = rf"(?<!\w){r'[ ._-]?'.join(parts)}(?!\w)"
    written = Counter(re.findall(pattern, text, re.IGNORECASE))
    capitals = [(count, form) for form, count in written.items() if not form.islower()]
    return max(capitals)[1] if capitals else stem


def _from_title(title: str) -> list[str]:
    """Return the names in a title: what generic words leave over, and words such as ``UCBee``."""
    pieces = re.split(r"\s+[-–—|:]\s+|\s*[|:]\s*", title)
    names = []
    for piece in pieces:
        words = [word.strip("“”\"'(),.") for word in piece.split()]
        rest = [word for word in words if word and word.lower() not in _NOT_A_NAME]
        if 0 < len(rest) <= 3 and all(word[0].isupper() or word[0].isdigit() for word in rest):
            names.append(" ".join(rest))
    return [*names, *_CAMEL.findall(title)]


def _defined(text: str) -> list[str]:
    """Return what the opening defines as "we": ``Webee (“Webee,” “we” or “us”)``."""
    names = []
    for match in _DEFINED.finditer(text[:_OPENING]):
        if not _SELF.search(match["inside"]):
            continue
        names.append(re.sub(rf",? {_LEGAL_FORM}$", "", match["left"]))
        names += [name for name in _QUOTED.findall(match["inside"]) if name[0].isupper()]
    return names


def _legal(text: str, stem: str) -> list[str]:
    """Return legal names of the company behind the policy, not of those it mentions."""
    names = []
    for match in _LEGAL.finditer(text[:_OPENING]):
        name = (match["by"] or match["own"] or "").strip()
        first = squash(name.split(" ")[0]) if name else ""
        if match["by"] or (len(first) >= 4 and squash(stem).startswith(first)):
            names.append(name)
    return names


def is_name(name: str) -> bool:
    """Tell whether a name tells one company from another, as "Privacy Policy" does not."""
    return 2 <= len(squash(name)) <= 40 and not all(
        word in _NOT_A_NAME for word in re.findall(r"[^\W\d]+", name.lower())
    )


def _unique(names: Iterable[str]) -> tuple[str, ...]:
    found: dict[str, str] = {}
    for name in names:
        found.setdefault(squash(name), name)
    return tuple(found.values())
