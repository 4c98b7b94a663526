"""Hedges: what qualifies a statement is named, and an exception is told from a rule."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qa.hedges import hedges, is_exception


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("We may share it with partners, such as banks.", ("may", "such as")),
        ("We never sell your data.", ()),
        ("We keep it as long as is necessary.", ("as long as is necessary",)),
        ("Residents of California can opt out.", ()),
        ("The right of residents of California to opt out.", ("residents of California",)),
        ("If you are under 16 years of age, do not register.", ("under 16 years of age",)),
        ("Last changed in May 2024.", ()),
        ("We share it except as set out below, unless you object.", ("except as", "unless")),
        ("It may go to X, and it may go to Y.", ("may",)),
    ],
)
def test_the_words_that_qualify_are_named(text: str, found: tuple[str, ...]) -> None:
    assert hedges(text) == found


@given(st.text())
def test_what_is_named_stands_in_the_text(text: str) -> None:
    assert all(words in " ".join(text.split()) for words in hedges(text))


@pytest.mark.parametrize(
    ("text", "limits"),
    [
        ("However, invoices are kept for ten years.", True),
        ("Please note, however, that copies remain.", True),
        ("This does not apply to invoices.", True),
        ("These rights may not apply where the law forbids it.", True),
        ("In some cases we keep it longer.", True),
        ("This Privacy Policy does not apply to partners.", False),
        ("We delete it, however long it was kept.", False),
        ("Butter is not personal data.", False),
    ],
)
def test_an_exception_is_told_by_how_it_opens(text: str, limits: bool) -> None:
    assert is_exception(text) is limits
