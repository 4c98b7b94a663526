"""Bytes → text: one module per format behind one table.

A parser takes a file's bytes and returns its text; it raises DocumentError with the reason when
the bytes are not what the suffix promises.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from index.errors import DocumentError
from index.parse.plain import parse_plain

Parser = Callable[[bytes], str]

PARSERS: dict[str, Parser] = {
    ".txt": parse_plain,
    ".text": parse_plain,
    ".md": parse_plain,
    ".markdown": parse_plain,
}

LARGEST = 20 * 2**20


def read_text(path: Path, content: bytes) -> str:
    """Return the text of a file's content. Raises DocumentError that says why there is none."""
    parser = PARSERS.get(path.suffix.lower())
    if parser is None:
        raise DocumentError(
            f"the format {path.suffix or 'without a suffix'!r} is not supported",
            hint=f"supported formats: {', '.join(PARSERS)}",
        )
    if len(content) > LARGEST:
        raise DocumentError(
            f"the file has {len(content):,} bytes; the limit is {LARGEST:,}",
            hint="split it; no privacy policy is that long",
        )
    text = parser(content)
    if not text.strip():
        raise DocumentError("the file is empty", hint="check that it was saved completely")
    return text
