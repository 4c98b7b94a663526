"""Metrics: their documented values, their invariants, and what they refuse."""

from __future__ import annotations

import doctest
import inspect
import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval import metrics
from eval.metrics import (
    Estimate,
    Numbers,
    UndefinedError,
    auroc,
    balanced_accuracy,
    balanced_threshold,
    bootstrap,
    expected_calibration_error,
    is_hit,
    mean,
    overlaps,
)
from index.types import Span

Pairs = list[tuple[float, bool]]

SPANS = st.tuples(st.integers(0, 60), st.integers(1, 40)).map(lambda s: Span(s[0], s[0] + s[1]))


def both_classes(values: st.SearchStrategy[float]) -> st.SearchStrategy[Pairs]:
    """Draw (value, label) pairs that hold a positive and a negative."""
    pairs = st.lists(st.tuples(values, st.booleans()), min_size=2, max_size=30)
    return pairs.filter(lambda drawn: len({label for _, label in drawn}) == 2)


SCORED = both_classes(st.integers(-50, 50).map(float))
PROBABLE = both_classes(st.floats(0, 1))


def columns(pairs: Pairs) -> tuple[list[float], list[bool]]:
    return [value for value, _ in pairs], [label for _, label in pairs]


def auroc_of_rows(rows: Numbers) -> float:
    return auroc(rows[:, 0], rows[:, 1])


def test_documented_examples_hold() -> None:
    results = doctest.testmod(metrics)
    assert results.attempted
    assert not results.failed


def test_every_metric_documents_an_example() -> None:
    public = [
        function
        for name, function in inspect.getmembers(metrics, inspect.isfunction)
        if function.__module__ == metrics.__name__ and not name.startswith("_")
    ]
    assert len(public) == 18
    assert not [each.__name__ for each in public if ">>> " not in (each.__doc__ or "")]


@given(SPANS, SPANS)
def test_overlap_is_symmetric(one: Span, other: Span) -> None:
    assert overlaps(one, other) == overlaps(other, one)


@given(SPANS)
def test_a_span_overlaps_itself_and_any_part_of_itself(span: Span) -> None:
    assert overlaps(span, span)
    assert overlaps(span, Span(span.start, span.start + 1))


@pytest.mark.parametrize(
    ("cited", "gold", "expected"),
    [
        (Span(0, 10), Span(5, 15), True),
        (Span(0, 10), Span(6, 16), False),
        (Span(0, 10), Span(8, 11), True),
        (Span(0, 10), Span(9, 12), False),
        (Span(0, 10), Span(10, 20), False),
        (Span(0, 10), Span(5, 5), False),
    ],
)
def test_half_of_the_shorter_span_is_enough(cited: Span, gold: Span, expected: bool) -> None:
    assert overlaps(cited, gold) is expected


@given(st.lists(SPANS, max_size=6), st.lists(SPANS, max_size=3), st.integers(1, 6))
def test_a_hit_stays_one_with_more_citations(cited: list[Span], gold: list[Span], k: int) -> None:
    assert is_hit(cited, gold, k + 1) or not is_hit(cited, gold, k)


def test_only_the_first_k_citations_count() -> None:
    cited, gold = [Span(0, 10), Span(20, 30), Span(40, 50)], [Span(40, 50)]
    assert [is_hit(cited, gold, k) for k in (1, 2, 3, 9)] == [False, False, True, True]


def test_citing_a_whole_policy_is_no_hit() -> None:
    policy, gold = [Span(0, 20_000)], [Span(9_000, 9_100)]
    assert not is_hit(policy, gold, 1)
    assert is_hit(policy, gold, 1, limit=20_000)


def test_nothing_cited_or_no_gold_is_no_hit() -> None:
    assert not is_hit([], [Span(0, 10)], 1)
    assert not is_hit([Span(0, 10)], [], 1)


@pytest.mark.parametrize(("k", "limit"), [(0, 600), (-1, 600), (1, 0)])
def test_a_hit_among_no_citations_is_refused(k: int, limit: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        is_hit([Span(0, 10)], [Span(0, 10)], k, limit)


@given(SCORED)
def test_auroc_counts_pairs_with_ties_as_half(pairs: Pairs) -> None:
    positive = [score for score, label in pairs if label]
    negative = [score for score, label in pairs if not label]
    won = sum((a > b) + (a == b) / 2 for a in positive for b in negative)
    assert auroc(*columns(pairs)) == pytest.approx(won / (len(positive) * len(negative)))


@given(SCORED, st.sampled_from([math.atan, lambda x: 3 * x + 7, lambda x: x**3]))
def test_auroc_is_unchanged_by_a_rising_map(pairs: Pairs, rising: Callable[[float], float]) -> None:
    scores, labels = columns(pairs)
    assert auroc([rising(score) for score in scores], labels) == auroc(scores, labels)


@given(SCORED)
def test_auroc_of_negated_scores_is_its_complement(pairs: Pairs) -> None:
    scores, labels = columns(pairs)
    negated = [-score for score in scores]
    assert auroc(negated, labels) == pytest.approx(1 - auroc(scores, labels))


@given(SCORED, st.booleans())
def test_a_constant_prediction_has_balanced_accuracy_one_half(pairs: Pairs, guess: bool) -> None:
    _, labels = columns(pairs)
    assert balanced_accuracy([guess] * len(labels), labels) == 0.5
    assert balanced_accuracy(labels, labels) == 1


@pytest.mark.parametrize("metric", [auroc, balanced_accuracy, balanced_threshold])
@pytest.mark.parametrize(
    ("labels", "missing"),
    [([1, 1], "no negative label"), ([0, 0], "no positive label"), ([], "no positive and no neg")],
)
def test_a_missing_class_is_named(
    metric: Callable[..., float], labels: list[int], missing: str
) -> None:
    with pytest.raises(ValueError, match=missing):
        metric([1] * len(labels), labels)


@given(PROBABLE)
def test_no_other_threshold_is_better_balanced(pairs: Pairs) -> None:
    probabilities, labels = columns(pairs)

    def accuracy(threshold: float) -> float:
        return balanced_accuracy([p >= threshold for p in probabilities], labels)

    best = accuracy(balanced_threshold(probabilities, labels))
    assert all(accuracy(other) <= best for other in [*probabilities, 2.0])


def test_a_threshold_separates_adjacent_floats() -> None:
    low, high = 0.5, math.nextafter(0.5, 1)
    assert low < balanced_threshold([low, high], [False, True]) <= high


def test_scores_that_mislead_leave_everything_positive() -> None:
    assert balanced_threshold([0.2, 0.8], [True, False]) == 0.2


@given(PROBABLE, st.integers(1, 20))
def test_calibration_error_is_bounded_and_at_least_the_gap_of_the_means(
    pairs: Pairs, bins: int
) -> None:
    probabilities, labels = columns(pairs)
    gap = abs(mean(probabilities) - mean(labels))
    assert gap - 1e-9 <= expected_calibration_error(probabilities, labels, bins) <= 1 + 1e-9


def test_frequencies_as_probabilities_have_no_calibration_error() -> None:
    assert expected_calibration_error([0.25] * 4 + [1.0] * 3, [1, 0, 0, 0, 1, 1, 1]) == 0
    assert expected_calibration_error([1.0, 0.0], [False, True]) == 1


@pytest.mark.parametrize("metric", [expected_calibration_error, balanced_threshold])
def test_what_is_no_probability_is_refused(metric: Callable[..., float]) -> None:
    with pytest.raises(ValueError, match=r"outside \[0, 1\]"):
        metric([0.5, 1.5], [True, False])


@pytest.mark.parametrize("metric", [auroc, expected_calibration_error, balanced_threshold])
@pytest.mark.parametrize(
    ("values", "labels", "reason"),
    [
        ([0.5, math.nan], [True, False], "1 NaN or infinite of 2"),
        ([0.5], [True, False], "1 [a-z]+ and 2 labels"),
        ([0.5, 0.5], [2, 0], "booleans"),
        ([[0.5], [0.5]], [1, 0], "2 dimensions"),
    ],
)
def test_malformed_input_is_refused_with_its_reason(
    metric: Callable[..., float], values: list[float], labels: list[int], reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        metric(values, labels)


@pytest.mark.parametrize("statistic", [mean, bootstrap])
@pytest.mark.parametrize("values", [[], [1.0, math.nan], [1.0, math.inf], [1.0, None]])
def test_nothing_undefined_enters_a_mean(
    statistic: Callable[..., object], values: list[float]
) -> None:
    with pytest.raises(ValueError, match=r"NaN|no values"):
        statistic(values)


def test_no_bins_and_no_resamples_are_refused() -> None:
    with pytest.raises(ValueError, match="bins is at least 1"):
        expected_calibration_error([0.5], [True], bins=0)
    with pytest.raises(UndefinedError, match="no values"):
        expected_calibration_error([], [])
    with pytest.raises(ValueError, match="resamples is at least 1"):
        bootstrap([1.0], resamples=0)


@given(st.integers(-9, 9), st.integers(1, 12), st.integers(1, 4))
def test_constants_have_an_interval_of_no_width(constant: int, n: int, policies: int) -> None:
    groups = [str(row % policies) for row in range(n)]
    expected = Estimate(constant, constant, constant, n)
    assert bootstrap([constant] * n, resamples=20) == expected
    assert bootstrap([constant] * n, groups=groups, resamples=20) == expected


@given(st.lists(st.integers(0, 9), min_size=1, max_size=20), st.integers(0, 5))
def test_an_interval_lies_within_the_values_and_repeats(values: list[int], seed: int) -> None:
    estimate = bootstrap(values, resamples=50, seed=seed)
    assert min(values) <= estimate.low <= estimate.high <= max(values)
    assert estimate == bootstrap(values, resamples=50, seed=seed)


def test_questions_of_one_policy_count_as_one_draw() -> None:
    values = [1] * 50 + [0] * 50
    policies = ["a"] * 50 + ["b"] * 50
    clustered = bootstrap(values, groups=policies)
    assert (clustered.low, clustered.high) == (0, 1)
    independent = bootstrap(values)
    assert 0.35 < independent.low < independent.value < independent.high < 0.65


def test_a_policy_weighs_as_much_as_it_has_questions() -> None:
    drawn: list[int] = []

    def record(rows: Numbers) -> float:
        drawn.append(len(rows))
        return mean(rows)

    assert bootstrap([1, 1, 1, 0], record, groups=["a", "a", "a", "b"]).value == 0.75
    assert set(drawn) == {2, 4, 6}


def test_a_single_group_has_its_values_resampled() -> None:
    values = [1, 1, 0, 0]
    assert bootstrap(values, groups=["a"] * 4) == bootstrap(values)


def test_groups_that_do_not_match_the_values_are_refused() -> None:
    with pytest.raises(ValueError, match="2 values and 1 groups"):
        bootstrap([1, 0], groups=["a"])


def test_resamples_of_one_class_are_redrawn() -> None:
    estimate = bootstrap([(0.9, True), (0.1, False)], auroc_of_rows, resamples=50)
    assert estimate == Estimate(1, 1, 1, 2)


def test_redrawing_is_bounded() -> None:
    values = [float(value) for value in range(30)]

    def defined_on_the_whole_only(rows: Numbers) -> float:
        return 0.0 if list(rows) == values else math.nan

    with pytest.raises(ValueError, match="defined on 0 of 200 resamples, 20 are needed"):
        bootstrap(values, defined_on_the_whole_only, resamples=20)


@given(SCORED)
def test_an_undefined_statistic_has_no_estimate(pairs: Pairs) -> None:
    one_class = [(score, True) for score, _ in pairs]
    with pytest.raises(UndefinedError, match="no negative"):
        bootstrap(one_class, auroc_of_rows)


def test_a_fault_in_a_statistic_is_not_taken_for_undefined() -> None:
    values = [0.0, 1.0, 2.0]

    def faulty(rows: Numbers) -> float:
        if list(rows) != values:
            raise ValueError("a fault")
        return 0.0

    with pytest.raises(ValueError, match="a fault"):
        bootstrap(values, faulty)


# Rankings, characters and words.

PLACES = st.builds(
    lambda start, length: Span(start, start + length), st.integers(0, 60), st.integers(1, 20)
)
RANKED = st.lists(PLACES, max_size=6)
GOLD = st.lists(st.lists(PLACES, min_size=1, max_size=3), min_size=1, max_size=4)


@given(RANKED, GOLD, st.integers(1, 6))
def test_rank_metrics_lie_between_zero_and_one_and_agree(
    ranked: list[Span], gold: list[list[Span]], k: int
) -> None:
    recall, gain = metrics.recall_at(ranked, gold, k), metrics.ndcg_at(ranked, gold, k)
    first = metrics.reciprocal_rank(ranked, gold)
    assert 0 <= recall <= 1
    assert 0 <= gain <= 1 + 1e-9
    assert (recall > 0) == (gain > 0) == (first >= 1 / k)
    assert metrics.recall_at(ranked, gold, k + 1) >= recall


@given(RANKED, GOLD)
def test_all_of_the_text_has_full_recall_and_gold_full_precision(
    ranked: list[Span], gold: list[list[Span]]
) -> None:
    assert metrics.evidence_recall([Span(0, 80)], gold) == 1
    assert metrics.evidence_precision([place for piece in gold for place in piece], gold) == 1
    if ranked:
        assert 0 <= metrics.evidence_precision(ranked, gold) <= 1
        assert metrics.evidence_recall(ranked, gold) <= metrics.evidence_recall(
            [*ranked, Span(0, 80)], gold
        )


def test_the_order_matters_to_rank_metrics() -> None:
    gold, wrong, right = [[Span(0, 10)]], Span(50, 60), Span(0, 10)
    early, late = [right, wrong, wrong], [wrong, wrong, right]
    assert metrics.reciprocal_rank(early, gold) == 1
    assert metrics.reciprocal_rank(late, gold) == pytest.approx(1 / 3)
    assert metrics.ndcg_at(early, gold, 3) > metrics.ndcg_at(late, gold, 3)


def test_a_piece_found_twice_gains_once() -> None:
    gold = [[Span(0, 10)], [Span(30, 40)]]
    assert metrics.ndcg_at([Span(0, 10), Span(1, 9)], gold, 2) < 1
    assert metrics.recall_at([Span(0, 10), Span(1, 9)], gold, 2) == 0.5


@pytest.mark.parametrize(
    "call",
    [
        lambda: metrics.recall_at([], [], 1),
        lambda: metrics.reciprocal_rank([], []),
        lambda: metrics.ndcg_at([], [], 1),
        lambda: metrics.evidence_recall([], []),
        lambda: metrics.evidence_precision([], [[Span(0, 1)]]),
        lambda: metrics.token_f1("", []),
        lambda: metrics.macro_f1(np.array([[0, 0, 0, 9.0]])),
    ],
)
def test_what_has_no_value_is_undefined(call: Callable[[], float]) -> None:
    with pytest.raises(UndefinedError):
        call()


@pytest.mark.parametrize(
    ("predicted", "answer", "f1", "exact"),
    [
        ("30 days", "30 days", 1, 1),
        ("The 30-days", "30days.", 1, 1),
        ("30 days", "90 days", 0.5, 0),
        ("", "30 days", 0, 0),
        ("a the", "an", 1, 1),  # nothing is left of either
        ("thirty", "", 0, 0),
    ],
)
def test_words_are_compared_as_squad_does(
    predicted: str, answer: str, f1: float, exact: float
) -> None:
    assert metrics.token_f1(predicted, [answer]) == pytest.approx(f1)
    assert metrics.exact_match(predicted, [answer]) == exact


@given(st.lists(st.sampled_from([0.0, 0.25, 1.0]), min_size=1, max_size=20), st.integers(1, 5))
def test_the_interval_of_a_mean_holds_it(values: list[float], groups: int) -> None:
    names = [str(n % groups) for n in range(len(values))]
    found = bootstrap(values, groups=names, resamples=200)
    assert found.value == pytest.approx(mean(values))
    assert min(values) <= found.low <= found.high <= max(values)
