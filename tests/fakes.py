"""Stand-ins for what is slow, and made-up documents for the invariants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import shake_256

import numpy as np
from hypothesis import strategies as st

from index.encode import Encoder, Vectors
from index.passages import encoded, split
from index.types import Sentence
from qa.types import Answer, Candidate, Citation, Evidence, PolicyAnswer, Question, Reading
from qa.types import Statement as Said


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


class FakeReader:
    """Offers each sentence of the evidence in turn, and is as sure of a policy as it is told.

    Policies in ``empty`` offer nothing; ``cut`` takes that many characters off each sentence's
    beginning.
    """

    def __init__(
        self, p_stated: Mapping[str, float], *, empty: Sequence[str] = (), cut: int = 0
    ) -> None:
        self.p_stated = p_stated
        self.empty = empty
        self.cut = cut

    def read(self, question: Question, evidence: Sequence[Evidence]) -> Reading:  # noqa: ARG002
        policy = evidence[0].policy
        offered = [] if policy in self.empty else evidence
        candidates = tuple(
            Candidate(found.passage, self._sentence(sentence), 1 / (1 + found.rank))
            for found in offered
            for sentence in found.passage.sentences
        )
        return Reading(candidates, self.p_stated[policy])

    def _sentence(self, sentence: Sentence) -> Sentence:
        return Sentence(sentence.start + self.cut, sentence.end, sentence.kind, sentence.lead_in)


def evidence_of(policy: str, text: str, encoder: Encoder) -> tuple[Evidence, ...]:
    """Return all passages of a text as evidence, in its order; their sentences are encoded raw."""
    _, passages = split(policy, text, window=encoder.window, count=encoder.count)
    return tuple(
        Evidence(
            policy,
            passage,
            score=1 / rank,
            rank=rank,
            vector=encoder.encode_question(encoded(passage.context, passage.text)),
            sentence_vectors=encoder.encode_passages(
                [text[sentence.start : sentence.end] for sentence in passage.sentences]
            ),
        )
        for rank, passage in enumerate(passages, start=1)
    )


def an_answer(
    *said: str,
    title: str = "Acme Privacy Policy",
    name: str = "Acme",
    section: str = "1. Data",
    source: str = "acme.txt",
    unknown: Sequence[str] = (),
    p_stated: float = 0.9,
) -> Answer:
    """Return a response of one policy that states each of the sentences, if it is sure enough."""
    cited = tuple(
        Citation(n, quote, 0, len(quote), section, None, source, "0" * 64, "")
        for n, quote in enumerate(said, start=1)
    )
    stated = p_stated >= 0.5
    one = PolicyAnswer(
        policy="acme",
        name=name,
        title=title,
        status="stated" if stated else "not_stated",
        text=" ".join(said),
        p_stated=p_stated,
        statements=tuple(Said(c.quote, (c.marker,), verified=True) for c in cited)
        if stated
        else (),
        citations=cited if stated else (),
        nearest=() if stated else cited,
    )
    return Answer(
        question="what?",
        policies=("acme",),
        answers=(one,),
        unknown_names=tuple(unknown),
        omitted=0,
        engine="extractive",
        problems=(),
        seconds=0.1,
    )


HOSTILE = (
    "\x1b[31mred\x1b[0m \x1b]8;;http://evil.example\x1b\\link\x1b]8;;\x1b\\ over\rwritten \x9b2J\x07"
    "\u202eback\u202c [bold red]x[/] [/] [link=http://e.example]y[/link] :smile: **b** _i_ `c` "
    "<script>alert(1)</script> &lt; ![i](http://e.example/i.png) # h | $t$"
)
"""What acts on a terminal, on rich, on Markdown and on a browser."""

ANY_TEXT = st.text(
    st.one_of(
        st.characters(), st.sampled_from("\x1b\x9b\x07\r\n\t\x85\u2028\u202e\u2069\u200f[]/ a")
    )
) | st.lists(st.sampled_from(HOSTILE.split(" "))).map(" ".join)
"""Any text, lone surrogates too, and much that acts on a terminal."""


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
