"""Which policies a question is about, and which companies it names that are not indexed.

A name is found word by word, compared without case, spaces or punctuation; a typo is tolerated
where it cannot be another company's name. A company counts as unknown only in the place of the
owner ("Spotify's") or the subject ("does Spotify …"), and only if no indexed policy mentions it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rapidfuzz.distance import OSA

from index.errors import AmbiguousNameError, UnknownPolicyError
from index.names import squash
from index.types import Policy
from qa.reader.words import is_common

_WORD = re.compile(r"[^\W_](?:[\w.&@-]*\w)?(?:['’]s\b)?")
_POSSESSIVE = re.compile(r"['’]s?$")
_LONGEST_NAME = 5
_TYPO_FLOOR, _LONG_NAME = 5, 8
_AUXILIARY = (
    r"(?:do|does|did|can|could|will|would|has|have|had|is|are|was|were|may|might|must|should|shall)"
)
_PROPER = r"(?:[A-Z][\w&-]*(?:\.[a-z]{2,4}\b)?(?:[ -](?:[A-Z][\w&-]*))*)"
_VERB = (
    r"(?:\w+ly |also |ever |still |not )*(?:be |been |being )?(?:allowed|able|collect|gather|keep|hold|"
    r"store|retain|share|sell|use|process|track|delete|erase|protect|encrypt|offer|allow|require|"
    r"disclose|transfer|record|log|ask|send|give|provide|have|need|respond|honou?r|comply|know|see|"
    r"read|save|monitor|access|train|get|make|let|handle|treat|say|state|mention|support|charge|"
    r"notify|inform|tell|own|rent|trade|profile|target|buy|receive|obtain|accept|set|place|do)"
)
_SUBJECTS = (
    re.compile(rf"\b{_AUXILIARY}(?:n['’]t)?\s+(?P<name>{_PROPER})\s+{_VERB}\w*\b", re.IGNORECASE),
    re.compile(r"\b(?:according to|under|in|of|by|with|at|about)\s+(?P<name>[\w&.-]+)['’]s\b"),
    re.compile(rf"(?P<name>{_PROPER})['’]s?\s+\w+"),
)
# Owners and subjects that are no companies: laws, places, authorities, people's roles.
_NO_COMPANY = frozenset(
    squash(word)
    for word in (
        "i it its this that the they you your we us our one who what which he she someone "
        "anyone everyone people user users customer customers visitor visitors child children "
        "kid kids parent parents minor minors teen teens employee employees applicant "
        "applicants advertiser advertisers authorities police court courts government "
        "governments law laws country state company companies business app apps application "
        "site website websites service services platform product products policy policies "
        "notice statement document provider providers vendor vendors partner partners "
        "affiliates data information cookie cookies personal today gdpr ccpa cpra coppa hipaa "
        "lgpd pipeda dsgvo ferpa dnt gpc dpo eu eea uk us usa un europe european union "
        "america american california californian virginia colorado texas germany german "
        "france french spain spanish italy italian netherlands dutch ireland irish belgium "
        "switzerland swiss austria poland sweden norway denmark finland canada canadian "
        "mexico brazil india indian china chinese japan japanese korea singapore australia "
        "australian russia russian israel turkey ukraine africa asia london paris berlin "
        "amsterdam dublin brussels york washington delaware english ip id ai api url pii phi "
        "monday tuesday friday january february march april june july august september "
        "october november december"
    ).split()
)


@dataclass(frozen=True, slots=True)
class Route:
    """The ids of the policies in scope, and the companies asked about that are not indexed."""

    policies: tuple[str, ...]
    unknown_names: tuple[str, ...]


def route(question: str, policies: Sequence[Policy], chosen: Sequence[str] = ()) -> Route:
    """Return what a question is about: the chosen policies, those it names, or all.

    ``chosen`` are ids or names. Raises UnknownPolicyError or AmbiguousNameError.
    """
    if chosen:
        scope = tuple(dict.fromkeys(find_policy(name, policies).id for name in chosen))
        return Route(scope, ())
    named, spans = _named(question, policies)
    unknown = tuple(_unknown(question, spans, policies))
    everything = tuple(policy.id for policy in policies)
    if unknown and not named:
        return Route((), unknown)
    return Route(named or everything, unknown)


def find_policy(name: str, policies: Sequence[Policy]) -> Policy:
    """Return the policy of an id or a name. Raises UnknownPolicyError or AmbiguousNameError."""
    by_id = [policy for policy in policies if policy.id == name]
    found = by_id or [policy for policy in policies if squash(name) in _keys(policy)]
    if not found:
        close = sorted(
            {
                policy.id
                for policy in policies
                if any(_is_typo(squash(name), key) for key in _keys(policy))
            }
        )
        hint = f"did you mean {' or '.join(close)}? " if close else ""
        raise UnknownPolicyError(
            f"there is no policy {name!r}", hint=f"{hint}see what is indexed: policyqa policies"
        )
    return _only(name, found)


def _only(name: str, found: Sequence[Policy]) -> Policy:
    if len(found) > 1:
        ids = sorted(policy.id for policy in found)
        raise AmbiguousNameError(
            f"{name!r} names {len(ids)} policies: {', '.join(ids)}",
            hint=f"say which: --policy {ids[0]}",
        )
    return found[0]


def _keys(policy: Policy) -> frozenset[str]:
    return frozenset(squash(name) for name in (policy.id, *policy.names, *policy.domains))


def _named(
    question: str, policies: Sequence[Policy]
) -> tuple[tuple[str, ...], list[tuple[int, int]]]:
    """Return the policies a question names, in its order, and where it names them."""
    keys: dict[str, list[Policy]] = {}
    for policy in policies:
        for key in _keys(policy):
            keys.setdefault(key, []).append(policy)
    words = list(_WORD.finditer(question))
    named: list[str] = []
    spans: list[tuple[int, int]] = []
    position = 0
    while position < len(words):
        for length in range(min(_LONGEST_NAME, len(words) - position), 0, -1):
            first, last = words[position], words[position + length - 1]
            phrase = _POSSESSIVE.sub("", question[first.start() : last.end()])
            found = _match(phrase, keys, single=length == 1)
            if found:
                named.append(_only(phrase, found).id)
                spans.append((first.start(), last.end()))
                position += length
                break
        else:
            position += 1
    return tuple(dict.fromkeys(named)), spans


def _match(phrase: str, keys: dict[str, list[Policy]], *, single: bool) -> list[Policy] | None:
    """Return the policies a phrase names: exactly, else, for a single word, with a typo."""
    word = squash(phrase)
    if word in keys:
        generic = phrase.islower() and is_common(word)
        return None if generic and len(keys) > 1 and not single else keys[word]
    if not single or is_common(word):
        return None
    close = {key for key in keys if _is_typo(word, key)}
    found = {policy.id: policy for key in close for policy in keys[key]}
    return list(found.values()) or None


def _is_typo(word: str, name: str) -> bool:
    """Tell whether a word is a slip for a name, and not a name of its own.

    A letter too many, too few, or two swapped; in a long name also a wrong letter, and two slips.

    >>> _is_typo("webengege", "webengage"), _is_typo("weebly", "webee"), _is_typo("wepay", "wepos")
    (True, False, False)
    """
    if min(len(word), len(name)) < _TYPO_FLOOR:
        return False
    if len(name) >= _LONG_NAME:
        return OSA.distance(word, name, score_cutoff=2) <= 2
    swapped = len(word) == len(name) and sorted(word) == sorted(name)
    return (swapped or len(word) != len(name)) and OSA.distance(word, name, score_cutoff=1) <= 1


def _unknown(
    question: str, spans: Iterable[tuple[int, int]], policies: Sequence[Policy]
) -> Iterator[str]:
    """Yield the companies a question asks about that no indexed policy mentions."""
    taken = list(spans)
    seen: set[str] = set()
    for pattern in _SUBJECTS:
        for match in pattern.finditer(question):
            name = _POSSESSIVE.sub("", match["name"]).strip()
            key = squash(name)
            inside = any(
                start < match.end("name") and match.start("name") < end for start, end in taken
            )
            if inside or key in seen or not _is_company(name) or _is_mentioned(name, policies):
                continue
            seen.add(key)
            yield name


def _is_company(name: str) -> bool:
    words = [squash(word) for word in re.split(r"[\s-]+", name)]
    if any(word in _NO_COMPANY for word in words) or len(squash(name)) < 3:
        return False
    return not name.islower() or not any(is_common(word) for word in words)


def _is_mentioned(name: str, policies: Iterable[Policy]) -> bool:
    pattern = re.compile(rf"(?<!\w){re.escape(name)}(?!\w)", re.IGNORECASE)
    return any(pattern.search(policy.text) for policy in policies)
