"""Rendering: what is a policy's own text shows, and never acts."""

from __future__ import annotations

import json
import re
import unicodedata
from dataclasses import replace
from datetime import date

import pytest
from fakes import ANY_TEXT, HOSTILE, an_answer
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from index.types import Policy
from qa import render
from qa.types import Problem, SearchResult, SearchResults, Statement

DIRECTIONS = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def is_harmless(text: str) -> bool:
    """Tell whether nothing in a text acts on a terminal."""
    return not any(unicodedata.category(c) in {"Cc", "Cs"} or c in DIRECTIONS for c in text)


def blocks(markdown: str) -> list[Token]:
    return [token for token in MARKDOWN.parse(markdown) if token.nesting >= 0]


def shown(inline: Token) -> str:
    """Return the text of a paragraph or heading, after checking that it is nothing but text."""
    children = inline.children or []
    assert {child.type for child in children} <= {"text", "text_special"}
    return "".join(child.content for child in children)


@given(text=ANY_TEXT)
def test_a_printable_text_is_one_line_that_does_not_act(text: str) -> None:
    line = render.printable(text)
    assert is_harmless(line)
    assert len(line.splitlines()) <= 1
    assert line == line.strip()


@given(text=ANY_TEXT)
def test_making_printable_changes_nothing_else(text: str) -> None:
    line, words = render.printable(text), " ".join(text.split())
    assert len(line) == len(words)
    changed = {old for old, new in zip(words, line, strict=True) if old != new}
    assert all(render.unprintable(character) for character in changed)
    assert render.printable(line) == line


@pytest.mark.parametrize("character", ["\x00", "\x1b", "\x7f", "\x9b", "\ud800", *DIRECTIONS])
def test_what_acts_on_a_terminal_is_unprintable(character: str) -> None:
    assert render.unprintable(character)
    assert render.printable(f"a{character}b") == "a\ufffdb"


@pytest.mark.parametrize("text", ["naïve", "個人情報", "“quoted” – …", "a😀b", "e\u0301", "עברית"])
def test_writing_of_any_script_is_shown_as_it_is(text: str) -> None:
    assert render.printable(text) == text


@given(text=ANY_TEXT)
def test_escaped_markdown_shows_as_the_text_it_is(text: str) -> None:
    line = render.printable(text)
    for opening, kinds in (("", ["paragraph_open"]), ("> ", ["blockquote_open", "paragraph_open"])):
        found = blocks(opening + render.escape_markdown(text))
        if line:
            assert [token.type for token in found] == [*kinds, "inline"]
            assert shown(found[-1]) == line


@given(text=ANY_TEXT)
def test_escaped_markdown_shows_as_the_text_it_is_after_other_words(text: str) -> None:
    (_, inline) = blocks("x " + render.escape_markdown(text))
    assert shown(inline) == f"x {render.printable(text)}".strip()


@pytest.mark.parametrize("text", ["e-mail (or post), e.g. to us!", "3.5 days; C++ & C#"])
def test_plain_words_need_no_escapes(text: str) -> None:
    assert render.escape_markdown(text) == text


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("# h", r"\# h"),
        ("- item", r"\- item"),
        ("12. item", r"12\. item"),
        ("> quote", r"\> quote"),
        ("===", r"\==="),
        ("<b>", r"\<b\>"),
        ("&lt;", r"\&lt;"),
        ("![a](b)", r"!\[a\](b)"),
        ("$x$", r"\$x\$"),
    ],
)
def test_markup_is_escaped(text: str, escaped: str) -> None:
    assert render.escape_markdown(text) == escaped


def test_an_answer_in_markdown_holds_no_markup_of_the_policy() -> None:
    answer = an_answer(HOSTILE, title=HOSTILE, section=HOSTILE, source=HOSTILE, unknown=[HOSTILE])
    answer = replace(answer, problems=(Problem("x", HOSTILE),))
    text = render.answer_markdown(answer)
    assert is_harmless(text.replace("\n", ""))
    html = MARKDOWN.render(text)
    assert set(re.findall(r"</?(\w+)", html)) <= {"h3", "p", "blockquote", "ul", "li"}
    assert html.count("<h3>") == html.count("<blockquote>") == html.count("<li>") == 1


def test_a_policy_that_states_nothing_says_so_in_markdown() -> None:
    text = render.answer_markdown(an_answer("near", p_stated=0.2))
    assert text == "### Acme Privacy Policy — does not state this (80 %)"


def test_an_unverified_statement_is_marked_and_has_no_markers() -> None:
    answer = an_answer("We keep it.")
    said = Statement("We sell it.", (), verified=False)
    one = replace(answer.answers[0], statements=(*answer.answers[0].statements, said))
    text = render.answer_markdown(replace(answer, answers=(one,)))
    assert "> We keep it. [1]\n" in text
    assert "\nWe sell it. (unverified)\n" in text


def test_what_concerns_the_whole_answer_is_said() -> None:
    answer = replace(
        an_answer("We keep it.", unknown=["Spotify"]),
        omitted=3,
        problems=(Problem("x", "something is odd"),),
    )
    assert list(render.summary(answer)) == [
        "No policy of Spotify is indexed.",
        "3 more policies were not searched in depth; name one in the question to have it searched.",
        "Note: something is odd.",
    ]
    assert all(sentence in render.answer_markdown(answer) for sentence in render.summary(answer))


def test_the_fields_of_an_answer_are_the_contracts() -> None:
    found = render.answer_json(an_answer("We keep it."))
    assert list(found) == [
        "question", "policies", "answers", "unknown_names", "omitted", "text", "engine",
        "problems", "seconds", "tokens_in", "tokens_out",
    ]  # fmt: skip
    one = found["answers"][0]
    assert list(one) == [
        "policy", "name", "title", "status", "text", "p_stated", "confidence", "engine",
        "statements",
        "citations", "nearest",
    ]  # fmt: skip
    assert one["statements"] == [{"text": "We keep it.", "markers": (1,), "verified": True}]
    assert one["citations"] == [
        {
            "marker": 1, "quote": "We keep it.", "start": 0, "end": 11, "section": "1. Data",
            "page": None, "source": "acme.txt", "sha256": "0" * 64, "context": "",
                "emphasis": None, "hedges": [],
        }
    ]  # fmt: skip


@given(said=ANY_TEXT, title=ANY_TEXT)
def test_json_keeps_every_character_in_ascii(said: str, title: str) -> None:
    found = json.dumps(render.answer_json(an_answer(said, title=title)))
    assert found.isascii()
    one = json.loads(found)["answers"][0]
    assert (one["title"], one["citations"][0]["quote"]) == (title, said)


@given(p=st.floats(0, 1))
def test_confidence_is_that_of_the_status(p: float) -> None:
    one = render.answer_json(an_answer("x", p_stated=p))["answers"][0]
    assert one["confidence"] == pytest.approx(max(p, 1 - p), abs=1e-4)
    assert (one["status"] == "stated") == (p >= 0.5)


def test_the_fields_of_search_results_are_the_contracts() -> None:
    found = render.search_json(
        SearchResults("what?", (SearchResult("acme", 1, 3, "ab", "1. Data", 0.5, 1),), ("Zeta",))
    )
    assert found == {
        "question": "what?",
        "results": (
            {
                "policy": "acme", "start": 1, "end": 3, "text": "ab", "section": "1. Data",
                "score": 0.5, "rank": 1,
            },
        ),
        "unknown_names": ("Zeta",),
    }  # fmt: skip


def test_the_fields_of_a_policy_are_the_contracts() -> None:
    policy = Policy(
        "acme", "Acme Policy", ("Acme",), ("acme.com",), "naïve", "0" * 64, date(2024, 2, 1),
        ("/a/acme.txt", "/b/copy.txt"),
    )  # fmt: skip
    assert render.policy_json(policy, 7) == {
        "policy": "acme",
        "title": "Acme Policy",
        "names": ["Acme", "acme.com"],
        "source": "acme.txt",
        "sources": ["/a/acme.txt", "/b/copy.txt"],
        "sha256": "0" * 64,
        "updated": "2024-02-01",
        "characters": 5,
        "passages": 7,
    }
    assert render.policy_json(replace(policy, updated=None), 0)["updated"] is None


@pytest.mark.parametrize(
    ("name", "title", "expected"),
    [
        ("Acme", "Acme - Privacy Policy", "Acme - Privacy Policy"),
        ("Ac-me", "ACME's policy", "ACME's policy"),
        ("Acme", "Privacy Policy", "Acme — Privacy Policy"),
    ],
)
def test_a_heading_names_the_company_once(name: str, title: str, expected: str) -> None:
    one = an_answer("x", name=name, title=title).answers[0]
    assert render.heading(one) == expected


@given(p=st.floats(0.5, 1))
def test_nothing_is_ever_certain(p: float) -> None:
    assert "100" not in render.percent(p)


@given(quote=ANY_TEXT, context=ANY_TEXT)
def test_a_quote_is_one_line_of_bounded_length(quote: str, context: str) -> None:
    cited = an_answer(quote).answers[0].citations[0]
    for citation in (cited, replace(cited, context=context)):
        line = render.quote_line(citation)
        assert is_harmless(line)
        assert len(line.splitlines()) == 1
    long = render.quote_line(replace(cited, quote="word " * 1000))
    assert len(long) < 700
    assert long.endswith(" …”")
