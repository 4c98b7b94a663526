"""What a follow-up question refers to: the question before it, and whom that was about.

A conversation is a frozen value of bounded length. A follow-up ("and WebEngage?", "for how long?")
becomes a full question, which is shown and can be edited; what is no follow-up stays as it is. That is
done by rule, and by a language model where one is configured: it sees questions only, and who they are
about stays with the rules.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from index.errors import AmbiguousNameError
from index.types import Policy
from qa.route import mentioned
from qa.types import Answer

Rewrite = Callable[[str, str], str | None]
"""Words a follow-up as a question of its own, from the question before and it; None if it cannot."""

MOST_TURNS = 12
"""Turns that a conversation remembers; the oldest goes first."""

_AUXILIARY = (
    r"(?:do|does|did|is|are|was|were|has|have|had|can|could|will|would|may|might|must|should|shall)"
)
_BRIDGE = re.compile(
    r"^(?:(?:and|but|or|so|ok(?:ay)?)\b,?\s*)?"
    r"(?:(?:what|how) about\b|what of\b|and\b|also\b|same for\b|the same for\b|for\b(?! how| what))\s+",
    re.IGNORECASE,
)
_CONJUNCTION = re.compile(r"^(?:and|but|so|also|then)\b,?\s+", re.IGNORECASE)
# Bare question words: what they ask about stands in the question before.
_BARE = re.compile(
    r"(?:why(?: not| so| is that)?|how|how so|how come|(?:for |until |till |since )?how (?:long|often|"
    r"much|many|soon)|until when|since when|when|where|where to|who|whom|(?:to|with|by|for|from) "
    r"(?:whom?|what|which|where)|whose|which(?: ones?)?|like what|for what(?: purposes?| reasons?)?|"
    r"on what (?:grounds?|basis)|under what conditions|in (?:which|what) (?:cases|countries|country))",
    re.IGNORECASE,
)
# The question before, cut where what its question word asked about ends.
_ASKED = re.compile(
    rf"(?:(?:for |until |since |with |to |by |from |in |on |under )?"
    rf"(?:how(?: (?:long|often|much|many|soon))?|why|when|where|whom?|what|which)\s+"
    rf"(?P<noun>(?:(?!{_AUXILIARY}\b)[\w’'-]+\s+){{0,4}}?))?(?P<verb>{_AUXILIARY})\s+(?P<rest>.+)",
    re.IGNORECASE,
)
_COMPANY = re.compile(r"\b(?:they|them|their|theirs)\b", re.IGNORECASE)
_THING = re.compile(r"\b(?:it|that|this|those|these)\b(?=[?.,!;]|$| [a-z]+(?:ed|en|t|pt|ld|wn)?\b)")
_TOPIC = re.compile(
    r"\b(?:(?:my|your|our|the|any|personal|usage|payment|location|health|contact|customer|log|"
    r"device|browsing|account|sensitive|biometric|children's)\s+)*"
    r"(?:data|information|details|cookies?|accounts?|recordings?|conversations?|messages?|logs?|"
    r"e-?mails?|addresses|location|photos?|passwords?)\b",
    re.IGNORECASE,
)
_NAMES_ONLY = re.compile(r"(?:[\s,&?.!]|\b(?:and|or|the|as well|too|then|policy|at|of|by|for)\b)*")
_UNKNOWN = re.compile(r"[A-Z][\w&.-]*(?: [A-Z][\w&.-]*){0,3}")
_END = " ?!.…"


@dataclass(frozen=True, slots=True)
class Resolved:
    """A question that can be understood alone, and the ids it is limited to (none: by itself).

    ``asked`` is what was typed.
    """

    asked: str
    question: str
    policies: tuple[str, ...]

    @property
    def is_changed(self) -> bool:
        """Whether it differs from what was typed."""
        return self.asked != self.question


@dataclass(frozen=True, slots=True)
class Turn:
    """A question of a conversation, the answer to it, and what a person called that, if anything."""

    resolved: Resolved
    answer: Answer
    verdict: str = ""


@dataclass(frozen=True, slots=True)
class Conversation:
    """The latest turns, oldest first; ``dropped`` counts those that are remembered no more."""

    turns: tuple[Turn, ...] = ()
    dropped: int = 0

    def with_turn(self, turn: Turn) -> Conversation:
        """Return the conversation with one turn more, and without the oldest if it is too long."""
        turns = (*self.turns, turn)
        extra = max(0, len(turns) - MOST_TURNS)
        return replace(self, turns=turns[extra:], dropped=self.dropped + extra)

    def with_verdict(self, at: int, verdict: str) -> Conversation:
        """Return the conversation with a verdict on the answer of one of its turns."""
        judged = replace(self.turns[at], verdict=verdict)
        return replace(self, turns=(*self.turns[:at], judged, *self.turns[at + 1 :]))


def resolve(
    text: str,
    before: Resolved | None,
    policies: Sequence[Policy],
    chosen: Sequence[str] = (),
    rewrite: Rewrite | None = None,
) -> Resolved:
    """Return the full question of a follow-up to the one ``before``; ``chosen`` limit it.

    Whom a follow-up names counts for more than whom was chosen or talked about before. ``rewrite``
    words it, if it can.
    """
    found = _by_rule(" ".join(text.split()), before, policies, chosen)
    written = rewrite(before.question, found.asked) if rewrite and before else None
    if not written or written == found.question or not found.asked.strip(_END):
        return found
    if written == found.asked:
        return Resolved(found.asked, found.asked, tuple(chosen))
    # A rule that saw no follow-up has said nothing of whom it is about.
    about = found.policies if found.is_changed else _whom(before, chosen, policies)
    return Resolved(found.asked, written, () if _named(written, policies) else about)


def _whom(
    before: Resolved | None, chosen: Sequence[str], policies: Sequence[Policy]
) -> tuple[str, ...]:
    """Return whom a follow-up is about that names nobody."""
    talked = (before.policies or _named(before.question, policies)) if before else ()
    return tuple(chosen) or talked


def _by_rule(
    asked: str, before: Resolved | None, policies: Sequence[Policy], chosen: Sequence[str]
) -> Resolved:
    own = tuple(chosen)
    if before is None or not asked.strip(_END):
        return Resolved(asked, asked, own)
    about = _whom(before, own, policies)
    bridge = _BRIDGE.match(asked)
    if bridge and (found := _about(asked, asked[bridge.end() :], before, policies, about)):
        return found
    conjunction = _CONJUNCTION.match(asked)
    rest = asked[conjunction.end() :] if conjunction else asked
    if _BARE.fullmatch(rest.strip(_END)):
        return Resolved(asked, _completed(rest.strip(_END), before.question), about)
    if conjunction or _COMPANY.search(asked) or _refers(asked, before):
        named = _named(asked, policies)
        return Resolved(asked, _with_topic(rest, before.question), () if named else about)
    return Resolved(asked, asked, own)


def _about(
    asked: str, rest: str, before: Resolved, policies: Sequence[Policy], about: tuple[str, ...]
) -> Resolved | None:
    """Resolve "and WebEngage?", "what about Spotify?", "and children?"; None for anything else."""
    words = rest.strip(_END)
    named = _named(rest, policies)
    if named and _NAMES_ONLY.fullmatch(_without_names(rest, policies)):
        return Resolved(asked, _of_anyone(before.question, policies), named)
    if named or re.match(rf"{_AUXILIARY}\b|wh\w+\b|how\b", words, re.IGNORECASE):
        return None
    if _UNKNOWN.fullmatch(words) and not words.isupper():
        question = _of_anyone(before.question, policies)
        return Resolved(asked, f"{words}'s policy: {question}", ())
    return Resolved(asked, f"what does the policy say about {words}?", about)


def _completed(words: str, question: str) -> str:
    """Return bare question words with what the question before asked about.

    >>> _completed("why", "how long is data retained?")
    'why is data retained?'
    """
    bare = re.sub(r" (?:so|is that|come|not)$", "", words, flags=re.IGNORECASE)
    found = _ASKED.match(question)
    if not found or (found["noun"] == "" and re.match("wh(?:at|ich|o)", question, re.IGNORECASE)):
        return f"{bare}: {question}"
    noun = found["noun"] or ""
    return " ".join(f"{bare} {found['verb'].lower()} {noun}{found['rest']}".split())


def _refers(asked: str, before: Resolved) -> bool:
    """Tell whether "it" in a question that names no topic stands for the one before's."""
    return bool(
        _THING.search(asked) and not _TOPIC.search(asked) and _TOPIC.search(before.question)
    )


def _with_topic(question: str, before: str) -> str:
    """Return a question with the topic of the one before in the place of "it"."""
    topic = _TOPIC.search(before)
    if topic is None or _TOPIC.search(question):
        return question
    return _THING.sub(lambda _: topic[0], question, count=1)


def _named(text: str, policies: Sequence[Policy]) -> tuple[str, ...]:
    try:
        return mentioned(text, policies)[0]
    except AmbiguousNameError:  # it is said when the question is asked
        return ()


def _without_names(text: str, policies: Sequence[Policy]) -> str:
    text = " ".join(text.split())
    for start, end in reversed(mentioned(text, policies)[1]):
        text = text[:start] + text[end:]
    return text


def _of_anyone(question: str, policies: Sequence[Policy]) -> str:
    """Return a question with "the company" in the place of the companies that it names.

    >>> _of_anyone("is my data sold?", ())
    'is my data sold?'
    """
    question = " ".join(question.split())
    try:
        spans = mentioned(question, policies)[1]
    except AmbiguousNameError:
        return question
    for start, end in reversed(spans):
        owner = "'s" if re.search(r"['’]s?$", question[start:end]) else ""
        question = f"{question[:start]}the company{owner}{question[end:]}"
    return re.sub(r"(the company(?:'s)?)(?:(?:,| and| or|, and) the company)+", r"\1", question)
