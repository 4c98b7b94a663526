"""Verification: a quote is the policy's own words at a place in it, or it is not shown as one."""

from __future__ import annotations

import doctest
import time

import pytest
from fakes import DOCUMENTS
from hypothesis import assume, given
from hypothesis import strategies as st

from index.types import Policy, Span
from qa import verify
from qa.types import Claim, Quote
from qa.verify import Verifier, find_quote, normalise

TEXT = (
    "1. Policy Statement\n\nWe do not sell your “personal data” – ever. We keep it\u00a0for 130 days,\n"
    "or 1.5 years, so that your ﬁles stay avail\u00adable…\n\nCookies\nWe use cookies. It’s fine.\n"
    "Cookies\nWe use cookies.\n"
)
DISTURBED = {
    " ": ["  ", "\n", "\u00a0", "\t", " \u2003"],
    "'": ["’", "‘", "´"],
    '"': ["“", "”", "«"],
    "-": ["–", "—", "‑", "−"],
    "fi": ["ﬁ"],
    "ffl": ["ﬄ"],
    "...": ["…"],
}
NOTHING = ["", "\u00ad", "\u200b"]
_PIECES = st.sampled_from(
    [
        *DISTURBED,
        *"abkzé,;:)(",
        "data",
        "30",
        "7.5",
        "not",
        "file",
        "raffle",
        "個人",
        "\u00ad",
        "\n\n",
    ]
)
TEXTS = st.one_of(st.lists(_PIECES, min_size=1, max_size=60).map("".join), DOCUMENTS)


def policy(text: str, id_: str = "acme") -> Policy:
    return Policy(id_, "Acme", ("Acme",), (), text, f"hash of {id_}", None, (f"/docs/{id_}.txt",))


def at(section: int) -> str:
    return f"section at {section}"


def disturb(text: str, data: st.DataObject) -> str:
    """Write a text in another of the ways that count as the same."""
    for plain, others in DISTURBED.items():
        parts = text.split(plain)
        joints = [data.draw(st.sampled_from([plain, *others])) for _ in parts[1:]]
        text = parts[0] + "".join(
            joint + part for joint, part in zip(joints, parts[1:], strict=True)
        )
    where, mark = data.draw(st.integers(0, len(text))), data.draw(st.sampled_from(NOTHING))
    return f" {text[:where]}{mark}{text[where:]}\n"


def whole_words(text: str, start: int, end: int) -> Span:
    """Return a range widened to white space on both sides."""
    while start > 0 and not text[start - 1].isspace():
        start -= 1
    while end < len(text) and not text[end].isspace():
        end += 1
    return Span(start, end)


def test_documented_examples_hold() -> None:
    results = doctest.testmod(verify)
    assert results.attempted
    assert not results.failed


@given(TEXTS)
def test_each_character_compared_has_its_place(text: str) -> None:
    compared, offsets = normalise(text)
    assert len(compared) == len(offsets)
    assert offsets == sorted(offsets)
    assert "  " not in compared
    assert normalise(compared)[0] == compared


@given(text=TEXTS, data=st.data())
def test_words_of_a_text_are_found_in_it_however_they_are_written(
    text: str, data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, len(text)))
    quote = whole_words(text, start, data.draw(st.integers(start, len(text)))).of(text)
    wanted = normalise(quote)[0].strip()
    assume(wanted)
    found = find_quote(disturb(quote, data), text)
    assert found
    assert normalise(found.of(text))[0] == wanted


@given(text=TEXTS, data=st.data())
def test_a_quote_is_found_where_it_is_expected(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    span = whole_words(text, start, data.draw(st.integers(start, len(text))))
    quote = span.of(text)
    assume(quote.strip() == quote != "")
    assert find_quote(quote, text, span.start) == span


@given(text=TEXTS, quote=st.one_of(TEXTS, st.text()), near=st.none() | st.integers(0, 500))
def test_any_quote_is_cited_word_for_word_or_not_at_all(
    text: str, quote: str, near: int | None
) -> None:
    verifier = Verifier()
    claims = [
        Claim(
            "We say so.", (Quote(quote, None if near is None else Span(near, near + len(quote))),)
        )
    ]
    statements, citations = verifier.verify(policy(text), claims, at)
    for citation in citations:
        assert text[citation.start : citation.end] == citation.quote
        assert normalise(citation.quote)[0] == normalise(quote)[0].strip() != ""
    assert [statement.verified for statement in statements] == [bool(citations)]
    assert len(verifier.problems) == 1 - len(citations)


@pytest.mark.parametrize(
    ("quote", "words"),
    [
        ('your "personal data" - ever', "your “personal data” – ever"),
        ("We keep it for 130 days, or 1.5 years", "We keep it\u00a0for 130 days,\nor 1.5 years"),
        ("your files stay available...", "your ﬁles stay avail\u00adable…"),
        ("It's fine.", "It’s fine."),
        ("  1. Policy Statement\n", "1. Policy Statement"),
    ],
)
def test_what_is_shown_is_the_policys_own_words(quote: str, words: str) -> None:
    found = find_quote(quote, TEXT)
    assert found
    assert found.of(TEXT) == words


@pytest.mark.parametrize(
    "quote",
    [
        "We do sell your",
        "We keep it for 131 days",
        "We keep it for 13 days",
        "We keep it for 130 weeks",
        "we keep it for 130 days",
        "30 days",
        "for 13",
        "5 years",
        "or 1",
        "lp",
        "ell your",
        "We do not s",
        "your personal data",
        "fil",
        "iles stay",
        "We use cookies, it's fine.",
        "",
        " \n\u00a0",
        "\u00ad\u200b",
    ],
)
@pytest.mark.parametrize("near", [None, 0, 21, 70, len(TEXT), 10_000])
def test_other_words_are_reported_and_not_shown_as_a_quote(quote: str, near: int | None) -> None:
    verifier = Verifier()
    expected = None if near is None else Span(near, near + len(quote))
    claims = [Claim("So it is.", (Quote("We use cookies."), Quote(quote, expected)))]
    statements, citations = verifier.verify(policy(TEXT), claims, at)
    assert citations == ()
    assert [(s.text, s.markers, s.verified) for s in statements] == [("So it is.", (), False)]
    (problem,) = verifier.problems
    assert (problem.code, problem.policy) == ("quote_not_found", "acme")
    assert repr(quote) in problem.message


WORDS = st.lists(
    st.sampled_from(["we", "keep", "it", "for", "not", "30", "7.5", "days"]), min_size=1
)


@given(
    before=WORDS, changed=st.sampled_from([("30", "31"), ("7.5", "7.6"), ("not", "")]), after=WORDS
)
def test_a_changed_number_and_a_dropped_not_are_noticed(
    before: list[str], changed: tuple[str, str], after: list[str]
) -> None:
    true, false = changed
    text = " ".join([*before, true, *after])
    quote = " ".join([*before, *false.split(), *after])
    if quote not in text:
        assert find_quote(quote, text) is None
    assert find_quote(text, text) == Span(0, len(text))


def test_a_number_is_never_a_part_of_another_one() -> None:
    for text in ("for 15 days", "for 1.5 days", "for 1,5 days", "for 5.5 days", "for 5,000 days"):
        assert find_quote("5 days", text) is None
        assert find_quote("for 5", text) is None
    assert find_quote("5 days", "for 15 or 5 days") == Span(10, 16)


def test_scripts_without_spaces_can_be_quoted_anywhere() -> None:
    text = "当社は、お客様の個人情報を収集します。"
    assert find_quote("個人情報", text) == Span(8, 12)


@pytest.mark.parametrize(
    ("near", "start"),
    [(None, 0), (0, 0), (9, 0), (11, 20), (19, 20), (29, 20), (31, 40), (999, 40)],
)
def test_repeated_words_are_found_nearest_to_where_they_are_expected(
    near: int | None, start: int
) -> None:
    text = "We use cookies.  \n  " * 3
    assert find_quote("We use cookies.", text, near) == Span(start, start + 15)
    assert find_quote("We  use\ncookies.", text, near) == Span(start, start + 15)


@given(
    text=st.lists(st.sampled_from(["a", "b", " ", "  "]), max_size=40).map("".join),
    quote=st.lists(st.sampled_from(["a", "b"]), min_size=1, max_size=4).map(" ".join),
    near=st.integers(0, 60),
)
def test_no_place_is_nearer_than_the_one_found(text: str, quote: str, near: int) -> None:
    starts = [
        start
        for start in range(len(text))
        if (found := find_quote(quote, text, start)) and found.start == start
    ]
    found = find_quote(quote, text, near)
    assert (found is None) == (not starts)
    if found:
        assert abs(found.start - near) == min(abs(start - near) for start in starts)


def test_markers_count_on_over_a_whole_response() -> None:
    verifier = Verifier()
    both = Claim("Both.", (Quote("We use cookies."), Quote("Cookies")))
    bad = Claim("Bad.", (Quote("We sell it."),))
    first, cited = verifier.verify(policy(TEXT), [both, bad, both], at)
    second, more = verifier.verify(policy(TEXT, "zeta"), [bad, both], at)
    assert [s.markers for s in (*first, *second)] == [(1, 2), (), (3, 4), (), (5, 6)]
    assert [c.marker for c in (*cited, *more)] == [1, 2, 3, 4, 5, 6]
    assert [problem.policy for problem in verifier.problems] == ["acme", "zeta"]


def test_a_citation_says_where_it_is_from() -> None:
    claims = [Claim("Cookies.", (Quote("We use cookies.", context="Cookies:"),))]
    _, (citation,) = Verifier().verify(policy(TEXT), claims, at)
    assert citation.section == at(citation.start)
    assert (citation.source, citation.sha256) == ("acme.txt", "hash of acme")
    assert citation.context == "Cookies:"


def test_a_claim_without_a_quote_is_unverified() -> None:
    verifier = Verifier()
    statements, citations = verifier.verify(policy(TEXT), [Claim("Trust us.", ())], at)
    assert not statements[0].verified
    assert citations == ()
    assert [problem.code for problem in verifier.problems] == ["no_quote"]


@pytest.mark.parametrize("text", ["We use cookies. " * 20_000, "a " * 150_000, "x" * 300_000])
@pytest.mark.parametrize(
    "quote", ["We use cookies.", "a", "a " * 10_000, " " * 300_000, "y" * 50_000]
)
def test_very_long_texts_are_searched_fast(text: str, quote: str) -> None:
    started = time.perf_counter()
    for near in (None, len(text) // 2, len(text)):
        found = find_quote(quote, text, near)
        assert found is None or normalise(found.of(text))[0] == normalise(quote)[0].strip()
    assert time.perf_counter() - started < 2
