"""What is shown of a reply as it arrives is what its answer says in the end."""

from __future__ import annotations

import doctest
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.errors import LLMProtocolError
from qa import drafts
from qa.drafts import parse, spoken

PARTS = st.sampled_from(
    ["It", "is", "kept", "90", "days", "[1]", "[1, 2]", "【1】", "[[9]1]", "[", "]", "[see", "“so”", "é",
     "個人", "😀", "\n", "\\", '"', "`", "<think>", "{", "}", "\u200b", "[\u200b1]", ".", "  "]
)  # fmt: skip
TEXTS = st.lists(PARTS, max_size=8).map(" ".join) | st.lists(PARTS, max_size=8).map("".join)
FORMS = st.sampled_from(
    [
        "{}",
        "```json\n{}\n```",
        "<think>Is it?</think>\n{}",
        "Here it is: {}",
        "\ufeff{}",
        "{}\n\nDone.",
    ]
)


def test_documented_examples_hold() -> None:
    results = doctest.testmod(drafts)
    assert results.attempted
    assert not results.failed


def shown(reply: str) -> list[str]:
    """Return what is shown of a reply at each moment."""
    return [spoken(reply[:end], "sk-012345") for end in range(len(reply) + 1)]


@given(st.lists(TEXTS, max_size=4), FORMS, st.booleans(), st.booleans())
def test_what_is_shown_only_grows_into_what_is_said(
    texts: list[str], form: str, is_ascii: bool, is_stated_first: bool
) -> None:
    statements = [{"text": text, "quotes": []} for text in texts]
    whole = [("stated", bool(texts)), ("statements", statements)]
    pairs = dict(whole if is_stated_first else reversed(whole))
    reply = form.replace("{}", json.dumps(pairs, ensure_ascii=is_ascii))
    try:
        said = " ".join(claim.text for claim in parse(reply, []).claims)
    except LLMProtocolError:
        return  # its statements have no words
    last = ""
    for now in shown(reply):
        if now.startswith(last):  # what does not go on with it is not shown
            assert said.startswith(now)
            last = now


@given(st.text(max_size=60), FORMS)
def test_any_reply_is_read_or_refused(text: str, form: str) -> None:
    for reply in (text, form.replace("{}", text), f'{{"stated": true, "statements": [{text}'):
        shown(reply)
        with pytest.raises(LLMProtocolError):
            parse(reply, [])
