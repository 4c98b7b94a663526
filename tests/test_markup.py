"""Markup: what a text says is kept, how it was marked up is not, and no text takes long."""

from __future__ import annotations

import doctest
import time
from collections import Counter

import pytest
from fakes import DOCUMENTS
from hypothesis import given
from hypothesis import strategies as st

from index import markup
from index.markup import readable

WORDS = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=12)
SPACES = st.text(" \t\n\u00a0", min_size=1, max_size=3)
LIMIT = 50_000


def test_documented_examples_hold() -> None:
    results = doctest.testmod(markup)
    assert results.attempted
    assert not results.failed


@given(DOCUMENTS)
def test_what_is_read_is_one_line_and_no_longer(text: str) -> None:
    read = readable(text)
    assert read == " ".join(read.split())
    assert len(read) <= len(text)


@given(DOCUMENTS.filter(lambda text: "](" not in text))
def test_no_letter_or_digit_is_lost_where_there_is_no_link(text: str) -> None:
    def said(line: str) -> Counter[str]:
        return Counter(character for character in line if character.isalnum())

    assert said(readable(text)) == said(text)


@given(st.lists(WORDS, min_size=1), SPACES)
def test_plain_words_stay_as_they_are(words: list[str], space: str) -> None:
    assert readable(space.join(words)) == " ".join(words)


@given(WORDS, st.sampled_from(["*", "_", "**", "__", "***", "`", "``"]))
def test_emphasis_and_code_around_a_word_are_removed(word: str, mark: str) -> None:
    assert readable(f"We keep {mark}{word}{mark} safe.") == f"We keep {word} safe."


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("## 2. How we share it", "2. How we share it"),
        ("> quoted\n> twice", "quoted twice"),
        ("|Name|Purpose|\n|_ga|Statistics|", "Name Purpose _ga Statistics"),
        ("[policy](https://a.example/b_(c)?d=e)", "policy"),
        ('[policy](https://a.example "Our policy")', "policy"),
        ("![logo](https://a.example/logo.png) Acme", "logo Acme"),
        ("[a](b) and [c](d)", "a and c"),
        (r"3 \* 4 \_ga \[x\]", "3 * 4 _ga [x]"),
        ("a snake_case_name, __init__ and 2 * 3 * 4", "a snake_case_name, init and 2 * 3 * 4"),
        ("no [link] (here)", "no [link] (here)"),
        ("C:\\data", "C:\\data"),
        ("first\r\nsecond\u2028third", "first second third"),
        ("** bold **", "bold"),
        ("", ""),
        ("# ", ""),
        ("*", "*"),
    ],
)
def test_a_text_is_read_without_its_marks(text: str, read: str) -> None:
    assert readable(text) == read


@pytest.mark.parametrize(
    "piece",
    [
        "[",
        "![",
        "[a](",
        "[a](b(",
        '[a](b "',
        "](",
        "*a ",
        " _a",
        "`",
        "*",
        "|",
        "# ",
        "\n ",
        "\\",
        "\n|",
    ],
)
def test_no_text_takes_time_that_grows_with_its_square(piece: str) -> None:
    text = piece * (LIMIT // len(piece))
    started = time.perf_counter()
    readable(text)
    assert time.perf_counter() - started < 3  # a tenth of that here; ten where it was quadratic
