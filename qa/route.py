"""Which policies a question is about, and which companies it names that are not indexed.

A name is found word by word, compared without case, spaces or punctuation; a typo is tolerated
where it cannot be another company's name. A company counts as unknown only in the place of the
owner ("Spotify's") or the subject ("does Spotify …"), and only if no indexed policy mentions it. One
that some do mention is asked about as they speak of it, which may not be what was meant.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass

from rapidfuzz.distance import OSA

from index.errors import AmbiguousNameError, UnknownPolicyError
from index.names import is_name, squash
from index.types import Policy
from qa.reader.words import is_common

_WORD = re.compile(r"[^\W_](?:[\w.&@-]*\w)?(?:'s\b)?", re.IGNORECASE)
_POSSESSIVE = re.compile(r"'s?$", re.IGNORECASE)
_APOSTROPHES = str.maketrans(dict.fromkeys("’‘ʼ′´`＇", "'"))
_LONGEST_NAME = 6
_SHORTEST_NAME, _TYPO_FLOOR, _LONG_NAME = 3, 5, 8
_ALIKE = 0.7

# A name of a company as it is written, and as some type it: one word without a capital.
_CAPITAL = r"(?!Not )(?=[\w&-]*[A-ZÀ-ÖØ-Þ])\w[\w&-]*(?:\.[a-z]{2,4}\b)?"
_NAME = rf"{_CAPITAL}(?: {_CAPITAL}){{0,4}}"
_NAMES = rf"{_NAME}(?:(?:,| and| or|, and|, or) {_NAME})*"
_SMALL = r"[a-z][\w&-]+(?:\.[a-z]{2,4}\b)?"
_EACH = re.compile(rf"{_NAME}|{_SMALL}")

_MODAL = r"can|could|will|would|may|might|must|should|shall"
_ADVERBS = r"(?:(?:\w+ly|also|ever|even|still|not|never|always|often|itself) )*"
_VERB = (
    r"(?:collect|gather|keep|hold|store|retain|share|sell|use|process|track|delete|erase|protect|"
    r"encrypt|offer|allow|require|disclose|transfer|record|log|ask|send|give|provide|have|need|"
    r"respond|honou?r|comply|know|see|read|save|monitor|access|train|get|make|let|handle|treat|say|"
    r"state|mention|support|charge|notify|inform|tell|own|rent|trade|profile|target|buy|receive|"
    r"obtain|accept|set|place|do|listen|scan|want|take|claim|reply|answer|run|rely|leak)\b"
)
# What features, laws and signals do as well as companies; prepositions; what is done to things.
_NO_ACT = (
    r"(?:be|been|being|and|or|of|in|on|at|for|from|to|with|by|under|as|about|than|apply|cover|"
    r"govern|mean|matter|count|exist|happen|stand|work(?! with)|expire|last)\b"
)
# Any other word but a plural, or a noun before the verb ("Acme staff see", "Acme users see").
_ACT = rf"{_ADVERBS}(?:{_VERB}|(?!{_NO_ACT}|\w*[^\Wsu]s\b|[\w-]+ {_VERB})[a-z]+)"
_ACTING = (
    rf"{_ADVERBS}(?:(?:allowed|able|obliged|required) to\b|(?!being|according)\w+ing (?:to |on |with )?"
    r"(?:me|my|us|our|you|your|it|its|the|any|what|where|who|data|personal|information|users?|"
    r"customers?|people)\b)"
)
_ACTED = rf"{_ADVERBS}(?:been|sold|kept|given|told|lost|had|\w+ed)\b"
_OPENING = (
    rf"(?i:{_MODAL}|do|does|did|is|are|was|were|has|have|had|according to|under|in|of|by|with|at|"
    r"about|for|from|to|on|and|or|but|so|if|since|per|what|which|how|when|where|why)"
)
# What states own, and browsers: "Nevada's privacy law", "Safari's do-not-track signal".
_NOT_OWN = (
    r"(?:[\w-]+ ){0,3}(?:laws?|acts?|regulators?|authorit\w+|courts?|statutes?|government|police|"
    r"signals?)\b"
)
# A plural verb has a plural subject ("do Californians"), unless its form says otherwise.
_SUBJECTS = tuple(
    re.compile(pattern)
    for pattern in (
        rf"\b(?i:does|did|{_MODAL})(?:n't)? (?P<name>{_NAMES}) {_ACT}",
        rf"\b(?i:do)(?:n't)? (?P<name>{_NAMES})(?<!s) {_ACT}",
        rf"\b(?i:does|did)(?:n't)? (?P<name>{_SMALL}) {_ADVERBS}{_VERB}",
        rf"\b(?i:{_MODAL})(?:n't)? (?P<name>{_SMALL})(?<!s) {_ADVERBS}{_VERB}",
        rf"\b(?i:is)(?:n't)? (?P<name>{_NAMES}|{_SMALL}) {_ACTING}",
        rf"\b(?i:are)(?:n't)? (?P<name>{_NAMES})(?<!s) {_ACTING}",
        rf"\b(?i:has)(?:n't)? (?P<name>{_NAMES}) {_ACTED}",
        rf"(?:\b{_OPENING} )?\b(?P<name>{_NAME})(?:'s|(?<=s)') (?!{_NOT_OWN})\w",
        rf"(?:^|\b{_OPENING} )(?P<name>{_SMALL})'s (?!{_NOT_OWN})\w",
    )
)
# Owners and subjects that are no companies: laws, places, authorities, people and their roles;
# their plurals too.
_NO_COMPANY = frozenset(
    (
        "i it its this that the they you your we our one who what which he she where when how why "
        "there here let not anyone anybody someone somebody everyone everybody nobody people user "
        "customer visitor member subscriber viewer player seller buyer patient student child "
        "children kid parent minor teen adult employee applicant advertiser mr mrs ms dr prof "
        "authority authorities police court government law country countries state company "
        "companies business businesses app application site website service platform product "
        "policy policies notice statement document provider vendor partner affiliate data "
        "information cookie personal today gdpr ccpa cpra coppa hipaa lgpd pipeda dsgvo ferpa dnt "
        "gpc dpo eu eea uk us usa un europe european union america american california californian "
        "nevada nevadan virginia colorado texas utah connecticut germany german france french "
        "spain spanish italy italian netherlands dutch ireland irish belgium switzerland swiss "
        "austria poland sweden norway denmark finland canada canadian mexico brazil brazilian "
        "india indian china chinese japan japanese korea singapore australia australian russia "
        "russian israel turkey ukraine africa asia britain british london paris berlin amsterdam "
        "dublin brussels york washington delaware english ip id ai api url pii phi monday tuesday "
        "friday january february march april june july august september october november december "
        "alice anna bob carol charlie daniel david emma eve george grandma jack james jane john "
        "maria mark martin mary michael mom mum nina paul peter robert sam sarah susan thomas tom"
    ).split()
)


@dataclass(frozen=True, slots=True)
class Route:
    """The ids of the policies in scope, and the companies asked about that are not indexed.

    ``spoken_of`` are those of them that indexed policies mention, and so can say something about.
    """

    policies: tuple[str, ...]
    unknown_names: tuple[str, ...]
    spoken_of: tuple[str, ...] = ()


def route(question: str, policies: Sequence[Policy], chosen: Sequence[str] = ()) -> Route:
    """Return what a question is about: the chosen policies, those it names, or all.

    ``chosen`` are ids or names. Raises UnknownPolicyError or AmbiguousNameError.
    """
    if chosen:
        scope = tuple(dict.fromkeys(find_policy(name, policies).id for name in chosen))
        return Route(scope, ())
    question = _spaced(question)
    places = list(_places(question.lower() if question.isupper() else question))
    named, spans = _named(question, {start for _, start, _ in places}, policies)
    free = [
        name
        for name, start, end in places
        if not any(first < end and start < last for first, last in spans)
    ]
    companies = list(dict.fromkeys(name for name in free if _is_a_company(name)))
    spoken_of = {one for one in companies if any(_mentions(p.text, one) for p in policies)}
    unknown = tuple(one for one in companies if one not in spoken_of)
    if unknown and not named:
        return Route((), unknown)
    return Route(
        named or tuple(policy.id for policy in policies),
        unknown,
        # Without a capital it may be any word that policies use.
        tuple(one for one in companies if one in spoken_of and not one.islower()),
    )


def mentioned(
    question: str, policies: Sequence[Policy]
) -> tuple[tuple[str, ...], list[tuple[int, int]]]:
    """Return the policies that a question names, and where in it, as it is spaced by ``split``.

    Raises AmbiguousNameError.
    """
    question = _spaced(question)
    places = {start for _, start, _ in _places(question)}
    return _named(question, places, policies)


def _spaced(question: str) -> str:
    return " ".join(question.translate(_APOSTROPHES).split())


def find_policy(name: str, policies: Sequence[Policy]) -> Policy:
    """Return the policy of an id or a name. Raises UnknownPolicyError or AmbiguousNameError."""
    by_id = [policy for policy in policies if policy.id == name]
    found = by_id or [policy for policy in policies if squash(name) in _keys(policy)]
    if not found:
        close = sorted(
            policy.id
            for policy in policies
            if any(OSA.normalized_similarity(squash(name), key) >= _ALIKE for key in _keys(policy))
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


def _keys(policy: Policy, *, in_words: bool = False) -> frozenset[str]:
    """Return what a policy can be called; ``in_words`` leaves out what says nothing in a question.

    A file named ``privacy-policy`` gives its policy an id, but no name.
    """
    called = (policy.id, *policy.names, *policy.domains)
    return frozenset(squash(name) for name in called if is_name(name) or not in_words) - {""}


def _named(
    question: str, places: Container[int], policies: Sequence[Policy]
) -> tuple[tuple[str, ...], list[tuple[int, int]]]:
    """Return the policies a question names, in its order, and where it names them.

    ``places`` are the offsets where a company is expected.
    """
    keys: dict[str, list[Policy]] = {}
    for policy in policies:
        for key in _keys(policy, in_words=True):
            keys.setdefault(key, []).append(policy)
    words = list(_WORD.finditer(question))
    named: list[str] = []
    spans: list[tuple[int, int]] = []
    position = 0
    while position < len(words):
        for length in range(min(_LONGEST_NAME, len(words) - position), 0, -1):
            first, last = words[position], words[position + length - 1]
            phrase = question[first.start() : last.end()]
            # "do ads target me?" does not name the policy of Target.
            generic = first.start() not in places and _is_plain(phrase)
            found = None if generic else _match(phrase, keys, single=length == 1)
            if found:
                named.append(_only(_POSSESSIVE.sub("", phrase), found).id)
                spans.append((first.start(), last.end()))
                position += length
                break
        else:
            position += 1
    return tuple(dict.fromkeys(named)), spans


def _is_plain(phrase: str) -> bool:
    """Tell whether a phrase is a word that policies use, written without capitals."""
    return phrase.islower() and is_common(squash(phrase))


def _match(phrase: str, keys: dict[str, list[Policy]], *, single: bool) -> list[Policy] | None:
    """Return the policies a phrase names: exactly, else, for a single word, with a typo."""
    # Some names end like a possessive (Macy's), and an address may begin with www.
    for name in (phrase, _POSSESSIVE.sub("", phrase).removeprefix("www.")):
        if squash(name) in keys:
            return keys[squash(name)]
    word = squash(_POSSESSIVE.sub("", phrase))
    if not single or is_common(word):
        return None
    slips = {key: OSA.distance(word, key) for key in keys if _is_typo(word, key)}
    nearest = min(slips.values(), default=0)
    found = {p.id: p for key, slip in slips.items() if slip == nearest for p in keys[key]}
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


def _places(question: str) -> Iterator[tuple[str, int, int]]:
    """Yield what stands where an owner or a subject does, and its range, in the question's order."""
    found = {
        (match.start("name") + one.start(), match.start("name") + one.end())
        for pattern in _SUBJECTS
        for match in pattern.finditer(question)
        for one in _EACH.finditer(match["name"])
    }
    for start, end in sorted(found):
        yield question[start:end], start, end


def _is_a_company(name: str) -> bool:
    """Tell whether a name where a company is expected can be one's."""
    words = [squash(word) for word in re.split(r"[ -]", name)]
    plain = any(word in _NO_COMPANY or word.removesuffix("s") in _NO_COMPANY for word in words)
    return not (plain or _is_plain(name) or len(squash(name)) < _SHORTEST_NAME)


def _mentions(text: str, name: str) -> bool:
    """Tell whether a text speaks of a company, or of its owner as far as one can tell.

    Google Maps is Google's where a policy speaks of Google, though not at a sentence's start.
    """
    first = re.split(r"[ -]", name)[0]
    # What is certain not to match is passed over without a pattern: there may be 1,000 texts.
    whole = name.lower() in text.lower() and rf"(?i:(?<!\w){re.escape(name)}(?!\w))"
    owner = first in text and rf"(?<=[a-z,] ){re.escape(first)}(?!\w)"
    return any(re.search(pattern, text) for pattern in (whole, owner) if pattern)
