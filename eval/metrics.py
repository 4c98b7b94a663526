"""The metrics, each defined once: pure functions of numbers and spans.

A metric that has no value on a sample raises UndefinedError; it never returns NaN.
"""

from __future__ import annotations

import math
import re
import string
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from index.types import Span

Gold = Sequence[Sequence[Span]]
"""Pieces of evidence, all needed; of a piece's places any one will do."""
Numbers = NDArray[np.float64]
Flags = NDArray[np.bool_]
Statistic = Callable[[Numbers], float]

_TAILS = (2.5, 97.5)
_REDRAWS = 10


class UndefinedError(ValueError):
    """A metric has no value on this sample, such as AUROC where all labels are the same."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A statistic of ``n`` values with its 95 % interval ``[low, high]``."""

    value: float
    low: float
    high: float
    n: int


def overlaps(cited: Span, gold: Span) -> bool:
    """Tell whether two spans share at least half of the shorter one; an empty one shares nothing.

    >>> overlaps(Span(0, 100), Span(95, 105))
    True
    >>> overlaps(Span(0, 100), Span(96, 106))
    False
    """
    shared = min(cited.end, gold.end) - max(cited.start, gold.start)
    shorter = min(cited.end - cited.start, gold.end - gold.start)
    return shared > 0 and 2 * shared >= shorter


def is_hit(cited: Sequence[Span], gold: Sequence[Span], k: int, limit: int = 600) -> bool:
    """Tell whether one of the first ``k`` cited spans overlaps a gold span.

    Each cited span counts with its first ``limit`` characters only, so that citing a whole
    policy is no way to hit. Raises ValueError for a ``k`` or ``limit`` below 1.

    >>> cited, gold = [Span(0, 80), Span(200, 300)], [Span(210, 260)]
    >>> is_hit(cited, gold, k=1), is_hit(cited, gold, k=2)
    (False, True)
    >>> is_hit([Span(0, 5000)], [Span(900, 960)], k=1)
    False
    """
    if k < 1 or limit < 1:
        raise ValueError(f"k and limit are at least 1, not {k} and {limit}")
    cut = [Span(span.start, min(span.end, span.start + limit)) for span in cited[:k]]
    return any(overlaps(span, wanted) for span in cut for wanted in gold)


def recall_at(ranked: Sequence[Span], gold: Gold, k: int) -> float:
    """Return the share of gold pieces that one of the first ``k`` spans overlaps.

    Raises UndefinedError where there is no gold.

    >>> recall_at([Span(0, 10), Span(50, 60)], [[Span(0, 9)], [Span(52, 60)]], k=1)
    0.5
    """
    _some(gold, "recall")
    return mean([is_hit(ranked, piece, k) if ranked else False for piece in gold])


def reciprocal_rank(ranked: Sequence[Span], gold: Gold) -> float:
    """Return one over the rank of the first span that overlaps gold, 0 if none does.

    Its mean over questions is the MRR. Raises UndefinedError where there is no gold.

    >>> reciprocal_rank([Span(90, 99), Span(0, 10)], [[Span(0, 9)]])
    0.5
    """
    _some(gold, "the reciprocal rank")
    places = [place for piece in gold for place in piece]
    ranks = (rank for rank, span in enumerate(ranked, start=1) if is_hit([span], places, 1))
    return 1 / next(ranks, math.inf)


def ndcg_at(ranked: Sequence[Span], gold: Gold, k: int) -> float:
    """Return the discounted gain of the first ``k`` spans over the best that is possible.

    A span gains 1 if it overlaps a gold piece that none before it did (Järvelin and Kekäläinen
    2002, binary). Raises UndefinedError where there is no gold.

    >>> round(ndcg_at([Span(90, 99), Span(0, 10)], [[Span(0, 9)]], k=5), 3)
    0.631
    """
    _some(gold, "nDCG")
    left = list(gold)
    gains = []
    for span in ranked[:k]:
        found = [piece for piece in left if is_hit([span], piece, 1)]
        gains.append(bool(found))
        left = [piece for piece in left if piece not in found]
    ideal = [True] * min(k, len(gold))
    return _discounted(gains) / _discounted(ideal)


def _discounted(gains: Iterable[bool]) -> float:
    return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, start=1))


def has_characters(spans: Sequence[Span]) -> bool:
    """Tell whether a span holds a character: where none does, there is no precision of them.

    >>> has_characters([Span(3, 3)]), has_characters([Span(3, 3), Span(3, 4)])
    (False, True)
    """
    return any(span.end > span.start for span in spans)


def evidence_precision(spans: Sequence[Span], gold: Gold) -> float:
    """Return the share of the spans' characters that are gold; each character counts once.

    Raises UndefinedError where the spans have no character.

    >>> evidence_precision([Span(0, 10), Span(5, 20)], [[Span(0, 5)]])
    0.25
    """
    given = _characters(spans)
    if not given:
        raise UndefinedError("the precision of no characters is undefined")
    return len(given & _characters(place for piece in gold for place in piece)) / len(given)


def evidence_recall(spans: Sequence[Span], gold: Gold) -> float:
    """Return the share of the gold's characters that the spans hold, taking each piece's best place.

    Raises UndefinedError where there is no gold.

    >>> evidence_recall([Span(0, 10)], [[Span(0, 5), Span(90, 99)], [Span(5, 20)]])
    0.5
    """
    _some(gold, "the recall of characters")
    given = _characters(spans)
    found = total = 0
    for piece in gold:
        share, place = max((len(_characters([place]) & given), place) for place in piece)
        found += share
        total += place.end - place.start
    return found / total


def _characters(spans: Iterable[Span]) -> set[int]:
    return {offset for span in spans for offset in range(span.start, span.end)}


def normalised_answer(text: str) -> str:
    """Return a text as SQuAD compares it: lower case, no punctuation, no articles, single spaces.

    Rajpurkar et al. 2016, the official evaluation script.

    >>> normalised_answer("The  90-days' Period.")
    '90days period'
    """
    bare = "".join(c for c in text.lower() if c not in string.punctuation)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", bare).split())


def exact_match(predicted: str, answers: Sequence[str]) -> float:
    """Return 1 if the prediction is one of the answers, as SQuAD compares them, else 0.

    >>> exact_match("the 30 days", ["30 days.", "a month"])
    1.0
    """
    return float(normalised_answer(predicted) in map(normalised_answer, answers))


def token_f1(predicted: str, answers: Sequence[str]) -> float:
    """Return the best F1 of the prediction's words against one answer's (SQuAD).

    Raises UndefinedError for no answers.

    >>> token_f1("kept for 30 days", ["30 days"])
    0.6666666666666666
    """
    _some(answers, "F1")
    return max(_f1(normalised_answer(predicted), normalised_answer(one)) for one in answers)


def _f1(predicted: str, answer: str) -> float:
    ours, theirs = predicted.split(), answer.split()
    if not ours or not theirs:
        return float(ours == theirs)
    shared = sum((Counter(ours) & Counter(theirs)).values())
    return 2 * shared / (len(ours) + len(theirs))


def macro_f1(counts: Numbers) -> float:
    """Return the mean of both classes' F1, from rows of true and false positives and negatives.

    ``counts`` is ``[n, 4]``: true positives, false positives, false negatives, true negatives.
    A class that is neither there nor predicted has no F1: UndefinedError.

    >>> round(macro_f1(np.array([[1, 1, 0, 8.0]])), 3)
    0.804
    """
    positive, false_positive, false_negative, negative = counts.sum(axis=0)
    wrong = false_positive + false_negative
    if not (positive or wrong) or not (negative or wrong):
        raise UndefinedError("macro F1 is undefined: a class is neither there nor predicted")
    return float(
        (2 * positive / (2 * positive + wrong) + 2 * negative / (2 * negative + wrong)) / 2
    )


def _some(values: Sequence[object], what: str) -> None:
    if not values:
        raise UndefinedError(f"{what} is undefined where there is no gold")


def mean(values: ArrayLike) -> float:
    """Return the mean of a list of finite numbers.

    Raises UndefinedError for an empty list, ValueError for NaN or infinity.

    >>> mean([1, 0, 1, 1])
    0.75
    """
    numbers = _numbers(values, "values", dimensions=(1,))
    if not numbers.size:
        raise UndefinedError("the mean of no values is undefined")
    return float(numbers.mean())


def auroc(scores: ArrayLike, labels: ArrayLike) -> float:
    """Return how often a positive scores above a negative; a tie counts half.

    ``scores`` are any finite numbers, ``labels`` booleans or 0 and 1, one per score. Raises
    UndefinedError where one class is missing. It is the Mann-Whitney U from mid-ranks, divided
    by the number of pairs (Hanley and McNeil 1982).

    >>> auroc([0.9, 0.4, 0.4, 0.1], [True, True, False, False])
    0.875
    """
    numbers, positive = _paired(scores, labels, "scores")
    positives, negatives = _class_sizes(positive, "AUROC")
    _, inverse, counts = np.unique(numbers, return_inverse=True, return_counts=True)
    mid_ranks = np.cumsum(counts) - (counts - 1) / 2
    above = float(mid_ranks[inverse][positive].sum()) - positives * (positives + 1) / 2
    return above / (positives * negatives)


def balanced_accuracy(predicted: ArrayLike, labels: ArrayLike) -> float:
    """Return the mean of the two classes' recalls: 0.5 for any constant prediction.

    Both are booleans or 0 and 1. Raises UndefinedError where the labels miss one class.

    >>> balanced_accuracy([True, True, True, False], [True, True, False, False])
    0.75
    """
    guesses, positive = _flags(predicted, "predicted"), _flags(labels, "labels")
    _same_length(guesses, positive, "predicted")
    _class_sizes(positive, "balanced accuracy")
    return float(guesses[positive].mean() + (~guesses[~positive]).mean()) / 2


def balanced_threshold(probabilities: ArrayLike, labels: ArrayLike) -> float:
    """Return the threshold that gives ``probability >= threshold`` the best balanced accuracy.

    It lies midway between two neighbouring scores; of equals the lowest is taken, and the lowest
    score itself (everything is positive) where no threshold beats a constant prediction. Raises
    UndefinedError where one class is missing.

    >>> balanced_threshold([0.1, 0.3, 0.7, 0.9], [False, False, True, True])
    0.5
    """
    numbers, positive = _paired(probabilities, labels, "probabilities")
    _class_sizes(positive, "a balanced threshold")
    distinct = np.unique(_in_unit_interval(numbers))
    lower, upper = distinct[:-1], distinct[1:]
    middle = (lower + upper) / 2
    # Between adjacent floats there is no middle: it rounds to one of them, and must not to lower.
    between = np.where(middle > lower, middle, upper)
    candidates: list[float] = [float(distinct[0]), *between.tolist()]
    return max(candidates, key=lambda at: balanced_accuracy(numbers >= at, positive))


def expected_calibration_error(
    probabilities: ArrayLike, labels: ArrayLike, bins: int = 10
) -> float:
    """Return the mean distance of probability from frequency, over ``bins`` equal widths of [0, 1].

    ``probabilities`` are of the label being true; bins weigh as much as they hold (Naeini et al.
    2015). Raises UndefinedError for no values, ValueError outside [0, 1] or for no bins.

    >>> round(expected_calibration_error([0.95, 0.95, 0.15, 0.15], [1, 0, 0, 0]), 3)
    0.3
    """
    if bins < 1:
        raise ValueError(f"bins is at least 1, not {bins}")
    numbers, positive = _paired(probabilities, labels, "probabilities")
    if not numbers.size:
        raise UndefinedError("the calibration error of no values is undefined")
    # A probability of 1 belongs to the last bin.
    place = np.minimum((_in_unit_interval(numbers) * bins).astype(np.int64), bins - 1)
    gaps = np.bincount(place, weights=numbers - positive, minlength=bins)
    return float(np.abs(gaps).sum()) / len(numbers)


def bootstrap(
    values: ArrayLike,
    statistic: Statistic = mean,
    *,
    groups: Sequence[str] | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> Estimate:
    """Estimate a statistic with its 95 % percentile interval (Efron 1979).

    ``values`` is ``[n]``, or ``[n, columns]`` for a statistic of rows. With ``groups``, one per
    value, whole groups are resampled: the questions of one policy are not independent. A single
    group has its values resampled, and the interval then speaks of that group alone. A resample
    on which the statistic raises UndefinedError or is NaN is redrawn. Raises UndefinedError where
    the statistic has no value on ``values``, or on too few of the resamples.

    >>> bootstrap([1, 1, 1, 0])
    Estimate(value=0.75, low=0.25, high=1.0, n=4)
    >>> pairs = [(0.9, 1), (0.4, 1), (0.4, 0), (0.1, 0)]
    >>> bootstrap(pairs, lambda rows: auroc(rows[:, 0], rows[:, 1])).value
    0.875
    """
    sample = _numbers(values, "values", dimensions=(1, 2))
    if resamples < 1:
        raise ValueError(f"resamples is at least 1, not {resamples}")
    value = _defined(statistic, sample)
    units = _units(len(sample), groups)
    generator = np.random.default_rng(seed)
    if statistic is mean:
        low, high = np.percentile(_means(sample, units, generator, resamples), _TAILS)
        return Estimate(value, float(low), float(high), len(sample))
    found: list[float] = []
    for _ in range(_REDRAWS * resamples):
        drawn = generator.integers(len(units), size=len(units))
        rows = np.concatenate([units[unit] for unit in drawn])
        try:
            found.append(_defined(statistic, sample[rows]))
        except UndefinedError:
            continue
        if len(found) == resamples:
            low, high = np.percentile(found, _TAILS)
            return Estimate(value, float(low), float(high), len(sample))
    raise UndefinedError(
        f"the statistic is defined on {len(found)} of {_REDRAWS * resamples} resamples, "
        f"{resamples} are needed: there are too few values or groups for an interval"
    )


def _means(
    sample: Numbers, units: Sequence[NDArray[np.intp]], generator: np.random.Generator, count: int
) -> Numbers:
    """Return the means of resamples, from each unit's sum: what is drawn is drawn at once."""
    drawn = generator.integers(len(units), size=(count, len(units)))
    sums = np.array([sample[unit].sum() for unit in units])
    sizes = np.array([len(unit) for unit in units])
    means: Numbers = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    return means


def _units(count: int, groups: Sequence[str] | None) -> list[NDArray[np.intp]]:
    """Return the row numbers of each unit that is drawn as a whole."""
    if groups is not None and len(groups) != count:
        raise ValueError(f"there are {count} values and {len(groups)} groups")
    if groups is None or len(set(groups)) == 1:
        return [np.array([row]) for row in range(count)]
    names = np.asarray(groups)
    return [np.flatnonzero(names == name) for name in np.unique(names)]


def _defined(statistic: Statistic, sample: Numbers) -> float:
    """Return the statistic of a sample; UndefinedError where it is NaN or the sample is empty."""
    if not len(sample):
        raise UndefinedError("a statistic of no values is undefined")
    value = float(statistic(sample))
    if np.isnan(value):
        raise UndefinedError(f"the statistic of {len(sample)} values is NaN")
    return value


def _numbers(values: ArrayLike, name: str, *, dimensions: tuple[int, ...]) -> Numbers:
    """Return finite numbers as an array; ValueError names what holds NaN or infinity."""
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.ndim not in dimensions:
        raise ValueError(f"{name} has {numbers.ndim} dimensions")
    if bad := int(numbers.size - np.isfinite(numbers).sum()):
        raise ValueError(f"{name} holds {bad} NaN or infinite of {numbers.size} numbers")
    return numbers


def _flags(values: ArrayLike, name: str) -> Flags:
    """Return booleans, or the numbers 0 and 1, as an array of booleans."""
    numbers = _numbers(values, name, dimensions=(1,))
    if not ((numbers == 0) | (numbers == 1)).all():
        raise ValueError(f"{name} holds something else than booleans or 0 and 1")
    return numbers.astype(np.bool_)


def _paired(values: ArrayLike, labels: ArrayLike, name: str) -> tuple[Numbers, Flags]:
    """Return numbers and their labels; ValueError where there are not as many."""
    numbers, flags = _numbers(values, name, dimensions=(1,)), _flags(labels, "labels")
    _same_length(numbers, flags, name)
    return numbers, flags


def _same_length(values: Numbers | Flags, labels: Flags, name: str) -> None:
    if len(values) != len(labels):
        raise ValueError(f"there are {len(values)} {name} and {len(labels)} labels")


def _in_unit_interval(probabilities: Numbers) -> Numbers:
    if ((probabilities < 0) | (probabilities > 1)).any():
        raise ValueError("probabilities lie outside [0, 1]")
    return probabilities


def _class_sizes(positive: Flags, metric: str) -> tuple[int, int]:
    """Return how many positives and negatives there are; UndefinedError names what is missing."""
    positives = int(positive.sum())
    sizes = {"positive": positives, "negative": len(positive) - positives}
    if missing := [name for name, size in sizes.items() if not size]:
        raise UndefinedError(f"{metric} is undefined: no {' and no '.join(missing)} label is there")
    return sizes["positive"], sizes["negative"]
