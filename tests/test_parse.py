"""Parsing: a plain text's own words come out, nothing else is changed, and no binary file passes."""

from __future__ import annotations

import codecs
import random
from hashlib import sha256
from pathlib import Path

import pytest
from fakes import DOCUMENTS
from hypothesis import assume, given

from index import parse
from index.build import CORPUS
from index.errors import DocumentError
from index.parse import PARSERS, read_text

TEXT = Path("policy.txt")
WORDS = "Privacy – “we” keep it 90 days.\nÜber: 30 €\n"
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00"


def read(content: bytes) -> str:
    return read_text(TEXT, content)


@given(DOCUMENTS)
def test_a_files_own_text_is_kept_but_for_its_line_breaks(text: str) -> None:
    assume(text.strip() and not text.startswith("\ufeff"))
    assume(sum(character < " " and character not in "\t\n\r\f\x1b" for character in text) < 1)
    assert read(text.encode()) == text.replace("\r\n", "\n").replace("\r", "\n")


@given(DOCUMENTS)
def test_line_breaks_of_every_system_give_the_same_text(text: str) -> None:
    assume(text.strip() and not text.startswith("\ufeff"))
    assume(all(character >= " " or character in "\t\n\f\x1b" for character in text))
    assert read(text.encode()) == text
    assert read(text.replace("\n", "\r\n").encode()) == text
    assert read(text.replace("\n", "\r").encode()) == text


def test_white_space_is_kept_as_it_is() -> None:
    text = "  a\u00a0b\t\n\n\n c \u2028d\x0ce  \n"
    assert read(text.encode()) == text


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (codecs.BOM_UTF32_BE, "utf-32-be"),
    ],
)
def test_a_byte_order_mark_names_the_encoding_and_is_no_text(mark: bytes, encoding: str) -> None:
    assert read(mark + WORDS.encode(encoding)) == WORDS


def test_only_the_first_mark_is_left_out() -> None:
    assert read(codecs.BOM_UTF8 + "\ufeffwords".encode()) == "\ufeffwords"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be", "cp1252"])
def test_text_without_a_mark_is_known_by_its_bytes(encoding: str) -> None:
    assert read(WORDS.encode(encoding)) == WORDS


def test_utf8_is_read_before_cp1252() -> None:
    assert read("café".encode()) == "café"
    assert read("café".encode("cp1252")) == "café"


def test_line_breaks_of_utf16_are_normalised_too() -> None:
    assert read("one\r\ntwo\r".encode("utf-16")) == "one\ntwo\n"


@pytest.mark.parametrize(
    "content",
    [
        PNG,
        PNG + bytes(range(256)) * 20,
        b"words\x00\x00\x00 and NULs in the middle of other words",
        bytes(range(1, 32)) * 10,
        codecs.BOM_UTF8 + b"cut off in the middle: \xe2\x80",
        codecs.BOM_UTF16_LE + b"odd number of bytes",
        b"\x81\x8d is in no encoding we read",
    ],
)
def test_a_binary_file_is_refused(content: bytes) -> None:
    with pytest.raises(DocumentError, match="not text") as caught:
        read(content)
    assert caught.value.hint


@pytest.mark.parametrize("seed", range(20))
def test_random_bytes_with_nuls_are_refused(seed: int) -> None:
    content = random.Random(seed).randbytes(4_000)
    assert b"\x00" in content
    with pytest.raises(DocumentError, match="not text"):
        read(content)


@pytest.mark.parametrize("content", [b"", b" \n\t\r\n", "\u00a0\u2003\n".encode(), codecs.BOM_UTF8])
def test_a_file_without_words_is_empty(content: bytes) -> None:
    with pytest.raises(DocumentError, match="empty"):
        read(content)


def test_a_stray_control_character_is_still_text() -> None:
    assert read(b"a vertical\x0btab") == "a vertical\x0btab"


@pytest.mark.parametrize(
    ("name", "named"),
    [("policy.pdf", "'.pdf'"), ("policy", "'without a suffix'"), ("a.TXT2", "TXT2")],
)
def test_an_unknown_format_is_named_with_those_that_are_read(name: str, named: str) -> None:
    with pytest.raises(DocumentError, match=named) as caught:
        read_text(Path(name), b"words")
    assert all(suffix in caught.value.hint for suffix in PARSERS)


@pytest.mark.parametrize("name", ["a.txt", "a.TXT", "a.md", "a.Markdown", "a.text"])
def test_a_suffix_may_be_in_capitals(name: str) -> None:
    assert read_text(Path(name), b"words") == "words"


def test_a_file_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parse, "LARGEST", 1_000)
    assert read(b"a" * 1_000)
    with pytest.raises(DocumentError, match="1,001 bytes; the limit is 1,000"):
        read(b"a" * 1_001)


@pytest.mark.parametrize(
    ("name", "digest"),
    [
        ("web1on1", "d4558dce7de0715b0a6a9ebecea50e2434497368c0b4e16926bfa0d25643c3e3"),
        ("webee", "9e76b10e0ecf3497d31850ba919350e368d430103c6bdbcc037d8b51c02ec354"),
        ("webengage", "5d728430e0608e9266e32e3ed134865103a73a9eb5e7e2b6b318dfc6f2daadd2"),
        ("wecloudit", "8b9cb3656c25ea916aff1ab0c33ee6b8a33d7377df8e90c005647980440f43d0"),
        ("wepos", "1293c7e36009adfaccfc4a5ecd4ede6269cf296bb4d5f15ad715182437a20971"),
    ],
)
def test_a_bundled_policy_is_as_it_was_found_on_the_web(name: str, digest: str) -> None:
    content = (CORPUS / f"{name}.txt").read_bytes()
    assert sha256(content).hexdigest() == digest
    assert read(content) == content.decode().replace("\r\n", "\n")


def test_five_policies_are_bundled() -> None:
    assert len(list(CORPUS.iterdir())) == 5
