"""What the reader sees in words: stems, how rare they are, and which kind of answer they look like."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from Stemmer import Stemmer

RARITY = Path(__file__).parent / "rarity.json"
_WORD = re.compile(r"[^\W_](?:[\w'’.-]*[^\W_])?|_\w+")
_LIKE_A_NAME = re.compile(r"^[A-Z]|\d|_|[a-z][A-Z]")
_QUESTION_WORDS = frozenset(
    (
        "a about am an and any are as at be been being but by can could did do does for from "
        "had has have having he her hers him his how i if in into is it its me my no not of "
        "on or our ours she should so some such than that the their them then there these "
        "they this those to us was we were what when where which who whom whose why will with "
        "would you your yours i'm i've i'll i'd don't can't won't isn't aren't "
        "policy privacy document statement notice tell please state "
        "stated say says company"
    ).split()
)
_NUMBER = (
    r"(?:\d+|one|two|three|four|five|six|seven|eight|nine|ten|twelve|thirteen|fifteen|eighteen|"
    r"twenty|thirty|forty|sixty|ninety)"
)
_RARE = 7.5
_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"

# What policies and the people who ask about them call one thing by many words.
_CONCEPTS = tuple(
    words.split()
    for words in (
        "retain retention keep kept store storage hold held save archive delete deletion erase "
        "erasure destroy destruction remove removal purge wipe anonymise anonymize dispose expire",
        "share disclose disclosure transfer sell sold sale rent trade pass reveal release supply get "
        "recipient distribute",
        "collect collection gather obtain receive record capture acquire harvest log",
        "use process processing utilise utilize purpose why reason handle",
        "protect protection secure security safeguard safe encrypt encryption password",
        "breach incident hack hacker leak compromise unauthorised unauthorized intruder",
        "child children minor kid teen teenager underage parent parental guardian age young old",
        "cookie beacon pixel tracker tracking track tag browser analytics",
        "contact email mail phone telephone reach write call address letter",
        "officer controller representative dpo responsible",
        "access copy portability export download view see obtain get",
        "correct correction rectify rectification update wrong inaccurate fix edit amend",
        "object objection refuse restrict restriction stop opt unsubscribe withdraw decline",
        "complain complaint authority regulator supervisory watchdog commissioner ombudsman",
        "consent agree agreement permission accept approval allow",
        "change update amend amendment modify modification revise revision version notify",
        "marketing advertise advertising advertisement advertiser ad promotional promotion promo "
        "newsletter commercial spam",
        "third partner vendor provider processor affiliate subprocessor supplier contractor "
        "subsidiary",
        "pay payment card credit bank billing financial purchase checkout invoice order",
        "location gps geolocation locate whereabouts position",
        "country international abroad overseas outside border cross-border region eea transfer",
        "law legal court subpoena police enforcement government authority warrant officials",
        "employee staff personnel worker team colleague",
        "merger merge acquisition acquire bankruptcy sale asset takeover insolvency buyer",
        "automated automatic profiling profile algorithm decision ai machine train model",
        "anonymous anonymise anonymize aggregate deidentify pseudonymous statistics",
        "health medical biometric sensitive religion ethnic race genetic",
        "device phone computer hardware ip browser identifier",
        "account profile registration register login",
        "respond response reply answer deadline days",
    )
)


@dataclass(frozen=True, slots=True)
class AnswerType:
    """A kind of answer: ``asked`` finds it in a question, ``given`` in a sentence."""

    name: str
    asked: re.Pattern[str]
    given: re.Pattern[str]


def _answer_type(name: str, asked: str, given: str, *, cased: bool = False) -> AnswerType:
    flags = re.NOFLAG if cased else re.IGNORECASE
    return AnswerType(name, re.compile(asked, re.IGNORECASE), re.compile(given, flags))


ANSWER_TYPES = (
    _answer_type(
        "duration",
        r"\bhow (long|soon|quickly|fast)\b|\bhow (many|much) (hours|days|weeks|months|years|time)\b"
        r"|\bretention\b|\bretain|\bexpir|\bdeadline|\bperiod\b|\blifespan|\bwhen\b.*\b(delet|eras|"
        r"remov|destroy|purg)|\btime (limit|frame|span)",
        rf"\b{_NUMBER}[\s)-]*(?:calendar |business |working |consecutive )?"
        r"(?:second|minute|hour|day|week|month|year)s?\b|\bas long as\b|\buntil\b|\bno longer\b"
        r"|\blonger than\b|\bindefinite|\bperiod\b|\bexpir|\bduration\b|\bthe time (?:necessary|"
        r"required|needed)|\bwithout undue delay|\bpromptly\b|\bas soon as\b",
    ),
    _answer_type(
        "frequency",
        r"\bhow (often|frequently)\b|\bhow many times\b",
        r"\b(?:daily|weekly|monthly|annual|yearly|quarterly|regular|periodic|once|twice|every|each "
        r"(?:day|week|month|year)|from time to time|times? (?:a|per|in))",
    ),
    _answer_type(
        "date",
        r"\bwhat (date|year|day)\b|\beffective\b|\blast (updat|revis|modif|chang)|\bsince when\b"
        r"|\bwhen (was|did|were)\b|\bdate\b|\bversion\b",
        rf"\b(?:19|20)\d\d\b|\b\d{{1,2}}[./-]\d{{1,2}}[./-]\d{{2,4}}\b|\b{_MONTH}\.? \d{{1,2}}\b",
    ),
    _answer_type(
        "email",
        r"\be-?mail|\bcontact|\breach\b|\bwrite to\b|\bget in touch|\bwho (do|can|should) i (ask|talk)",
        r"\S@\S|\[email|\be-?mail (?:us|address)",
    ),
    _answer_type(
        "phone",
        r"\b(tele)?phone\b|\bcall\b|\bhotline|\bfax\b|\bnumber (can|do|should) i\b",
        r"\+?\(?\d[\d ()./-]{6,}\d|\btoll[- ]free",
    ),
    _answer_type(
        "address",
        r"\b(postal|mailing|street|physical|registered) |\bheadquarter|\boffice|\baddress\b|\bby "
        r"(post|mail)\b|\bletter\b|\bwhere\b.*\b(based|located)",
        r"\b(?:street|road|avenue|ave|suite|blvd|boulevard|box|floor|drive|lane|strasse|straße|"
        r"building|attn|attention)\b|\b\d{4,6}\b",
    ),
    _answer_type(
        "link",
        r"\b(link|url|web ?page|web ?site|site|where can i (read|find|see|learn|get))\b|\bwhere do i\b",
        r"https?://|\bwww\.|\w\.(?:com|org|net|io|eu|gov)\b|\bclick|\bhere\b",
    ),
    _answer_type(
        "age",
        r"\b(age|old|child|children|kid|kids|minor|minors|teen\w*|parent\w*|under \d+)\b",
        r"\b(?:age|aged|years old|years of age|child|children|minor|minors|parent\w*|guardian|kids?|"
        r"under (?:the age|1\d)|thirteen|sixteen|eighteen)\b",
    ),
    _answer_type(
        "money",
        r"\b(fees?|costs?|charges?|price|pay|paid|free|money|how much)\b",
        r"[$€£]\s?\d|\bfees?\b|\bfree of charge|\bcharges?\b|\bcosts?\b|\bpaid\b|\bno charge",
    ),
    _answer_type(
        "place",
        r"\bwhere\b|\bcountr|\bjurisdiction|\blocated\b|\bregion|\boverseas|\babroad|\bcourt",
        r"\b(?:United States|USA?|U\.S\.|EU|EEA|European|Europe|UK|Kingdom|Netherlands|Germany|"
        r"Ireland|Canada|India|France|Singapore|China|Japan|Australia|California|Delaware|York|"
        r"countr(?:y|ies)|worldwide|international\w*|region|jurisdiction|courts?)\b",
        cased=True,
    ),
    _answer_type(
        "party",
        r"^(and )?who\b|\bwhom\b|\bwhose\b|\bwhich (\w+ )?(compan|provider|third|partner|vendor|"
        r"service|firm|organi|network|processor|tool|platform|entit|authorit)|\bname of\b|\bcalled\b"
        r"|\bwhat (compan|provider|vendor|processor|organi|firm)",
        r"\b(?:Inc|LLC|Ltd|Limited|GmbH|B\.V|BV|AG|Corp\w*|S\.A|Pty|plc|PLC|Co)\b|(?<=[a-z,] )"
        r"[A-Z][a-z]+[A-Z]?\w*(?: [A-Z]\w+)*|\b(?:provider|partner|affiliate|processor|vendor)s?\b",
        cased=True,
    ),
    _answer_type(
        "law",
        r"\blaws?\b|\blegal|\barticle|\bstatute|\bregulation|\bgdpr\b|\bccpa\b|\bact\b|\blawful",
        r"\bart(?:icle|\.)|\bgdpr\b|\bccpa\b|\bact\b|§|\blegitimate interest|\bconsent\b|\blegal "
        r"(?:obligation|basis|bases)|\bperformance of|\blaw(?:s|ful)?\b|\bregulation",
    ),
    _answer_type(
        "purpose",
        r"\bwhy\b|\bpurpose|\breason|\bwhat\b.*\bfor\b\??$|\bwhat for\b|\bused? (for|to)\b|\bhow (do|"
        r"does|will|are|is)\b.*\bused?\b",
        r"\bin order to\b|\bso (?:that|we)\b|\bbecause\b|\bpurposes?\b|\bto (?!(?:us|you|the|our|your|"
        r"any|a)\b)\w+|\bhelps?\b|\bfor (?:\w+ )?\w+ing\b|\bused? (?:for|to)\b",
    ),
    _answer_type(
        "procedure",
        r"^(and |so )?how (do|can|could|would|should|to|might|must|may) (i|you|we|one|users?|someone|"
        r"people|a|an)\b|\bsteps?\b|\bwhat (do|should|must|can) i\b|\bhow to\b|\bhow does (one|someone)",
        r"\bby \w+ing\b|\bcontact|\bclick|\be-?mail|\brequest|\bsubmit|\bsettings?\b|\bvisit|\bwrite"
        r"|\bsend|\bplease\b|\byou (?:can|may|must|should)\b|\bopt|\bunsubscribe|\blog in",
    ),
    _answer_type(
        "condition",
        r"\bwhen\b|\bunder (what|which)|\bin (what|which) (case|circumstance|situation|event)|\bif\b"
        r"|\bwhat happens\b",
        r"\bif\b|\bwhen\b|\bunless\b|\bin (?:the )?(?:case|event)|\bwhere (?:we|you|the|it)\b|\bonly\b"
        r"|\bonce\b|\bupon\b|\bafter\b|\bexcept",
    ),
    _answer_type(
        "yesno",
        r"^(and |so |but )?(do|does|is|are|can|could|will|would|has|have|may|might|should|did|must|am"
        r"|was|were)\b|, (right|correct|yes)\?",
        r"\bnot\b|n['’]t\b|\bnever\b|\bno\b|\bmay\b|\bwill\b|\bcan\b|\bdo\b|\balways\b|\bmust\b",
    ),
    _answer_type(
        "list",
        r"^(and )?(what|which) (\w+ ){0,3}\w*(s|data|information|details?)\b|\blist\b|\b(types?|kinds?|"
        r"sorts?|categor\w+|examples?) of\b|\bwhat else\b",
        r",[^,]+,|\bincluding\b|\bsuch as\b|:\s|\bfollowing\b|\be\.g\b|;",
    ),
    _answer_type(
        "definition",
        r"\bmeans?\b|\bmeant\b|\bdefin|\bterm\b|^what (is|are|'s) (a |an |the )?[\"“\w-]+( [\w-]+)?\??$"
        r"|\brefer",
        r"\bmeans?\b|\brefers?\b|\bdefin|\bis an?\b|\bare (?:\w+ )?(?:files|pieces|data)\b|[“\"(]the\b"
        r"|[“\"][^”\"]{2,40}[”\"]|\bcalled\b|\bknown as\b|\bincludes?\b",
    ),
    _answer_type(
        "number",
        r"\bhow many\b|\bhow much\b|\bnumber of\b|\bpercent|\bminimum\b|\bmaximum\b|\blimit\b",
        rf"\b{_NUMBER}\b|%",
    ),
)


@dataclass(frozen=True, slots=True)
class Words:
    """A text's content stems, and for each answer type whether it is asked for or given.

    ``names`` are the stems, of a question only, that are written like names: "ISO", "Google".
    """

    stems: frozenset[str]
    types: tuple[bool, ...]
    length: int
    names: frozenset[str] = frozenset()


@lru_cache(maxsize=65_536)
def _stem(word: str) -> str:
    # One for each word: a stemmer that two threads use at once mixes up their words, and what it makes
    # of them would be kept. It costs microseconds.
    stem: str = Stemmer("english", 0).stemWord(word)
    return stem


@lru_cache(maxsize=1)
def _concept_table() -> dict[str, frozenset[int]]:
    table: dict[str, frozenset[int]] = {}
    for number, words in enumerate(_CONCEPTS):
        for word in words:
            stem = _stem(word)
            table[stem] = table.get(stem, frozenset()) | {number}
    return table


@lru_cache(maxsize=65_536)
def concepts(stems: frozenset[str]) -> frozenset[int]:
    """Return which concepts of privacy policies stems belong to, as numbers."""
    table = _concept_table()
    return frozenset().union(*(table.get(stem, ()) for stem in stems))


@lru_cache(maxsize=65_536)
def stems_of(text: str) -> frozenset[str]:
    """Return the stems of any part of a policy, given as it reads."""
    return _content(_split(text))


@lru_cache(maxsize=65_536)
def of_sentence(text: str) -> Words:
    """Return the words of a policy's sentence, given as it reads."""
    words = _split(text)
    stems = _content(words)
    return Words(stems, tuple(bool(kind.given.search(text)) for kind in ANSWER_TYPES), len(words))


def of_question(text: str) -> Words:
    """Return the words of a question, without those that only make it one."""
    words = _split(text)
    stems = _content(words)
    # The first word of a question is written with a capital whatever it is.
    names = _content(word for word in words[1:] if _LIKE_A_NAME.search(word))
    types = tuple(bool(kind.asked.search(text)) for kind in ANSWER_TYPES)
    return Words(stems, types, len(words), names)


def _split(text: str) -> list[str]:
    found: list[str] = _WORD.findall(text.replace("’", "'"))
    return found


def _content(words: Iterable[str]) -> frozenset[str]:
    """Return the stems of the words that say more than that there is a question."""
    parts = (
        part.removesuffix("'s")
        for word in words
        for part in word.lower().replace("e-mail", "email").split("-")
    )
    return frozenset(_stem(part) for part in parts if part and part not in _QUESTION_WORDS)


@lru_cache(maxsize=1)
def _rarities() -> dict[str, float]:
    table: dict[str, float] = json.loads(RARITY.read_text(encoding="utf-8"))
    return table


def forget_rarities() -> None:
    """Read ``rarity.json`` again when it is next needed: training writes it anew."""
    _rarities.cache_clear()


def rarity_of(stem: str) -> float:
    """Return how rare a stem is in policies: the logarithm of one in how many sentences has it."""
    table = _rarities()
    return table.get(stem, table[""])


def is_word(stem: str) -> bool:
    """Tell whether policies use a stem at all."""
    return stem in _rarities()


def is_understood(question: str, names: Iterable[str] = ()) -> bool:
    """Tell whether at least half of a question's content words are ones that policies use.

    The words of ``names`` do not count either way.

    >>> is_understood("How long is it kept?"), is_understood("Wie lange wird das aufbewahrt?")
    (True, False)
    """
    stems = _content(_split(question)).difference(*(_content(_split(name)) for name in names))
    return not stems or 2 * sum(map(is_word, stems)) >= len(stems)


def is_common(word: str) -> bool:
    """Tell whether a word is one that policies use, and so hardly a company's name."""
    lower = word.lower()
    return lower in _QUESTION_WORDS or _rarities().get(_stem(lower), _RARE) < _RARE


def concept_coverage(question: Words, found: frozenset[str]) -> float:
    """Return the share of a question's concepts that are found, whatever words stand for them.

    >>> concept_coverage(of_question("How long is it retained?"), frozenset({"delet"}))
    1.0
    """
    asked = concepts(question.stems)
    return len(asked & concepts(found)) / len(asked) if asked else 0.0


def coverage(question: Words, found: frozenset[str]) -> float:
    """Return the share of a question's stems that are found, each weighted by its rarity.

    >>> coverage(of_question("Is there a cookie?"), frozenset({"cooki"}))
    1.0
    """
    total = math.fsum(map(rarity_of, question.stems))
    part = math.fsum(map(rarity_of, question.stems & found))
    return part / total if total else 0.0
