"""Values known by their form: a question that demands one is not answered without one."""

from __future__ import annotations

import pytest
from fakes import evidence_of

from index.encode import Encoder
from qa.reader.linear import LinearReader
from qa.reader.values import VALUES, lacks_value
from qa.types import Question

ADDRESS, PHONE, MAIL = (value.name for value in VALUES)


def demanded(question: str) -> list[str]:
    return [value.name for value in VALUES if value.is_demanded(question)]


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("What is Wepos's mailing address?", [ADDRESS]),
        ("Where can I send a letter?", [ADDRESS]),
        ("What's the postal address of the company, for letters?", [ADDRESS]),
        ("Where is the office address kept?", []),
        ("Which phone number can I call?", [PHONE]),
        ("Is my phone number shared?", []),
        ("What is my postal address used for?", []),
        ("What is the e-mail address of the officer?", [MAIL]),
        ("Which email should I write to?", [MAIL]),
        ("Which e-mail addresses do you collect?", []),
        ("What is Webee's email?", [MAIL]),
        ("What is the email address of an account used for?", []),
        ("What happens to the phone number when I call?", []),
        ("For what purpose does Wepos collect the email address and phone number?", []),
        ("Which data, such as phone number and name, does WeCloudit share?", []),
        ("Which email address types do you collect?", []),
        ("Do you tell third parties the email address?", []),
        ("How long is data kept?", []),
    ],
)
def test_what_a_question_demands(question: str, expected: list[str]) -> None:
    assert demanded(question) == expected


@pytest.mark.parametrize(
    ("question", "given", "near"),
    [
        ("What is their postal address?", "Acme, 12 High Street, Leeds LS1 4AB", "Write to us."),
        ("What is the street address?", "26, rue Vignon, Paris 75009", "Our address is below:"),
        ("What is the phone number?", "Call +31 (0)20 123 4567.", "Call us on the number below."),
        ("What is the e-mail address?", "Write to dpo [at] acme.example", "Send us an e-mail."),
    ],
)
def test_a_value_is_told_from_what_only_speaks_of_one(question: str, given: str, near: str) -> None:
    assert lacks_value(question, [near])
    assert lacks_value(question, [])
    assert not lacks_value(question, [near, given])


@pytest.mark.parametrize(
    ("question", "right", "near"),
    [
        (
            "What is your mailing address?",
            "Write to us by post: Acme, 12 High Street, Leeds LS1 4AB.",
            "You can reach us at our mailing address below:",
        ),
        (
            "What phone number can I call?",
            "You can call us: our phone number is +44 113 496 0000.",
            "You can call us on our phone number at any time.",
        ),
    ],
)
def test_a_near_miss_is_not_stated(encoder: Encoder, question: str, right: str, near: str) -> None:
    reader = LinearReader.load(encoder.name)
    asked = Question(question, encoder.encode_question(question))
    stated, silent = (
        reader.read(asked, evidence_of("acme", f"# Contact\n\n{text}\n", encoder)).p_stated
        for text in (right, near)
    )
    assert silent < 0.5 < stated
