"""Names: what a policy is called, by its file, its title, its definitions and its domains."""

from __future__ import annotations

import doctest
import re
from datetime import date

import pytest
from fakes import DOCUMENTS
from hypothesis import given
from hypothesis import strategies as st

from index import names
from index.names import find_date, find_names, slug, squash


def test_documented_examples_hold() -> None:
    results = doctest.testmod(names)
    assert results.attempted
    assert not results.failed


@given(st.text())
def test_an_id_is_plain_ascii_and_never_empty(stem: str) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", slug(stem))


@given(st.text())
def test_an_id_is_its_own_slug(stem: str) -> None:
    assert slug(slug(stem)) == slug(stem)


@pytest.mark.parametrize(
    ("stem", "id_"),
    [
        ("web1on1", "web1on1"),
        ("Acme Corp. (2024)", "acme-corp-2024"),
        ("privacy_policy", "privacy-policy"),
        ("Ünïcödé", "unicode"),
        ("日本", "policy"),
        ("", "policy"),
        ("../../etc", "etc"),
    ],
)
def test_an_id_is_the_slug_of_the_files_stem(stem: str, id_: str) -> None:
    assert slug(stem) == id_


@pytest.mark.parametrize(
    ("one", "other"),
    [("Web1on1", "web 1 on 1"), ("RAG TECH", "rag-tech"), ("Straße", "STRASSE"), ("é", "e\u0301")],
)
def test_names_are_compared_without_case_spaces_and_marks(one: str, other: str) -> None:
    assert squash(one) == squash(other)


@given(st.text())
def test_a_squashed_name_holds_letters_and_digits_only(name: str) -> None:
    assert all(character.isalnum() for character in squash(name))
    assert squash(squash(name)) == squash(name)


@given(st.text(max_size=20), DOCUMENTS)
def test_names_are_found_in_any_text_without_repeats(stem: str, text: str) -> None:
    found = find_names(stem, text)
    squashed = [squash(name) for name in found.names]
    assert found.names
    assert len(set(squashed)) == len(squashed)


@pytest.mark.parametrize(
    ("policy", "title"),
    [
        ("web1on1", "Web1on1 - Privacy Policy"),
        ("webengage", "Privacy Policy - WebEngage"),
        ("wecloudit", "Politică de confidențialitate pentru UCBee Dashboard extension"),
        # These two open with their first sentence.
        ("webee", "Webee"),
        ("wepos", "Wepos"),
    ],
)
def test_the_title_is_the_policys_own(bundled: dict[str, str], policy: str, title: str) -> None:
    assert find_names(policy, bundled[policy]).title == title


@pytest.mark.parametrize(
    ("policy", "name"),
    [
        ("web1on1", "Web1on1"),
        ("webee", "Webee"),
        ("webengage", "WebEngage"),
        ("wecloudit", "WeCloudit"),
        ("wecloudit", "UCBee"),
        ("wecloudit", "WeCloudit Group"),
        ("wepos", "Wepos"),
        ("wepos", "RAG TECH"),
    ],
)
def test_a_policy_is_known_by_company_product_and_owner(
    bundled: dict[str, str], policy: str, name: str
) -> None:
    assert name in find_names(policy, bundled[policy]).names


@pytest.mark.parametrize(
    ("policy", "others"),
    [
        ("web1on1", ["Google", "Google Analytics"]),
        ("webee", ["Rocket", "Boss", "ENGDAT"]),
        ("webengage", ["Avlesh Singh"]),
        ("wecloudit", ["KPN", "Hotjar", "Facebook", "LinkedIn"]),
        ("wepos", ["WhatsApp", "WhatsApp Business", "Google"]),
    ],
)
def test_companies_a_policy_only_mentions_are_not_its_names(
    bundled: dict[str, str], policy: str, others: list[str]
) -> None:
    own = {squash(name) for name in find_names(policy, bundled[policy]).names}
    assert own.isdisjoint(squash(other) for other in others)


@pytest.mark.parametrize(
    ("policy", "domains"),
    [
        ("web1on1", {"web1on1.chat"}),
        ("webee", set()),
        ("webengage", {"webengage.com"}),
        ("wecloudit", {"wecloudit.nl"}),
        ("wepos", {"wepos.ai", "app-server.wepos.ai"}),
    ],
)
def test_a_domain_is_the_policys_own_where_its_label_is_a_name(
    bundled: dict[str, str], policy: str, domains: set[str]
) -> None:
    assert set(find_names(policy, bundled[policy]).domains) == domains


@pytest.mark.parametrize(
    ("policy", "updated"),
    [
        ("web1on1", None),
        ("webee", None),
        ("webengage", date(2018, 5, 23)),
        ("wecloudit", date(2019, 6, 3)),
        ("wepos", None),
    ],
)
def test_the_date_is_the_one_the_policy_gives(
    bundled: dict[str, str], policy: str, updated: date | None
) -> None:
    assert find_names(policy, bundled[policy]).updated == updated


@pytest.mark.parametrize(
    ("words", "updated"),
    [
        ("Last Updated: 23rd May, 2018", date(2018, 5, 23)),
        ("Updated: 03-06-2019", date(2019, 6, 3)),
        ("Updated: 06/23/2019", date(2019, 6, 23)),
        ("Last updated on June 3, 2019.", date(2019, 6, 3)),
        ("Effective Date: June 3rd, 2019", date(2019, 6, 3)),
        ("effective as of 3 June 2019", date(2019, 6, 3)),
        ("**Last updated:** 2019-06-03", date(2019, 6, 3)),
        ("Last revised\nSept. 5, 2021", date(2021, 9, 5)),
        ("Version: 1.2.2020", date(2020, 2, 1)),
        ("Last updated: May 2020", date(2020, 5, 1)),
        ("Last updated: 31-02-2020", None),
        ("Last updated: 45-45-2019", None),
        ("Founded on June 3, 2019", None),
        ("We update this policy from time to time.", None),
        ("", None),
    ],
)
def test_dates_are_read_as_they_are_written(words: str, updated: date | None) -> None:
    assert find_date(f"Privacy Policy\n{words}\n") == updated


@pytest.mark.parametrize(
    "words",
    ["Last updated and effective date: June 3, 2019", "Effective / Last updated: 3 June 2019"],
)
def test_a_date_with_two_labels_is_read(words: str) -> None:
    assert find_date(words) == date(2019, 6, 3)


def test_a_word_that_begins_like_a_month_is_no_month() -> None:
    assert find_date("Last updated: maybe 2020") is None


def test_a_policy_without_any_name_is_called_by_its_file() -> None:
    found = find_names("acme-2024", "We collect personal data.\n")
    assert (found.title, found.names) == ("acme-2024", ("acme-2024",))


def test_the_files_name_is_written_as_the_policy_writes_it() -> None:
    text = "AcmeSoft Privacy Policy\n\nAcmeSoft keeps your data. AcmeSoft deletes it.\n"
    assert find_names("acmesoft", text).names[0] == "AcmeSoft"


def test_the_names_in_a_definition_of_we_are_the_policys() -> None:
    text = 'Our Policy\n\nAcme Software, Inc. ("Acme", "we" or "us") keeps your data.\n'
    assert "Acme" in find_names("terms", text).names


def test_who_operates_the_service_is_one_of_its_names() -> None:
    text = "Privacy Policy\n\nThe app is operated by Blue Sky Labs Ltd. in London.\n"
    assert "Blue Sky Labs" in find_names("app1", text).names


def test_a_generic_title_is_no_name() -> None:
    found = find_names("zeta", "Privacy Policy and Terms of Use\n\nWe collect data.\n")
    assert found.title == "Privacy Policy and Terms of Use"
    assert found.names == ("zeta",)


def test_domains_of_others_are_left_out() -> None:
    text = "Acme Privacy Policy\n\nSee www.acme.com, mail@Acme.co or https://www.google.com.\n"
    assert find_names("acme", text).domains == ("acme.com", "acme.co")
