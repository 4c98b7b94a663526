"""What policyqa is compared with: plain similarity, BM25, and a control that sees only the question.

Each reads all sentences of the policy; none is told which passages were retrieved.
"""

from __future__ import annotations

import math
import re
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np

from eval.benchmarks import Case
from index.catalog import match_any
from index.encode import Vectors
from index.home import Home
from index.markup import readable
from index.sections import HEADING
from index.types import Policy, Span
from qa.reader.linear import LinearReader

_WORD = re.compile(r"\w+")
# The highest score at which saying "stated" was best on the training questions of both sets
# (``python -m eval.heldout --split train`` prints each system's own).
SIMILARITY_THRESHOLD, BM25_THRESHOLD = 0.46, 6.45


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a system made of a case: ranked spans, P(stated), and what it cites.

    ``ranked`` ignores whether the system would refuse; ``cited`` is what it shows.
    """

    ranked: tuple[Span, ...]
    p_stated: float
    cited: tuple[Span, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Sentences:
    """A policy's sentences without its headings: spans, texts and vectors, a row each."""

    spans: tuple[Span, ...]
    texts: tuple[str, ...]
    vectors: Vectors


class Baselines:
    """The comparisons over one home."""

    def __init__(self, home: Home, policies: Mapping[str, Policy]) -> None:
        self.home = home
        self.policies = policies
        self.prior = LinearReader.load(home.encoder.name).weights.prior
        self._sentences = cache(self._read_sentences)
        self._words = cache(self._index_words)

    def similarity(self, case: Case) -> Prediction:
        """Rank sentences by the cosine of their vector to the question's."""
        own = self._sentences(case.policy)
        scores = own.vectors @ self.home.encoder.encode_question(case.question)
        order = np.argsort(-scores, kind="stable")
        best = float(scores.max(initial=-1.0))
        return _prediction(own, order.tolist(), best, SIMILARITY_THRESHOLD, 10.0)

    def bm25(self, case: Case) -> Prediction:
        """Rank sentences by SQLite's BM25 over stemmed words."""
        rows = self._words(case.policy).execute(
            "SELECT rowid, -bm25(words) FROM words WHERE words MATCH ? ORDER BY bm25(words)",
            (match_any(_WORD.findall(case.question.lower()) or [""]),),
        )
        found = rows.fetchall()
        own = self._sentences(case.policy)
        best = found[0][1] if found else 0.0
        return _prediction(own, [row[0] for row in found], best, BM25_THRESHOLD, 0.5)

    def question_only(self, case: Case) -> Prediction:
        """Judge by the question's wording alone, and cite the policy's first sentence."""
        vector = self.home.encoder.encode_question(case.question)
        # There is no prior for an encoder the reader was not trained with.
        log_odds = float(vector @ self.prior[:-1] + self.prior[-1]) if len(self.prior) else 0.0
        own = self._sentences(case.policy)
        return _prediction(own, [0] if own.spans else [], log_odds, 0.0, 1.0)

    def _read_sentences(self, name: str) -> _Sentences:
        policy = self.policies[name]
        spans, rows = [], []
        for indexed in self.home.catalog.passages(policy):
            for sentence, vector in zip(
                indexed.passage.sentences, indexed.sentence_vectors, strict=True
            ):
                if sentence.kind != HEADING:
                    spans.append(Span(sentence.start, sentence.end))
                    rows.append(vector)
        texts = tuple(readable(span.of(policy.text)) for span in spans)
        vectors = np.array(rows, dtype=np.float32).reshape(len(rows), self.home.encoder.dimension)
        return _Sentences(tuple(spans), texts, vectors)

    def _index_words(self, name: str) -> sqlite3.Connection:
        connection = sqlite3.connect(":memory:")
        connection.execute("CREATE VIRTUAL TABLE words USING fts5 (text, tokenize = 'porter')")
        texts = enumerate(self._sentences(name).texts)
        connection.executemany("INSERT INTO words (rowid, text) VALUES (?, ?)", texts)
        return connection


def _prediction(
    own: _Sentences, order: list[int], score: float, threshold: float, steepness: float
) -> Prediction:
    """Cite the first sentence if the score reaches the threshold, which becomes P = 0.5."""
    ranked = tuple(own.spans[n] for n in order)
    p = 1 / (1 + math.exp(-steepness * (score - threshold)))
    return Prediction(ranked, p, ranked[:1] if p >= 0.5 else ())
