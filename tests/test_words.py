"""Words: what a question asks for, what a sentence gives, and how much of one the other has."""

from __future__ import annotations

import doctest
from concurrent.futures import ThreadPoolExecutor

import pytest
from fakes import ANY_TEXT
from hypothesis import given
from hypothesis import strategies as st

from qa.reader import words
from qa.reader.words import (
    ANSWER_TYPES,
    concept_coverage,
    concepts,
    coverage,
    is_common,
    is_word,
    of_question,
    of_sentence,
    rarity_of,
)

NAMES = tuple(kind.name for kind in ANSWER_TYPES)
SENTENCES = st.lists(
    st.sampled_from(
        "we keep your e-mail address don't Wepos's cookies _ga 30 days, ISO-27001 why GDPR?".split()
    )
).map(" ".join) | st.text(max_size=60)


def test_threads_do_not_mix_up_their_words(bundled: dict[str, str]) -> None:
    """What is made of a word is kept, so a mix-up would stay in every answer after it."""
    found = sorted({word for text in bundled.values() for word in text.lower().split()})
    expected = [words._stem.__wrapped__(word) for word in found]
    with ThreadPoolExecutor(8) as threads:
        for _ in range(3):
            assert list(threads.map(words._stem.__wrapped__, found)) == expected


def asked(question: str) -> set[str]:
    return {
        name for name, is_asked in zip(NAMES, of_question(question).types, strict=True) if is_asked
    }


def given_by(sentence: str) -> set[str]:
    return {
        name for name, is_given in zip(NAMES, of_sentence(sentence).types, strict=True) if is_given
    }


def test_documented_examples_hold() -> None:
    results = doctest.testmod(words)
    assert results.attempted
    assert not results.failed


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("How long is my data retained?", "duration"),
        ("how long…", "duration"),
        ("How many days do I have?", "duration"),
        ("When will my account be deleted?", "duration"),
        ("How often is it reviewed?", "frequency"),
        ("When was it last updated?", "date"),
        ("What date did it take effect?", "date"),
        ("what is your e-mail", "email"),
        ("How can I reach you?", "email"),
        ("What is your phone number?", "phone"),
        ("What is the postal address?", "address"),
        ("Where can I read about cookies?", "link"),
        ("At what age may children use it?", "age"),
        ("Do you charge a fee?", "money"),
        ("In which country is my data?", "place"),
        ("Who is the data controller?", "party"),
        ("who gets my data", "party"),
        ("Which companies get it?", "party"),
        ("Which law applies?", "law"),
        ("Why do you need my location?", "purpose"),
        ("What are cookies used for?", "purpose"),
        ("How can I delete my account?", "procedure"),
        ("Under what circumstances is it shared?", "condition"),
        ("Do you sell my data?", "yesno"),
        ("What information do you collect?", "list"),
        ("Which types of cookies are there?", "list"),
        ("What is a cookie?", "definition"),
        ("What does anonymous mean?", "definition"),
        ("How many partners are there?", "number"),
    ],
)
def test_a_question_asks_for_its_kind_of_answer(question: str, kind: str) -> None:
    assert kind in asked(question)
    assert kind in asked(question.upper())


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("Why do you keep it?", "duration"),
        ("How long is it kept?", "yesno"),
        ("Do you sell it?", "party"),
        ("Who gets it?", "yesno"),
        ("Is it encrypted?", "list"),
    ],
)
def test_a_question_does_not_ask_for_another_kind(question: str, kind: str) -> None:
    assert kind not in asked(question)


@pytest.mark.parametrize(
    ("kind", "gives", "gives_not"),
    [
        ("duration", "We keep it for 30 days.", "We keep it."),
        ("duration", "We keep it for as long as necessary.", "We keep it safe."),
        ("frequency", "We review it every year.", "We review it."),
        ("date", "Last updated 12.05.2021.", "We updated it."),
        ("email", "Write to privacy@acme.example.", "Write to us."),
        ("phone", "Call +1 (555) 123-4567.", "Call us within 30 days."),
        ("address", "12 Main Street, Springfield", "It is kept on our servers."),
        ("link", "See https://acme.example/privacy.", "See our other policy."),
        ("age", "Not for anyone under 13 years of age.", "Not for companies."),
        ("money", "A fee of $10 applies.", "A rule applies."),
        ("place", "It is stored in the United States.", "It is stored by us."),
        ("party", "It is shared with Google Analytics.", "it is shared."),
        ("law", "Article 6(1)(f) GDPR is our basis.", "This is our basis."),
        ("purpose", "In order to improve the service.", "The service is good."),
        ("procedure", "You can delete it by writing to us.", "It was deleted."),
        ("condition", "Only if you consent.", "We have it."),
        ("yesno", "We do not sell data.", "Your data, sold?"),
        ("list", "Names, addresses, and ages.", "Names and ages."),
        ("definition", "“Personal data” means anything about you.", "Personal data."),
        ("number", "We have twelve partners.", "We have partners."),
    ],
)
def test_a_sentence_gives_a_kind_of_answer_or_not(kind: str, gives: str, gives_not: str) -> None:
    assert kind in given_by(gives)
    assert kind not in given_by(gives_not)


@given(ANY_TEXT)
def test_any_text_has_words(text: str) -> None:
    for read in (of_question(text), of_sentence(text)):
        assert "" not in read.stems
        assert len(read.types) == len(ANSWER_TYPES)
        assert read.length <= len(text)
        assert read.names <= read.stems
    assert of_question(text).stems == of_sentence(text).stems


@pytest.mark.parametrize("text", ["", "???", "🔒🔒", "What is it?", "Do you? Will we? Can't I?"])
def test_what_only_makes_a_question_is_no_content(text: str) -> None:
    assert of_question(text).stems == frozenset()
    assert coverage(of_question(text), frozenset({"cooki"})) == 0
    assert concept_coverage(of_question(text), frozenset({"cooki"})) == 0


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("cookies", "Cookie"),
        ("e-mail", "email"),
        ("E-Mails", "email"),
        ("Wepos's", "Wepos"),
        ("Wepos’s", "Wepos"),
        ("retention-period", "period retention"),
        ("deleted.", "deleting"),
    ],
)
def test_forms_of_a_word_are_one(one: str, other: str) -> None:
    assert of_sentence(one).stems == of_sentence(other).stems


def test_names_in_a_question_are_known_by_how_they_are_written() -> None:
    names = of_question("Does Acme share _ga, ISO27001 or eBay data?").names
    assert names == of_sentence("Acme _ga ISO27001 eBay").stems
    assert of_question("Cookies are kept by whom?").names == frozenset()


@given(SENTENCES, SENTENCES, SENTENCES)
def test_coverage_is_a_share_that_grows_with_what_is_found(
    question: str, one: str, other: str
) -> None:
    asked_for = of_question(question)
    less = of_sentence(one).stems
    more = less | of_sentence(other).stems
    for share in (coverage, concept_coverage):
        assert 0 <= share(asked_for, less) <= share(asked_for, more) + 1e-12 <= 1 + 2e-12
        assert share(asked_for, frozenset()) == 0
    assert coverage(asked_for, asked_for.stems) == pytest.approx(1 if asked_for.stems else 0)


@given(SENTENCES, SENTENCES)
def test_concepts_of_two_texts_are_those_of_each(one: str, other: str) -> None:
    first, second = of_sentence(one).stems, of_sentence(other).stems
    assert concepts(first | second) == concepts(first) | concepts(second)


@given(st.text(max_size=20))
def test_nothing_is_rarer_than_what_is_not_used_at_all(stem: str) -> None:
    unused = rarity_of("zqxjk")
    assert not is_word("zqxjk")
    assert 0 < rarity_of(stem) <= unused
    assert is_word(stem) or rarity_of(stem) == unused


def test_what_policies_speak_of_is_common_and_a_made_up_name_is_not() -> None:
    assert all(is_common(word) for word in ("data", "Cookies", "retained", "the"))
    assert not any(is_common(word) for word in ("spotify", "zqxjk"))
    assert rarity_of("data") < rarity_of("biometr") < rarity_of("zqxjk")
