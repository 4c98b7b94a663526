"""What a language model replied → claims to verify. Lenient about form, strict about what is meant.

The reply is JSON by agreement and anything at all in fact: the last object in it that has our keys
counts, whatever is said around it. Its statements' words are also shown while they arrive, so both
readings clean them in the same way: white space is single, a statement made again is one, and markers
such as ``[1][2]``, ``[1, 2]`` and ``【1】``, which say what a number in our form says, are taken out.
A ``secret`` is the key that the reply's server knows, and may send back.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import from_json

from index.errors import LLMProtocolError
from index.types import Passage, Span
from qa.prompts import original
from qa.types import Claim, Quote
from qa.verify import normalise

_MOST_STATEMENTS, _MOST_QUOTES, _LONGEST, _MOST_NUMBER = 20, 10, 2000, 999
_NOTHING = r"[\s\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]*"
_MARKERS = re.compile(
    rf"\s*(?:[\[［]{_NOTHING}\^?\d{{1,3}}(?:{_NOTHING}[,;、，–-]{_NOTHING}\d{{1,3}})*{_NOTHING}[\]］]|"
    r"【[^【】]{1,20}】)"
)
_NUMBER = re.compile(r"\d{1,3}")
# What may yet become a marker when the rest of it arrives.
_BEGUN = re.compile(r"\s*(?:[\[［][^\]］]{0,20}|【[^】]{0,20})?$")
_OPENING = re.compile(r'\{\s*"(?:stated|statements)"')
_MOST_TRIES = 20


class _Quote(BaseModel):
    model_config = ConfigDict(strict=True)

    passage: Annotated[int, Field(strict=False, ge=-_MOST_NUMBER, le=_MOST_NUMBER)]
    quote: Annotated[str, Field(max_length=20 * _LONGEST)]


class _Statement(BaseModel):
    model_config = ConfigDict(strict=True)

    text: Annotated[str, Field(max_length=_LONGEST)]
    quotes: Annotated[list[_Quote], Field(max_length=_MOST_QUOTES)]


class _Reply(BaseModel):
    model_config = ConfigDict(strict=True)

    stated: bool
    statements: Annotated[list[_Statement], Field([], max_length=_MOST_STATEMENTS)]


class _FollowUp(BaseModel):
    model_config = ConfigDict(strict=True)

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
        found = _Reply.model_validate(_object(reply, "stated"))
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
        if not (text := cleaned(one.text)):
            continue
        quotes = _quotes(one, passages)
        known = claims[text].quotes if text in claims else ()
        claims[text] = Claim(text, tuple(dict.fromkeys((*known, *quotes))))
    if found.statements and not claims:
        raise _of_no_form("its statements have no words")
    _refuse(secret, *claims, *(quote.text for one in claims.values() for quote in one.quotes))
    return Parsed(tuple(claims.values()), unknown)


def parse_follow_up(reply: str, secret: str = "") -> str:
    """Return the question of a reply to ``prompts.follow_up``. Raises LLMProtocolError."""
    try:
        question = " ".join(_FollowUp.model_validate(_object(reply, "question")).question.split())
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
    said = reply.rpartition("</think>")[2]
    opening = _OPENING.search(said)
    if not opening or "<think>" in said:
        return ""
    begun = said[opening.start() :].rstrip("` \n")
    try:
        found = from_json(begun, allow_partial="trailing-strings")
        *whole, last = [cleaned(one["text"]) for one in found["statements"] if "text" in one]
    except (ValueError, TypeError, KeyError, AttributeError):
        return ""
    last = cleaned(_BEGUN.sub("", last))
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
    return " ".join(text.split()) if any(map(str.isalnum, text)) else ""


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


def _object(reply: str, key: str) -> dict[str, Any]:
    """Return the last JSON object of a reply that has a key. Raises LLMProtocolError if none has.

    Models think, explain and put fences around what they were asked for.
    """
    last: dict[str, Any] | None = None
    at = 0
    for _ in range(_MOST_TRIES):
        if (at := reply.find("{", at)) < 0:
            break
        try:
            found, at = _DECODER.raw_decode(reply, at)
        except (ValueError, RecursionError):
            at += 1
            continue
        if key in found:
            last = found
    if last is None:
        raise _of_no_form("it holds no such object")
    return last


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(found := dict(pairs)) < len(pairs):
        raise ValueError("a key stands twice")
    return found


_DECODER = json.JSONDecoder(strict=False, object_pairs_hook=_once_each)


def _quotes(statement: _Statement, passages: Sequence[Passage]) -> Iterator[Quote]:
    for one in statement.quotes:
        if 1 <= one.passage <= len(passages):
            shown = passages[one.passage - 1]
            text = original(one.quote, f"{shown.context}\n{shown.text}")
            yield Quote(_below(shown.context, text), Span(shown.start, shown.end))
        else:
            yield Quote(one.quote)


def _below(context: str, quote: str) -> str:
    """Return a quote without the opening of its list or table, which stands further up.

    It was shown right above the passage, and so some quote both as if they were one.
    """
    for line in context.splitlines():
        opening = normalise(line)[0].strip()
        words, offsets = normalise(quote)
        if opening and words.startswith(opening) and words[len(opening) :].strip():
            quote = quote[offsets[len(opening)] :]
    return quote


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
