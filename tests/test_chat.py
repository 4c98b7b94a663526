"""Conversations: a follow-up becomes a question that can be understood alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fakes import ANY_TEXT, an_answer
from hypothesis import given

from index.types import Policy
from qa.chat import MOST_TURNS, Conversation, Resolved, Turn, resolve


def a_policy(id_: str, *names: str) -> Policy:
    return Policy(id_, names[0], names, (), f"The policy of {names[0]}.", "0" * 64, None, ())


POLICIES = (
    a_policy("webee", "Webee"),
    a_policy("webengage", "WebEngage"),
    a_policy("wepos", "Wepos"),
)


def asked(question: str, *policies: str) -> Resolved:
    return Resolved(question, question, policies)


@pytest.mark.parametrize(
    ("before", "follow_up", "question", "policies"),
    [
        ("how long is data retained?", "and WebEngage?", "how long is data retained?", "webengage"),
        ("does Webee sell my data?", "what about Wepos?", "does the company sell my data?", "wepos"),
        (
            "does Webee sell my data?", "and Wepos and WebEngage?",
            "does the company sell my data?", "wepos webengage",
        ),
        ("what is Webee's postal address?", "And WebEngage", "what is the company's postal address?",
         "webengage"),
        ("how long is data retained?", "why?", "why is data retained?", ""),
        ("do you share my data?", "with whom?", "with whom do you share my data?", ""),
        ("does Webee keep my data?", "for how long?", "for how long does Webee keep my data?", "webee"),
        ("which cookies are set?", "for how long?", "for how long are cookies set?", ""),
        ("which cookies are set?", "and why?", "why are cookies set?", ""),
        ("who gets my data?", "why?", "why: who gets my data?", ""),
        ("does Webee sell my data?", "and is it encrypted?", "is my data encrypted?", "webee"),
        ("does Webee sell my data?", "do they use cookies?", "do they use cookies?", "webee"),
        ("where is personal data stored?", "is it encrypted?", "is personal data encrypted?", ""),
        ("does Webee sell my data?", "and children?", "what does the policy say about children?",
         "webee"),
        ("how long is data retained?", "what about Spotify?",
         "Spotify's policy: how long is data retained?", ""),
    ],
)  # fmt: skip
def test_a_follow_up_becomes_a_full_question(
    before: str, follow_up: str, question: str, policies: str
) -> None:
    found = resolve(follow_up, asked(before), POLICIES)
    assert (found.question, found.policies) == (question, tuple(policies.split()))
    assert found.asked == follow_up


@pytest.mark.parametrize(
    "question",
    [
        "is my data sold?",
        "Does WebEngage set cookies?",
        "What rights do I have?",
        "how long is data kept?",
    ],
)
def test_what_is_no_follow_up_stays_as_it_is(question: str) -> None:
    found = resolve(question, asked("does Webee share my data?"), POLICIES)
    assert found == Resolved(question, question, ())
    assert not found.is_changed


def test_the_first_question_is_never_a_follow_up() -> None:
    assert resolve("and WebEngage?", None, POLICIES) == asked("and WebEngage?")


def test_a_chain_of_follow_ups_keeps_the_question() -> None:
    first = resolve("how long is data retained?", None, POLICIES)
    second = resolve("and WebEngage?", first, POLICIES)
    third = resolve("and Wepos?", second, POLICIES)
    fourth = resolve("why?", third, POLICIES)
    assert third.question == first.question
    assert fourth == Resolved("why?", "why is data retained?", ("wepos",))


def test_what_was_chosen_limits_a_question_unless_it_names_another() -> None:
    before = asked("how long is data retained?", "webee")
    assert resolve("is it sold?", before, POLICIES, ["wepos"]).policies == ("wepos",)
    assert resolve("and WebEngage?", before, POLICIES, ["wepos"]).policies == ("webengage",)


@given(text=ANY_TEXT, before=ANY_TEXT)
def test_any_text_resolves_to_something(text: str, before: str) -> None:
    found = resolve(text, asked(" ".join(before.split())), POLICIES)
    assert found.asked == " ".join(text.split())


def test_a_conversation_forgets_its_oldest_turns() -> None:
    conversation = Conversation()
    for number in range(MOST_TURNS + 3):
        answer = replace(an_answer("We do."), question=str(number))
        conversation = conversation.with_turn(Turn(asked(str(number)), answer))
    assert len(conversation.turns) == MOST_TURNS
    assert conversation.dropped == 3
    assert conversation.turns[-1].resolved.question == str(MOST_TURNS + 2)
