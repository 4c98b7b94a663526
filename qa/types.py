"""Evidence and answers: frozen values that every face of the program renders the same way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from index.encode import Vectors
from index.types import Passage, Sentence, Span

Status = Literal["stated", "not_stated"]


@dataclass(frozen=True, slots=True)
class Question:
    """A question as it was asked, and its vector."""

    text: str
    vector: Vectors


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """A passage retrieved for a question.

    ``score`` is the fused rank's, comparable within one policy only; ``rank`` counts from 1.
    ``vector`` is the passage's ``[dimension]``; ``sentence_vectors`` has a row per sentence.
    """

    policy: str
    passage: Passage
    score: float
    rank: int
    vector: Vectors
    sentence_vectors: Vectors


@dataclass(frozen=True, slots=True)
class Candidate:
    """A sentence that may answer; ``relevance`` in [0, 1] is comparable across policies."""

    passage: Passage
    sentence: Sentence
    relevance: float


@dataclass(frozen=True, slots=True)
class Reading:
    """What a reader made of one policy's evidence: candidates, best first, and P(stated)."""

    candidates: tuple[Candidate, ...]
    p_stated: float


@dataclass(frozen=True, slots=True)
class Claim:
    """A sentence of a draft answer and the quotes said to support it, not yet verified."""

    text: str
    quotes: tuple[Quote, ...]


@dataclass(frozen=True, slots=True)
class Quote:
    """Words said to stand in a policy; ``near`` is where they are expected, if known."""

    text: str
    near: Span | None = None
    context: str = ""


@dataclass(frozen=True, slots=True)
class Citation:
    """A verified link: ``policy.text[start:end] == quote``, in code points.

    ``context`` is the line that opens the quote's list or table; it is no part of the quote.
    ``emphasis`` is where the words of the quote that answer stand in the policy's text, if that was
    looked for and is less than the quote.
    """

    marker: int
    quote: str
    start: int
    end: int
    section: str
    page: int | None
    source: str
    sha256: str
    context: str
    emphasis: Span | None = None


@dataclass(frozen=True, slots=True)
class Statement:
    """One sentence of an answer; ``markers`` name its citations and are empty if unverified."""

    text: str
    markers: tuple[int, ...]
    verified: bool


@dataclass(frozen=True, slots=True)
class Problem:
    """Something the reader of an answer should know, such as a quote that was not found."""

    code: str
    message: str
    policy: str | None = None


@dataclass(frozen=True, slots=True)
class PolicyAnswer:
    """What one policy says. ``p_stated`` >= 0.5 exactly when ``status`` is ``stated``.

    ``name`` is what people call its company, ``engine`` who worded the statements.
    """

    policy: str
    name: str
    title: str
    status: Status
    text: str
    p_stated: float
    statements: tuple[Statement, ...]
    citations: tuple[Citation, ...]
    nearest: tuple[Citation, ...]
    engine: str = "extractive"

    @property
    def confidence(self) -> float:
        """How sure the status is, from 0.5 to 1."""
        return max(self.p_stated, 1 - self.p_stated)


@dataclass(frozen=True, slots=True)
class Answer:
    """The response to one question: an answer per policy, stated first, best evidence first.

    ``unknown_names`` are companies asked about that are not indexed. ``omitted`` counts policies
    that were not searched in depth because there are too many. ``tokens_in`` and ``tokens_out`` are
    what a language model took and gave for it; None where its server does not tell.
    """

    question: str
    policies: tuple[str, ...]
    answers: tuple[PolicyAnswer, ...]
    unknown_names: tuple[str, ...]
    omitted: int
    engine: str
    problems: tuple[Problem, ...]
    seconds: float
    tokens_in: int | None = 0
    tokens_out: int | None = 0


@dataclass(frozen=True, slots=True)
class Preview:
    """An answer in the policies' own words, to read until a language model has made its own."""

    answer: Answer


@dataclass(frozen=True, slots=True)
class Draft:
    """Words that a language model adds to one policy's answer; nothing of them is verified yet.

    One without policy and words says that nothing came for a while: whoever reads can leave.
    """

    policy: str
    text: str


Event = Preview | Draft | Answer
"""What a streamed answer consists of, in this order; the ``Answer`` comes once and last."""


@dataclass(frozen=True, slots=True)
class SearchResult:
    """A passage found for a question; ``score`` is its best sentence's relevance."""

    policy: str
    start: int
    end: int
    text: str
    section: str
    score: float
    rank: int


@dataclass(frozen=True, slots=True)
class SearchResults:
    """The passages found for a question, best first; ``unknown_names`` as in ``Answer``."""

    question: str
    results: tuple[SearchResult, ...]
    unknown_names: tuple[str, ...]
