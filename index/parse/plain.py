"""Plain text and Markdown: decode, normalise newlines, change nothing else."""

from __future__ import annotations

import codecs

from index.errors import DocumentError

# UTF-32's mark begins with UTF-16's, so it is tried first.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_UTF16_NULS = 0.3
_CONTROLS = frozenset(range(0x20)) - frozenset(b"\t\n\r\f\x1b")
_MOST_CONTROLS = 0.005


def parse_plain(content: bytes) -> str:
    """Return the text of a plain text or Markdown file; raises DocumentError for a binary one."""
    text = _decode(content).replace("\r\n", "\n").replace("\r", "\n")
    controls = sum(ord(character) in _CONTROLS for character in text)
    if controls > max(1, _MOST_CONTROLS * len(text)):
        raise _binary(f"{controls:,} of its {len(text):,} characters are control characters")
    return text


def _decode(content: bytes) -> str:
    """Decode by mark, then as strict UTF-8, then UTF-16 by where its NULs are, then cp1252."""
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return _strict(content[len(mark) :], encoding)
    if b"\0" not in content:
        try:
            return content.decode("utf-8")
        except UnicodeDecodeError:
            return _strict(content, "cp1252")
    half = max(1, len(content) // 2)
    odd, even = content[1::2].count(0) / half, content[0::2].count(0) / half
    if max(odd, even) < _UTF16_NULS or min(odd, even) > _UTF16_NULS / 3:
        raise _binary("it holds NUL bytes")
    return _strict(content, "utf-16-le" if odd > even else "utf-16-be")


def _strict(content: bytes, encoding: str) -> str:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        raise _binary(
            f"it is not valid {encoding}: {error.reason} at byte {error.start}"
        ) from error


def _binary(reason: str) -> DocumentError:
    return DocumentError(f"the file is not text: {reason}", hint="save it as UTF-8 text")
