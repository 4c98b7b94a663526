"""What a language model replied → claims to verify. Strict: another form is no answer.

The reply is JSON by agreement and anything at all in fact. Its statements' words are also shown while
they arrive, so both readings clean them in the same way: white space is single, a statement made again
is one, and markers such as ``[1][2]``, ``[1, 2]`` and ``【1】``, which say what a number in our form
says, are taken out. A ``secret`` is the key that the reply's server knows, and may send back.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import from_json

from index.errors import LLMProtocolError
from index.types import Passage, Span
from qa.prompts import original
from qa.types import Claim, Quote

_MOST_STATEMENTS, _MOST_QUOTES, _LONGEST, _MOST_NUMBER = 20, 10, 2000, 999
_NOTHING = r"[\s\u00ad\u200b-\u200f\u2060\ufeff]*"
_MARKERS = re.compile(
    rf"\s*(?:[\[［]{_NOTHING}\^?\d{{1,3}}(?:{_NOTHING}[,;、，–-]{_NOTHING}\d{{1,3}})*{_NOTHING}[\]］]|"
    r"【[^【】]{1,20}】)"
)
_NUMBER = re.compile(r"\d{1,3}")
# What may yet become a marker when the rest of it arrives.
_BEGUN = re.compile(r"\s*(?:[\[［][^\]］]{0,20}|【[^】]{0,20})?$")
_THOUGHT = re.compile(r"\A\s*<think>.*?</think>", re.DOTALL)
_FENCE = re.compile(r"\A\s*```(?:json)?\s*\n(.*?)\n?\s*```\s*\Z", re.DOTALL)
_OPEN_FENCE = re.compile(r"\A\s*```(?:json)?\s*")


class _Quote(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    passage: Annotated[int, Field(ge=-_MOST_NUMBER, le=_MOST_NUMBER)]
    quote: Annotated[str, Field(max_length=20 * _LONGEST)]


class _Statement(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    text: Annotated[str, Field(max_length=_LONGEST)]
    quotes: Annotated[list[_Quote], Field(max_length=_MOST_QUOTES)]


class _Reply(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    stated: bool
    statements: Annotated[list[_Statement], Field(max_length=_MOST_STATEMENTS)]


class _FollowUp(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    question: Annotated[str, Field(min_length=1, max_length=_LONGEST)]


@dataclass(frozen=True, slots=True)
class Parsed:
    """The claims of a reply, not verified yet, and the markers in it that name no passage."""

    claims: tuple[Claim, ...]
    unknown: tuple[int, ...]


def parse(reply: str, passages: Sequence[Passage], secret: str = "") -> Parsed:
    """Return what a whole reply says; no claims if it says that nothing is stated.

    Raises LLMProtocolError for a reply of another form, that contradicts itself or has the secret.
    """
    try:
        found = _Reply.model_validate_json(_bare(reply))
    except ValidationError as error:
        raise _of_no_form(error.errors()[0]["msg"]) from error
    if found.stated != bool(found.statements):
        raise _of_no_form("it says both that the answer is stated and that it is not")
    numbers = range(1, len(passages) + 1)
    named = [
        number
        for one in found.statements
        for number in (*(quote.passage for quote in one.quotes), *_markers(one.text))
    ]
    unknown = tuple(dict.fromkeys(number for number in named if number not in numbers))
    claims: dict[str, Claim] = {}
    for one in found.statements:
        text, quotes = cleaned(one.text), _quotes(one, passages)
        known = claims[text].quotes if text in claims else ()
        claims[text] = Claim(text, tuple(dict.fromkeys((*known, *quotes))))
    if "" in claims:
        raise _of_no_form("a statement has no words")
    _refuse(secret, *claims, *(quote.text for one in claims.values() for quote in one.quotes))
    return Parsed(tuple(claims.values()), unknown)


def parse_follow_up(reply: str, secret: str = "") -> str:
    """Return the question of a reply to ``prompts.follow_up``. Raises LLMProtocolError."""
    try:
        question = " ".join(_FollowUp.model_validate_json(_bare(reply)).question.split())
    except ValidationError as error:
        raise _of_no_form(error.errors()[0]["msg"]) from error
    _refuse(secret, question)
    return question


def spoken(reply: str, secret: str = "") -> str:
    """Return the words of a reply's statements as far as it has arrived; they only ever grow.

    >>> spoken('{"stated": true, "statements": [{"text": "Kept for 90 da')
    'Kept for 90 da'
    >>> spoken('{"stated": true, "statements": [{"text": "The key is abc', secret="abcd")
    'The key is '
    """
    begun = _OPEN_FENCE.sub("", _THOUGHT.sub("", reply)).rstrip("` \n")
    try:
        found = from_json(begun, allow_partial="trailing-strings")
        *whole, last = [cleaned(one["text"]) for one in found["statements"] if "text" in one]
    except (ValueError, TypeError, KeyError, AttributeError):
        return ""
    last = _BEGUN.sub("", last)
    if any(one.startswith(last) for one in whole):
        last = ""  # perhaps said again, which is not shown again
    return _before(secret, " ".join(filter(None, dict.fromkeys((*whole, last)))))


def cleaned(text: str) -> str:
    r"""Return a statement's words without markers, on one line.

    >>> cleaned("Kept for 90 days [1][2],\n then deleted 【3】.")
    'Kept for 90 days, then deleted.'
    >>> cleaned("It is sold [[9]1].")
    'It is sold.'
    """
    # Again until none is left: what stands around a marker may be one when it is gone.
    while (shorter := _MARKERS.sub("", text)) != text:
        text = shorter
    return " ".join(text.split())


def _markers(text: str) -> list[int]:
    """Return the numbers that a text's markers name.

    >>> _markers("a [1, 2] b 【3†source】")
    [1, 2, 3]
    """
    return [
        int(number)
        for marker in _MARKERS.findall(text)
        for number in _NUMBER.findall(marker.split("†")[0])
    ]


def _bare(reply: str) -> str:
    """Return a reply without what models put around it: thoughts, and a fence of Markdown."""
    text = _THOUGHT.sub("", reply)
    fenced = _FENCE.match(text)
    return (fenced[1] if fenced else text).strip()


def _quotes(statement: _Statement, passages: Sequence[Passage]) -> Iterator[Quote]:
    for one in statement.quotes:
        if 1 <= one.passage <= len(passages):
            shown = passages[one.passage - 1]
            text = original(one.quote, f"{shown.context}\n{shown.text}")
            yield Quote(text, Span(shown.start, shown.end))
        else:
            yield Quote(one.quote)


def _before(secret: str, text: str) -> str:
    """Return a text up to where the secret stands in it, or begins at its end."""
    ends = (len(text) - size for size in range(min(len(secret) - 1, len(text)), 0, -1))
    begun = next((at for at in ends if secret.startswith(text[at:])), len(text))
    return text[: text.find(secret)] if secret and secret in text else text[:begun]


def _refuse(secret: str, *texts: str) -> None:
    if secret and any(secret in text for text in texts):
        raise LLMProtocolError(
            "the language model's server put the key into its answer",
            hint="do not use that server, and replace the key",
        )


def _of_no_form(why: str) -> LLMProtocolError:
    return LLMProtocolError(
        f"the language model did not answer in the form it was asked for: {why}",
        hint="ask again, or choose another model",
    )
