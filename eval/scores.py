"""Responses against what is expected: a row of values per case and policy, and their figures.

A value that is undefined for a row, such as the rank of evidence where there is none, is left out of
it, and every figure says how many rows it is of.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from eval import metrics
from eval.benchmarks import Benchmark, Case, Expected
from eval.metrics import Estimate, Numbers, Statistic, UndefinedError, bootstrap
from eval.responses import Found, Prediction, Quoted, Response
from index.types import Span

Values = Mapping[str, float]
SEARCH_DEPTHS = (1, 2, 4, 8, 16, 32, 64)
SEARCH_CHARACTERS = (500, 1000, 2000, 4000, 8000)


@dataclass(frozen=True, slots=True)
class Score:
    """The values of one policy for one case; ``cluster`` is drawn as a whole for intervals."""

    case: str
    policy: str
    kind: str
    split: str
    cluster: str
    values: Values


@dataclass(frozen=True, slots=True)
class Metric:
    """A figure over rows: a statistic of the rows that have all of ``columns``.

    ``better`` is 1 where higher is better, -1 where lower is, 0 where neither.
    """

    name: str
    better: int
    columns: tuple[str, ...]
    statistic: Statistic = metrics.mean

    def rows(self, scores: Iterable[Score]) -> tuple[Numbers, list[str]]:
        """Return the values ``[n]``, or ``[n, columns]`` of several, and each row's cluster."""
        defined = [s for s in scores if all(name in s.values for name in self.columns)]
        table = np.array([[s.values[name] for name in self.columns] for s in defined])
        flat = table.reshape(len(defined), len(self.columns))
        single = len(self.columns) == 1
        return (flat[:, 0] if single else flat), [score.cluster for score in defined]

    def estimate(self, scores: Iterable[Score]) -> Estimate | None:
        """Return the figure with its interval; None where the rows give it no value."""
        values, clusters = self.rows(scores)
        try:
            return bootstrap(values, self.statistic, groups=clusters)
        except UndefinedError:
            return None


def _of_pairs(statistic: Callable[[Numbers, Numbers], float]) -> Statistic:
    return lambda rows: statistic(rows[:, 0], rows[:, 1])


def _balanced(p_stated: Numbers, stated: Numbers) -> float:
    return metrics.balanced_accuracy(p_stated >= 0.5, stated)


def _percentile(percent: float) -> Statistic:
    return lambda values: float(np.percentile(values, percent))


def _plain(better: int, *names: str) -> tuple[Metric, ...]:
    return tuple(Metric(name, better, (name,)) for name in names)


_JUDGED = ("p_stated", "stated")
METRICS: tuple[Metric, ...] = (
    *_plain(1, "hit@1", "hit@1 unrefused", "hit@3 unrefused", "recall@5", "MRR", "nDCG@5"),
    *_plain(1, "evidence recall", "evidence precision", "citation recall", "citation precision"),
    *_plain(1, "quote exactness"),
    *_plain(-1, "document mismatch", "unverified statements"),
    *_plain(1, "exact match", "token F1", "facts"),
    *_plain(-1, "false answers", "false refusals"),
    Metric("right status", 1, ("right",)),
    Metric("balanced accuracy", 1, _JUDGED, _of_pairs(_balanced)),
    Metric("AUROC", 1, _JUDGED, _of_pairs(metrics.auroc)),
    Metric("calibration error", -1, _JUDGED, _of_pairs(metrics.expected_calibration_error)),
    Metric(
        "calibration error of confidence",
        -1,
        ("confidence", "right"),
        _of_pairs(metrics.expected_calibration_error),
    ),
    Metric("macro F1", 1, ("tp", "fp", "fn", "tn"), metrics.macro_f1),
    *_plain(1, *(f"{what}@{k}" for what in ("precision", "recall") for k in SEARCH_DEPTHS)),
    *_plain(
        1,
        *(f"{what} in {n}" for what in ("precision", "recall") for n in SEARCH_CHARACTERS),
    ),
    *_plain(0, "characters"),
    Metric("latency p50 (s)", 0, ("seconds",), _percentile(50)),
    Metric("latency p95 (s)", 0, ("seconds",), _percentile(95)),
)


MEANS: tuple[Metric, ...] = tuple(m for m in METRICS if m.statistic is metrics.mean)


def figures(scores: Sequence[Score], of: Iterable[Metric] = METRICS) -> dict[str, Estimate]:
    """Return the estimate of every metric that the rows give a value."""
    found = ((metric.name, metric.estimate(scores)) for metric in of)
    return {name: estimate for name, estimate in found if estimate}


def score(benchmark: Benchmark, responses: Mapping[str, Response]) -> list[Score]:
    """Return the rows of all cases that have a response, in the set's order."""
    cases = [case for case in benchmark.cases if case.id in responses]
    return [row for case in cases for row in _rows(benchmark, case, responses[case.id])]


def _rows(benchmark: Benchmark, case: Case, response: Response) -> Iterator[Score]:
    seconds = {"seconds": response.seconds}
    if benchmark.task == "search":
        values = {**_searched(benchmark, case, response.found), **seconds}
        yield Score(case.id, "", case.kind, case.split, case.id, values)
        return
    made = {prediction.policy: prediction for prediction in response.predictions}
    for policy in dict.fromkeys((*case.expect, *made)):
        # A policy that a system does not even name is one that it refuses.
        prediction = made.get(policy) or Prediction(policy, 0.0, (), ())
        expected, text = case.expect.get(policy), benchmark.texts[policy]
        values = {**_cited(prediction.cited, text, elsewhere=expected is None), **seconds}
        seconds = {}  # once per case
        if expected:
            values |= _judged(prediction, expected)
            values |= _stated(prediction, expected, text) if expected.stated else {}
            values |= _sentences(prediction, expected, benchmark.units.get(policy, ()))
        cluster = policy if benchmark.clustered_by == "policy" else case.id
        yield Score(case.id, policy, case.kind, case.split, cluster, values)


def _cited(cited: Sequence[Quoted], text: str, *, elsewhere: bool) -> dict[str, float]:
    """Return what every citation is held to, whatever was asked."""
    if not cited:
        return {}
    exact = [one.span.of(text) == one.quote for one in cited]
    characters = float(sum(one.end - one.start for one in cited))
    return {
        "quote exactness": metrics.mean(exact),
        "document mismatch": float(elsewhere),
        "characters": characters,
    }


def _judged(prediction: Prediction, expected: Expected) -> dict[str, float]:
    """Return what is measured of stated against not stated, and of what is shown."""
    right = prediction.stated == expected.stated
    values = {
        "p_stated": prediction.p_stated,
        "stated": float(expected.stated),
        "confidence": max(prediction.p_stated, 1 - prediction.p_stated),
        "right": float(right),
        "false refusals" if expected.stated else "false answers": float(not right),
        "unverified statements": float(prediction.unverified),
    }
    spans = [one.span for one in prediction.cited]
    if spans:
        places = [place for piece in expected.gold for place in piece]
        hits = [metrics.is_hit([span], places, 1) for span in spans]
        values["citation precision"] = metrics.mean(hits)
        if metrics.has_characters(spans):
            values["evidence precision"] = metrics.evidence_precision(spans, expected.gold)
    return values


def _stated(prediction: Prediction, expected: Expected, text: str) -> dict[str, float]:
    """Return what is measured where there is evidence; a refusal has cited none of it."""
    gold, ranked = expected.gold, prediction.ranked
    spans = [one.span for one in prediction.cited]
    places = [place for piece in gold for place in piece]
    said = " ".join(one.quote for one in prediction.cited)
    answers = [" ".join(_closest(piece, spans).of(text) for piece in gold)]
    if len(gold) == 1:
        answers = [place.of(text) for place in gold[0]]
    values = {
        "hit@1": float(metrics.is_hit(spans, places, 1)),
        "hit@1 unrefused": float(metrics.is_hit(ranked, places, 1)),
        "hit@3 unrefused": float(metrics.is_hit(ranked, places, 3)),
        "recall@5": metrics.recall_at(ranked, gold, 5),
        "MRR": metrics.reciprocal_rank(ranked, gold),
        "nDCG@5": metrics.ndcg_at(ranked, gold, 5),
        "evidence recall": metrics.evidence_recall(spans, gold),
        "citation recall": metrics.recall_at(spans, gold, max(1, len(spans))),
        "exact match": metrics.exact_match(said, answers),
        "token F1": metrics.token_f1(said, answers),
    }
    if expected.facts:
        words = " ".join(f"{prediction.text} {said}".split())
        values["facts"] = metrics.mean(
            [bool(re.search(fact, words, re.IGNORECASE)) for fact in expected.facts]
        )
    return values


def _closest(piece: Sequence[Span], spans: Sequence[Span]) -> Span:
    """Return the place of a piece that the spans hold the most of, or the first."""
    return max(piece, key=lambda place: metrics.evidence_recall(spans, [[place]]))


def _sentences(
    prediction: Prediction, expected: Expected, units: Sequence[Span]
) -> dict[str, float]:
    """Return how many sentences are rightly and wrongly cited, where a set judges each of them."""
    if not units:
        return {}
    gold = {place for piece in expected.gold for place in piece}
    spans = [one.span for one in prediction.cited]
    counts = dict.fromkeys(("tp", "fp", "fn", "tn"), 0.0)
    for unit in units:
        cited = any(metrics.overlaps(span, unit) for span in spans)
        key = ("tp" if unit in gold else "fp") if cited else ("fn" if unit in gold else "tn")
        counts[key] += 1
    return counts


def _searched(benchmark: Benchmark, case: Case, found: Sequence[Found]) -> dict[str, float]:
    """Return precision and recall of characters over the whole corpus, at depths and lengths."""
    bases, end = {}, 0
    for name, text in benchmark.texts.items():
        bases[name], end = end, end + len(text)
    spans = [_moved(one.span, bases[one.policy]) for one in found]
    gold = [
        [_moved(place, bases[policy]) for place in piece]
        for policy, expected in case.expect.items()
        for piece in expected.gold
    ]
    values = {}
    if found:
        values["document mismatch"] = metrics.mean([one.policy not in case.expect for one in found])
    for label, part in (
        *((f"@{k}", spans[:k]) for k in SEARCH_DEPTHS),
        *((f" in {n}", _first(spans, n)) for n in SEARCH_CHARACTERS),
    ):
        values[f"recall{label}"] = metrics.evidence_recall(part, gold)
        precise = metrics.has_characters(part)
        values[f"precision{label}"] = metrics.evidence_precision(part, gold) if precise else 0.0
    return values


def _moved(span: Span, by: int) -> Span:
    return Span(span.start + by, span.end + by)


def _first(spans: Sequence[Span], characters: int) -> list[Span]:
    """Cut a ranking off after so many characters."""
    kept: list[Span] = []
    for span in spans:
        if characters <= 0:
            break
        kept.append(Span(span.start, min(span.end, span.start + characters)))
        characters -= span.end - span.start
    return kept
