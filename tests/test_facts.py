"""Figures, addresses and links of a statement that its quotes do not have."""

from __future__ import annotations

import doctest
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qa import facts
from qa.facts import strange


def test_documented_examples_hold() -> None:
    results = doctest.testmod(facts)
    assert results.attempted
    assert not results.failed


@pytest.mark.parametrize(
    ("statement", "quotes", "made_up"),
    [
        ("Kept for 90 days.", "Logs are kept for 9 days.", "90 day"),
        ("Kept for 90 years.", "Logs are kept for 90 days.", "90 year"),
        ("Kept for 90 years.", "Logs are kept for 90 days, accounts for 2 years.", "90 year"),
        ("Kept for 60 months.", "Kept for 30 or 60 days, or 6 months.", "60 month"),
        ("Kept for forty-five days.", "Kept for 40 or 5 days.", "45 day"),
        ("A hundred and twenty days.", "120 weeks.", "120 day"),
        ("Two dozen partners.", "Partners.", "2"),
        ("Half of it is sold.", "All of it is sold.", "½"),
        ("Checked twice a year.", "Checked every year.", "2"),
        ("Kept for a century.", "Kept for 100 days.", "1 century"),
        ("Kept for a year.", "Kept for 12 years.", "1 year"),
        ("Kept for several years.", "Kept for several days.", "year"),
        ("30% of it.", "Of it, for 30 days.", "30 %"),
        ("It costs $5.", "It costs 5 euros.", "5 $"),
        ("Since May 1.", "Since May 2.", "1 May"),
        ("Since 1st June.", "Since 3rd June.", "1 Jun"),
        ("On 25 December 2018.", "On 25 May 2018.", "25 Dec"),
        ("Kept for 6 months.", "Under Article 6 of the GDPR, for 3 months.", "6 month"),
        ("Kept for 2018 days.", "Since 2018, for 90 days.", "2018 day"),
        ("Kept for 7 days.", "7. Data is stored for 90 days.", "7 day"),
        ("US$10 a month.", "€10 a month.", "10 $"),
        ("€10k a month.", "€10 a month.", "10000 €"),
        ("€10m a month.", "€10 a month.", "10000000 €"),
        ("After 90 h.", "After 90 days.", "90 hour"),
        ("After 72d.", "After 72 hours.", "72 day"),
        ("After 2 mo.", "After 2 years.", "2 month"),
        ("After 90 nights.", "After 90 days.", "90 night"),
        ("Up to 5 GB.", "Up to 5 MB.", "5 GB"),
        ("25 months.", "2 years.", "25 month"),
        ("２０ days", "20 days", "２０ day"),
        ("Ask a@b.example.", "Ask c@b.example.", "a@b.example"),
        ("See https://a.example/evil.", "See https://a.example/privacy.", "a.example/evil"),
        ("See t.co.", "See a.example, e.g. now.", "t.co"),
        ("See https://злой.рф.", "See a.example.", "злой.рф"),
        ("See ftp://evil.", "See a.example.", "ftp://evil"),
        ("Write to mailto:me@evil.", "See a.example.", "me@evil"),
        ("See evil[.]com.", "See a.example.", "evil.com"),
        ("Press javascript:go(1).", "See a.example.", "javascript:go"),
    ],
)
def test_what_is_made_up_is_found(statement: str, quotes: str, made_up: str) -> None:
    assert strange(statement, quotes) == made_up


@pytest.mark.parametrize(
    ("statement", "quotes"),
    [
        ("Kept for 90 days.", "It is kept ninety (90) calendar days."),
        ("Kept for ninety days.", "A 90-day period applies."),
        ("Kept for twenty-four months.", "It is kept 24 months."),
        ("Kept for 12, 24 or 36 months.", "12 months, 24 months or 36 months."),
        ("Kept for 24 months.", "Between 12 and 24 months."),
        ("Kept for 90 days.", "Retention (days): 90"),
        ("No children under 16 years.", "Nobody under the age of 16."),
        ("Kept for one year.", "Kept for a year."),
        ("Once a year.", "Annually."),
        ("1,000,000 users.", "One million users."),
        ("2.5 million users.", "2,500,000 users."),
        ("A third party, or the first one of us.", "Others."),
        ("30 percent.", "30 %"),
        ("€20 million.", "20 000 000 euros, or 20 million euros."),
        ("See www.a.example/privacy.", "https://a.example/privacy/"),
        ("See a.example.", "https://a.example/privacy/"),
        ("Ask A@B.example.", "Write to (a@b.example)."),
        ("It is sold, e.g. to partners.", "It is sold."),
        ("It is sold, e.g.partners.", "It is sold."),
        ("Kept for two years.", "Kept for 24 months."),
        ("Within one day.", "Within 24 hours."),
        ("Within a week.", "Within 7 days."),
        ("Two and a half years.", "2.5 years."),
        ("On 3 June.", "On 3rd June."),
        ("On May 1.", "On the 1st of May."),
        ("Since June 2018.", "Since 25 June 2018."),
        ("10M users.", "10 million users."),
        ("It costs €1,000.00.", "It costs €1000."),
        ("It costs €10.000.", "It costs €10,000."),
        ("Call +40 123 456 789.", "Call +40123456789."),
        ("There are three kinds of recipients: us, them and you.", "Us, them and you."),
        ("(1) it is sold; (2) it is kept.", "It is sold and kept."),
        ("For the fourth reason.", "For that reason."),
        ("Nobody under 16 may use it.", "Nobody under the age of 16 may use it."),
        ("No users under 16 years.", "Nobody under 16 may use it. Logs are kept for 90 days."),
        ("As the annual report says.", "As the report says."),
        ("", ""),
    ],
)
def test_the_same_in_other_words_is_not_made_up(statement: str, quotes: str) -> None:
    assert strange(statement, quotes) is None


def test_no_sentence_has_what_it_does_not_have(bundled: dict[str, str]) -> None:
    for text in bundled.values():
        for sentence in re.split(r"(?<=[.!?])\s+|\n+", text):
            assert strange(sentence, sentence) is None
            assert strange(f"They say: {sentence.upper()}", f"Before. {sentence} After.") is None


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "part",
    ["1", "1 ", "1,", "100,", "1,000", "a.", "a@", "a-", "_", "½", "+1 (", "0 1 ", "www.", "["],
)
def test_a_long_text_takes_no_time_that_grows_with_its_square(part: str) -> None:
    """One that did would take minutes, and be stopped."""
    text = part * (100_000 // len(part))
    assert strange(text, text) is None


@given(st.text(), st.text())
def test_any_text_has_its_own_figures_whatever_follows(text: str, more: str) -> None:
    assert strange(text, text) is None
    strange(text, more)
