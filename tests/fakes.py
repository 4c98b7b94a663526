"""Stand-ins for what is slow, and made-up documents for the invariants."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import shake_256

import numpy as np
from hypothesis import strategies as st

from index.encode import Vectors


class FakeEncoder:
    """Counts words, and gives every text a vector of its own; ``calls`` is what it was given."""

    def __init__(self, name: str = "fake", *, dimension: int = 8, window: int = 256) -> None:
        self.name = name
        self.dimension = dimension
        self.window = window
        self.calls: list[list[str]] = []

    @property
    def texts(self) -> list[str]:
        """Every text that was encoded, in order."""
        return [text for call in self.calls for text in call]

    def count(self, text: str) -> int:
        return len(text.split())

    def encode_passages(self, texts: Sequence[str]) -> Vectors:
        self.calls.append(list(texts))
        rows = [self.encode_question(text) for text in texts]
        return np.array(rows, dtype=np.float32).reshape(len(rows), self.dimension)

    def encode_question(self, text: str) -> Vectors:
        digest = shake_256(f"{self.name}\0{text}".encode()).digest(2 * self.dimension)
        numbers = np.frombuffer(digest, dtype=np.uint16).astype(np.float64) - 2**15 + 0.5
        return (numbers / np.linalg.norm(numbers)).astype(np.float32)


_LINES = st.sampled_from(
    [
        "# Privacy Policy",
        "## 2. How we share it ##",
        "What we collect",
        "YOUR RIGHTS AND CHOICES",
        "**Cookies:**",
        "---",
        "===",
        "* * *",
        "1. Policy Statement",
        "7. Storing and destroying your personal data",
        "7.5 We retain your usage data for a period of 90 days after your trial.",
        "3.1.2 Consent. We send our newsletter to you should you have signed up for it.",
        "3.1.2 Legal. We have a legal obligation to hold accounting records which may",
        "Section 4: Children",
        "§ 5 Data",
        "We collect the following information:",
        "including, but not limited to;",
        "  • your name;",
        "- your e-mail address; and",
        "(a) your telephone number, or",
        "2) the pages you visit",
        "|Name|Purpose|Expiry|",
        "|---|:--|--:|",
        "| _ga | Statistics, by Google | 2 years |",
        "Name Description Expiry Periods",
        "hubspotutk\u00a0",
        "SSID\u00a0 \u00a0 1 Year",
        "key\tvalue\tmore",
        "Used to store and track a",
        "visitor's identity",
        "13 Months",
        "We may share your data with others, e.g. Acme Inc.; they keep it for 30 days. Or less!",
        "We may share your data with others, e.g. Acme Inc.; they keep it for 30 days. Or less!",
        "contain personal information.",
        '> See [our cookie policy](https://example.com/a_b(c)?d=e "Cookies") for *more*.',
        "個人情報の保護方針。当社は、お客様の個人情報を収集します。",
        "“Webee,” “we” or “us” – says: “no”…",
        "\u00a0",
        "   \u3000\u2003",
        "A line with a carriage return\r",
        "a form\x0cfeed, a line\u2028separator and a next\x85line",
        "\ufeffa mark",
    ]
)
_LONG = st.builds(
    lambda word, times: " ".join([word] * times),
    st.sampled_from(["data", "personal", "and", "a,", "retained;", "x" * 40, "naïve", "**b**"]),
    st.integers(20, 300),
)
_MARKS = st.text(alphabet="-*_=#: \t\u00a0.;,1aA()[]•–", max_size=30)
_LINE = st.one_of(_LINES, _LINES, _LONG, _MARKS, st.text(max_size=60), st.just(""))

DOCUMENTS = st.one_of(st.lists(_LINE, max_size=25).map("\n".join), st.text())
"""Headings, clauses, lists, tables, endless sentences, repeated lines, and any text at all."""
