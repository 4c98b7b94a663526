"""Extraction: whole sentences at their place, each quoted once, the best of them first."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, pairwise

import pytest
from fakes import DOCUMENTS, FakeEncoder, evidence_of
from hypothesis import given, settings
from hypothesis import strategies as st

from index.markup import readable
from index.sections import HEADING
from index.types import Policy, Span
from qa import extract
from qa.extract import LONGEST_QUOTE, claims, nearest, ranked
from qa.types import Candidate, Claim, Reading

MOST = 5
LIST = (
    "# Data\n\nWe may pass these on to a partner:\n\n• your name;\n• your address;\n• your age.\n\n"
    "We delete everything else without any delay.\n"
)
LONG_WORDS = " ".join(["telecommunications"] * 8)
NESTED = "\n".join(
    [
        "We collect what you give us when you register, including:",
        *(f"- the {what} for {LONG_WORDS};" for what in ("name", "mail", "age")),
        "- what our partners give us, such as:",
        *(f"- the {what} of {LONG_WORDS};" for what in ("date", "item", "sum")),
    ]
)
EXAMPLES = st.sampled_from([LIST, NESTED, f"{LIST}\n{LIST}", f"{NESTED}\n\n{LIST}"])


def policy_of(text: str) -> Policy:
    return Policy("acme", "Acme", ("Acme",), (), text, "0" * 64, None, ("acme.txt",))


def candidates_of(text: str) -> list[Candidate]:
    """Return every sentence of a text in order, none of them relevant yet."""
    return [
        Candidate(item.passage, sentence, 0.0)
        for item in evidence_of("acme", text, FakeEncoder())
        for sentence in item.passage.sentences
    ]


def reading_of(text: str, *best: str, relevance: float = 0.9) -> Reading:
    """Return a reading of a text with the sentences that hold these words first, and relevant."""
    everything = candidates_of(text)
    matching = (c for words in best for c in everything if words in span(c).of(text))
    chosen = list({c.sentence.start: c for c in matching}.values())
    first = [Candidate(c.passage, c.sentence, relevance - n / 1000) for n, c in enumerate(chosen)]
    return Reading((*first, *(c for c in everything if c not in chosen)), 0.9)


def span(candidate: Candidate) -> Span:
    return Span(candidate.sentence.start, candidate.sentence.end)


def quotes(found: Sequence[Claim]) -> list[str]:
    return [quote.text for claim in found for quote in claim.quotes]


def spans(found: Sequence[Claim]) -> list[Span]:
    """Return where the quotes are said to stand."""
    return [quote.near for claim in found for quote in claim.quotes if quote.near]


@st.composite
def readings(draw: st.DrawFn) -> tuple[Policy, Reading]:
    """Draw a text and some of its sentences in any order, the best first."""
    text = draw(DOCUMENTS | EXAMPLES)
    everything = candidates_of(text)
    shuffled = draw(st.permutations(everything))[: draw(st.integers(0, 40))]
    size = len(shuffled)
    relevance = sorted(draw(st.lists(st.floats(0, 1), min_size=size, max_size=size)), reverse=True)
    scored = (Candidate(c.passage, c.sentence, r) for c, r in zip(shuffled, relevance, strict=True))
    return policy_of(text), Reading(tuple(scored), draw(st.floats(0, 1)))


@settings(max_examples=200)
@given(readings())
def test_quotes_are_whole_sentences_at_their_place_and_no_headings(
    drawn: tuple[Policy, Reading],
) -> None:
    policy, reading = drawn
    whole = [c.sentence for c in candidates_of(policy.text)]
    starts = {sentence.start for sentence in whole if sentence.kind != HEADING}
    ends = {sentence.end for sentence in whole if sentence.kind != HEADING}
    found = (*claims(policy, reading), *nearest(policy, reading))
    for claim in found:
        assert len(claim.quotes) == 1
    assert len(spans(found)) == len(found)
    for place, quote in zip(spans(found), quotes(found), strict=True):
        assert place.of(policy.text) == quote
        assert place.start in starts
        assert place.end in ends
    for place in ranked(reading):
        assert place.start in starts
        assert place.end in ends


@settings(max_examples=200)
@given(readings())
def test_nothing_is_quoted_twice_and_no_two_quotes_could_be_one(
    drawn: tuple[Policy, Reading],
) -> None:
    policy, reading = drawn
    found = claims(policy, reading)
    assert len(found) <= MOST
    for one, other in combinations(sorted(spans(found)), 2):
        assert one.end <= other.start
        together = other.end - one.start
        assert policy.text[one.end : other.start].strip() or together > LONGEST_QUOTE
    assert len({readable(words) for words in quotes(nearest(policy, reading))}) == len(
        nearest(policy, reading)
    )


@settings(max_examples=200)
@given(readings())
def test_only_a_single_sentence_is_longer_than_the_longest_quote(
    drawn: tuple[Policy, Reading],
) -> None:
    policy, reading = drawn
    alone = {span(candidate) for candidate in reading.candidates}
    for place in (*spans(claims(policy, reading)), *ranked(reading)):
        assert place.end - place.start <= LONGEST_QUOTE or place in alone


@settings(max_examples=200)
@given(readings())
def test_the_best_candidate_that_can_be_quoted_comes_first(drawn: tuple[Policy, Reading]) -> None:
    policy, reading = drawn
    quotable = [c for c in reading.candidates if c.sentence.kind != HEADING]
    stated, closest = claims(policy, reading), nearest(policy, reading)
    assert bool(stated) == bool(closest) == bool(ranked(reading)) == bool(quotable)
    if quotable:
        best = span(quotable[0])
        for place in (spans(stated)[0], spans(closest)[0], ranked(reading)[0]):
            assert place.start <= best.start < best.end <= place.end


@settings(max_examples=100)
@given(readings())
def test_what_is_hardly_relevant_is_not_quoted(drawn: tuple[Policy, Reading]) -> None:
    policy, reading = drawn
    low = Reading(tuple(Candidate(c.passage, c.sentence, 0.01) for c in reading.candidates), 0.9)
    assert len(claims(policy, low)) <= 1


@pytest.mark.parametrize("text", ["", "# Data", "# Data\n\n## Cookies\n\n---\n"])
def test_headings_alone_give_no_quote(text: str) -> None:
    reading = Reading(tuple(candidates_of(text)), 0.9)
    assert claims(policy_of(text), reading) == nearest(policy_of(text), reading) == ()
    assert ranked(reading) == ()


def test_a_sentence_that_stands_twice_is_quoted_once_where_it_is_best() -> None:
    same = "We keep the orders of customers for 30 days."
    text = f"# A\n\n{same}\n\n# B\n\n{same}\n\n# C\n\nWe **keep** the orders of customers for 30 days.\n"
    one, two, three = [c for c in candidates_of(text) if c.sentence.kind != HEADING]
    reading = Reading(tuple(Candidate(c.passage, c.sentence, 0.9) for c in (two, one, three)), 0.9)
    (claim,) = claims(policy_of(text), reading)
    (quote,) = claim.quotes
    assert (claim.text, quote.near) == (same, Span(two.sentence.start, two.sentence.end))
    assert len(nearest(policy_of(text), reading)) == len(ranked(reading)) == 1


def test_sentences_that_follow_one_another_are_one_quote_whatever_their_order() -> None:
    said = [f"We keep the {what} of our customers." for what in ("names", "ages", "orders")]
    text = "\n\n".join(said)
    for order in ([0, 1, 2], [2, 0, 1], [0, 2, 1], [1, 2, 0]):
        found = claims(policy_of(text), reading_of(text, *(said[n] for n in order)))
        assert quotes(found) == [text]


def test_sentences_are_not_joined_beyond_the_longest_quote() -> None:
    said = [f"We keep {what} {'of our customers and others ' * 12}." for what in ("ages", "names")]
    text = " ".join(said)
    found = claims(policy_of(text), reading_of(text, said[1], said[0]))
    assert quotes(found) == [said[1], said[0]]


def test_sentences_of_two_sections_are_two_quotes() -> None:
    text = "# A\n\nWe keep your name for a year.\n\n# B\n\nWe keep your age for a year.\n"
    found = claims(policy_of(text), reading_of(text, "age", "name"))
    assert quotes(found) == ["We keep your age for a year.", "We keep your name for a year."]


def test_a_sentence_that_opens_a_list_takes_its_items_along() -> None:
    (first,) = claims(policy_of(LIST), reading_of(LIST, "pass these on"))
    assert first.quotes[0].text == (
        "We may pass these on to a partner:\n\n• your name;\n• your address;\n• your age."
    )
    assert first.quotes[0].context == ""


def test_only_the_items_that_fit_are_taken_along() -> None:
    items = [f"- {what} {'with what belongs to it ' * 8};" for what in ("names", "ages", "orders")]
    text = "\n".join(["We may pass these on to a partner:", *items])
    (place, *_) = ranked(reading_of(text, "pass these on"))
    assert place.of(text).endswith(items[1].rstrip())
    assert place.end - place.start <= LONGEST_QUOTE


def test_an_item_is_quoted_with_the_sentence_that_opens_its_list_as_context() -> None:
    (claim,) = claims(policy_of(LIST), reading_of(LIST, "your address"))
    assert claim.quotes[0].text == "your address;"
    assert claim.quotes[0].context == "We may pass these on to a partner:"
    assert claim.text == "We may pass these on to a partner: your address;"
    assert nearest(policy_of(LIST), reading_of(LIST, "your address"))[0] == claim


def test_an_item_and_the_sentence_that_opens_its_list_are_one_quote() -> None:
    found = claims(policy_of(LIST), reading_of(LIST, "your age", "your name", "pass these on"))
    assert [text.split()[0] for text in quotes(found)] == ["We"]
    assert found[0].quotes[0].context == ""


def test_of_two_lists_that_share_an_item_nothing_is_quoted_twice() -> None:
    outer, inner = [span(c) for c in candidates_of(NESTED) if span(c).of(NESTED).endswith(":")]
    assert len({c.passage.id for c in candidates_of(NESTED)}) == 1
    assert inner.end - outer.start < LONGEST_QUOTE < len(NESTED)
    for order in (["when you register", "partners give"], ["partners give", "when you register"]):
        found = claims(policy_of(NESTED), reading_of(NESTED, *order))
        assert sum(text.count("what our partners give us") for text in quotes(found)) == 1
        assert order[0] in quotes(found)[0]
        assert all(one.end <= other.start for one, other in pairwise(sorted(spans(found))))


def test_a_sentence_is_read_without_its_marks_and_quoted_with_them() -> None:
    said = "We **never** sell\nyour [data](https://acme.example)."
    text = f"# Data\n\n{said}\n"
    (claim,) = claims(policy_of(text), reading_of(text, "never"))
    assert claim.text == "We never sell your data."
    assert claim.quotes[0].text == said


def test_what_is_much_less_relevant_than_the_best_is_left_out() -> None:
    text = "# A\n\nWe keep your name for a year.\n\n# B\n\nWe keep your age for a year.\n"
    first, second = [c for c in candidates_of(text) if c.sentence.kind != HEADING]
    for relevance, count in ((0.9, 2), (0.2, 2), (0.15, 1), (0.0, 1)):
        reading = Reading(
            (
                Candidate(first.passage, first.sentence, 0.95),
                Candidate(second.passage, second.sentence, relevance),
            ),
            0.9,
        )
        assert len(claims(policy_of(text), reading)) == count


def test_no_more_than_so_many_sentences_are_quoted() -> None:
    text = "\n".join(f"# Part {n}\n\nWe keep the thing number {n} for a year.\n" for n in range(9))
    found = claims(policy_of(text), reading_of(text, "We keep", relevance=0.9))
    assert len(found) == MOST
    assert len(nearest(policy_of(text), reading_of(text, "We keep"))) == 2
    assert len(ranked(reading_of(text, "We keep"))) == 9
    assert extract.ENGINE == "extractive"


def test_an_exception_is_quoted_with_its_rule() -> None:
    text = "# Storage\n\nWe delete orders after 90 days. However, invoices are kept. "
    text += "We answer questions by mail within a week.\n"
    policy = policy_of(text)
    assert quotes(claims(policy, reading_of(text, "90 days"))) == [
        "We delete orders after 90 days. However, invoices are kept."
    ]


def test_an_exception_of_another_rule_is_not_quoted() -> None:
    text = "# Storage\n\nWe delete orders after 90 days.\n\nWe answer questions by mail.\n\n"
    text += "However, we may not answer all of them.\n"
    policy = policy_of(text)
    assert quotes(claims(policy, reading_of(text, "90 days"))) == [
        "We delete orders after 90 days."
    ]
