"""Routing: which policies a question is about, and which companies it asks about in vain."""

from __future__ import annotations

import doctest
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.errors import AmbiguousNameError, UnknownPolicyError
from index.names import find_names
from index.types import Policy
from qa import route as module
from qa.route import Route, find_policy, route

ALL = ("web1on1", "webee", "webengage", "wecloudit", "wepos")
NAMES = {
    "Web1on1": "web1on1",
    "Webee": "webee",
    "WebEngage": "webengage",
    "UCBee": "wecloudit",
    "WeCloudit": "wecloudit",
    "Wepos": "wepos",
    "RAG TECH": "wepos",
}


@pytest.fixture(scope="session")
def policies(bundled: dict[str, str]) -> tuple[Policy, ...]:
    """The five bundled policies, by id."""
    return tuple(policy(id_, bundled[id_]) for id_ in ALL)


def policy(id_: str, text: str) -> Policy:
    found = find_names(id_, text)
    return Policy(
        id=id_,
        title=found.title,
        names=found.names,
        domains=found.domains,
        text=text,
        sha256=f"hash of {id_}",
        updated=found.updated,
        sources=(f"/docs/{id_}.txt",),
    )


def company(id_: str, *names: str) -> Policy:
    return replace(policy(id_, "We collect personal data.\n"), names=names or (id_,), domains=())


def test_documented_examples_hold() -> None:
    results = doctest.testmod(module)
    assert results.attempted
    assert not results.failed


@pytest.mark.parametrize(
    "question",
    [
        "how long is data retained?",
        "Do you sell my data?",
        "what about cookies",
        "?",
        "",
    ],
)
def test_a_question_that_names_nobody_is_about_all(
    policies: tuple[Policy, ...], question: str
) -> None:
    assert route(question, policies) == Route(ALL, ())


@pytest.mark.parametrize(
    ("question", "named"),
    [
        ("What does UCBee collect?", "wecloudit"),
        ("can we cloudit customers opt out?", "wecloudit"),
        ("WeCloudIT", "wecloudit"),
        ("Who runs the WeCloudit Group?", "wecloudit"),
        ("what is webengage's retention period", "webengage"),
        ("WEBENGAGE'S RETENTION PERIOD", "webengage"),
        ("does web engage sell data?", "webengage"),
        ("is webengage.com tracking me?", "webengage"),
        ("see https://www.webengage.com/privacy", "webengage"),
        ("Does RAG TECH keep my messages?", "wepos"),
        ("webee: what is shared?", "webee"),
        ("Wepos' cookies", "wepos"),
    ],
)
def test_a_company_is_found_by_any_of_its_names(
    policies: tuple[Policy, ...], question: str, named: str
) -> None:
    assert route(question, policies) == Route((named,), ())


@given(
    name=st.sampled_from(sorted(NAMES)),
    write=st.sampled_from([str, str.lower, str.upper, str.title, str.swapcase]),
    owner=st.sampled_from(["", "'s", "’s", "'", "ʼs", "`s"]),
    asked=st.sampled_from(["What is {} policy?", "how long does {} data stay", "{}", "({})?"]),
)
def test_a_name_is_found_however_it_is_written(
    policies: tuple[Policy, ...], name: str, write: type[str], owner: str, asked: str
) -> None:
    question = asked.format(write(name) + owner)
    assert route(question, policies) == Route((NAMES[name],), ())


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("webengege", "webengage"),
        ("Webengag's", "webengage"),
        ("web1on", "web1on1"),
        ("wbe1on1", "web1on1"),
        ("weebe", "webee"),
        ("webbee", "webee"),
        ("wecluodit", "wecloudit"),
        ("weppos", "wepos"),
    ],
)
def test_a_typo_is_tolerated(policies: tuple[Policy, ...], typed: str, meant: str) -> None:
    assert route(f"what does {typed} collect?", policies) == Route((meant,), ())


@pytest.mark.parametrize("other", ["Weebly", "WePay", "Webex", "Wepow", "Repos", "Web"])
def test_another_companys_name_is_no_typo(policies: tuple[Policy, ...], other: str) -> None:
    assert route(f"is data shared with {other}?", policies).policies == ALL


def test_of_two_names_a_typo_means_the_nearer_one() -> None:
    policies = (company("cloudberry"), company("cloudberries"))
    assert route("what does cloudberryy keep?", policies).policies == ("cloudberry",)


@given(st.permutations(sorted(NAMES)), st.integers(1, len(NAMES)))
def test_several_names_are_exactly_those_policies_in_the_questions_order(
    policies: tuple[Policy, ...], order: list[str], count: int
) -> None:
    question = f"Compare {', '.join(order[:count])} please"
    expected = tuple(dict.fromkeys(NAMES[name] for name in order[:count]))
    assert route(question, policies) == Route(expected, ())


@given(st.text())
def test_any_question_has_a_route(policies: tuple[Policy, ...], question: str) -> None:
    found = route(question, policies)
    assert set(found.policies) <= set(ALL)
    assert bool(found.policies) != bool(found.unknown_names) or set(found.policies) < set(ALL)


def test_a_shared_name_asks_which() -> None:
    policies = (company("acme-uk", "Acme"), company("acme-us", "Acme"))
    for ask in (lambda: route("What does Acme's app keep?", policies), lambda: find("acme")):
        with pytest.raises(AmbiguousNameError, match="acme-uk, acme-us") as caught:
            ask()
        assert "--policy acme-uk" in caught.value.hint
    assert route("What does Acme keep?", policies, ["acme-us"]).policies == ("acme-us",)


def find(name: str) -> Policy:
    return find_policy(name, (company("acme-uk", "Acme"), company("acme-us", "Acme")))


def test_the_longer_of_two_names_is_meant() -> None:
    policies = (company("acme"), company("acme-pay", "Acme Pay"))
    assert route("What does Acme Pay keep?", policies).policies == ("acme-pay",)
    assert route("What does Acme keep?", policies).policies == ("acme",)


@pytest.mark.parametrize("name", ["Levi's", "Macy’s", "Ben & Jerry's"])
def test_a_name_may_end_like_a_possessive(name: str) -> None:
    policies = (company("one", name), company("two"))
    for question in (f"What does {name} keep?", f"{name} policy"):
        assert route(question, policies) == Route(("one",), ())


def test_a_plain_word_is_a_name_only_where_a_company_stands() -> None:
    policies = (company("privacy-policy"), company("target"), company("acme"))
    everything = tuple(policy.id for policy in policies)
    for question in ("what does the privacy policy say?", "do ads target me?"):
        assert route(question, policies).policies == everything
    for question in ("What does Target keep?", "does target keep it?", "is target's app safe?"):
        assert route(question, policies).policies == ("target",)


@pytest.mark.parametrize(
    ("question", "names"),
    [
        ("Spotify's privacy policy", ("Spotify",)),
        ("what is Spotify’s retention period?", ("Spotify",)),
        ("is spotify's data encrypted?", ("spotify",)),
        ("does Spotify keep my history?", ("Spotify",)),
        ("does spotify keep my history?", ("spotify",)),
        ("DOES SPOTIFY KEEP MY HISTORY?", ("spotify",)),
        ("How long does Spotify keep my history?", ("Spotify",)),
        ("Why doesn't Spotify delete my history?", ("Spotify",)),
        ("what does TikTok share?", ("TikTok",)),
        ("who does TikTok sell my data to?", ("TikTok",)),
        ("is Netflix selling data?", ("Netflix",)),
        ("Can Netflix see what I watch?", ("Netflix",)),
        ("Has Netflix been fined?", ("Netflix",)),
        ("Does Urban Dictionary's policy cover children?", ("Urban Dictionary",)),
        ("Does Spotify work with advertisers?", ("Spotify",)),
        ("Do Spotify and Netflix share data?", ("Spotify", "Netflix")),
        ("Does Spotify scan my messages, and does Spotify sell them?", ("Spotify",)),
    ],
)
def test_a_company_that_is_not_indexed_is_unknown(
    policies: tuple[Policy, ...], question: str, names: tuple[str, ...]
) -> None:
    assert route(question, policies) == Route((), names)


@pytest.mark.parametrize(
    "question",
    [
        "is data shared with Google?",
        "is my data sold to Spotify?",
        "do they comply with GDPR?",
        "What does GDPR require?",
        "do you share data with KPN?",
        "does Maria see my data?",
        "what happens to Bob's data?",
        "can employees in London see it?",
        "Under Nevada's own definition, is data sold?",
        "what is Norway's regulator called?",
        "does the company sell data?",
        "does Chrome's do-not-track signal matter?",
        "Does Do Not Track work?",
        "is there a Do Not Sell link?",
        "Do you sell data, or honour Do Not Track signals?",
        "What rights do Californians have?",
        "What email should Brazilian users write to?",
        "Why is Intercom used?",
        "Are SSH keys encrypted?",
        "I don't have a Meta login. Do you still track me?",
        "Are videos from my Tapo camera end-to-end encrypted?",
        "Can Thunderbird staff see my photos?",
        "If it is public, can strangers read it?",
        "do u guys sell my data",
        "How is remote access restrained?",
        "What happens when the product is shut down?",
        "How do you check that a guardian has really agreed?",
        "what is that according to you?",
        "Does Your App Collect Data From Kids?",
        "what's the policy on somebody's children?",
    ],
)
def test_what_is_no_company_asked_about_is_not_unknown(
    policies: tuple[Policy, ...], question: str
) -> None:
    assert route(question, policies) == Route(ALL, ())


@pytest.mark.parametrize(
    ("question", "name"),
    [
        ("does KPN get my data?", "KPN"),
        ("does Google Maps see where I am?", "Google Maps"),
        ("does Avlesh Singh read my mail?", "Avlesh Singh"),
        ("Does WhatsApp share my data with advertisers?", "WhatsApp"),
        ("What are WhatsApp's retention periods?", "WhatsApp"),
    ],
)
def test_a_company_that_policies_only_speak_of_is_told_from_one_of_theirs(
    policies: tuple[Policy, ...], question: str, name: str
) -> None:
    assert route(question, policies) == Route(ALL, (), (name,))


def test_a_known_company_is_answered_beside_an_unknown_one(policies: tuple[Policy, ...]) -> None:
    assert route("Does Webee or Spotify share more?", policies) == Route(("webee",), ("Spotify",))


@pytest.mark.parametrize("policy", ALL)
@pytest.mark.parametrize("asked", ["does {} sell data?", "{}'s cookies", "is {} sharing my data?"])
def test_an_indexed_company_is_never_unknown(
    policies: tuple[Policy, ...], policy: str, asked: str
) -> None:
    for name in next(one for one in policies if one.id == policy).names:
        assert route(asked.format(name), policies) == Route((policy,), ())


def test_a_chosen_scope_is_taken_whatever_the_question_names(
    policies: tuple[Policy, ...],
) -> None:
    chosen = ["UCBee", "webee", "WEBEE", "wepos.ai", "Rag-Tech"]
    found = route("does Spotify or Web1on1 share more?", policies, chosen)
    assert found == Route(("wecloudit", "webee", "wepos"), ())


def test_every_id_and_name_finds_its_policy(policies: tuple[Policy, ...]) -> None:
    for policy in policies:
        for name in (policy.id, *policy.names, *policy.domains):
            assert find_policy(name, policies) == policy


def test_an_id_goes_before_anothers_name() -> None:
    policies = (company("acme", "Acme"), company("acme-2", "Acme"))
    assert find_policy("acme", policies).id == "acme"


@pytest.mark.parametrize(
    ("near", "meant"),
    [("webengege", "webengage"), ("wepoz", "wepos"), ("Webbee", "webee"), ("UCBe", "wecloudit")],
)
def test_a_near_miss_is_told_what_was_meant(
    policies: tuple[Policy, ...], near: str, meant: str
) -> None:
    with pytest.raises(UnknownPolicyError, match=repr(near)) as caught:
        route("what is kept?", policies, [near])
    assert caught.value.hint.startswith(f"did you mean {meant}?")
    assert "policyqa policies" in caught.value.hint


@pytest.mark.parametrize("far", ["Spotify", "", "?", "-", "数据"])
def test_what_is_no_near_miss_is_told_where_to_look(policies: tuple[Policy, ...], far: str) -> None:
    nameless = company("policy", "---")
    with pytest.raises(UnknownPolicyError) as caught:
        find_policy(far, (*policies, nameless))
    assert caught.value.hint == "see what is indexed: policyqa policies"
