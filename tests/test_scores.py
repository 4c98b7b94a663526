"""Scores: what every row is held to, computed by hand."""

from __future__ import annotations

import pytest

from eval.benchmarks import Benchmark, Case, Expected
from eval.responses import Found, Prediction, Quoted, Response
from eval.scores import METRICS, Score, figures, score
from index.types import Span

TEXT = "We keep orders for 30 days. We never sell them. Write to tea@tea.example."
KEEP, SELL, WRITE = Span(0, 27), Span(28, 47), Span(48, 73)
KEPT = Expected(stated=True, gold=((KEEP,),), facts=("30 days",))
BOTH = Expected(stated=True, gold=((KEEP,), (SELL, WRITE)))
SILENT = Expected(stated=False)


def quoted(*spans: Span) -> tuple[Quoted, ...]:
    return tuple(Quoted(*span, span.of(TEXT)) for span in spans)


def said(p_stated: float, *spans: Span, policy: str = "tea") -> Prediction:
    cited = quoted(*spans) if p_stated >= 0.5 else ()
    return Prediction(policy, p_stated, cited, spans, " ".join(one.quote for one in cited))


def scored(
    expected: Expected, *predictions: Prediction, units: tuple[Span, ...] = ()
) -> list[Score]:
    case = Case("1", "?", "factoid", "dev", ("tea",), {"tea": expected})
    texts = {"tea": TEXT, "coffee": "x" * 100}
    benchmark = Benchmark("made", (case,), texts, units={"tea": units} if units else {})
    return score(benchmark, {"1": Response("1", 0.5, predictions)})


def test_a_right_answer() -> None:
    (row,) = scored(KEPT, said(0.9, KEEP))
    for name in (
        "hit@1", "hit@1 unrefused", "recall@5", "MRR", "nDCG@5", "evidence recall", "facts",
        "evidence precision", "citation recall", "citation precision", "quote exactness",
        "exact match", "token F1", "right",
    ):  # fmt: skip
        assert row.values[name] == 1, name
    assert row.values["false refusals"] == row.values["document mismatch"] == 0
    assert row.values["characters"] == 27
    assert row.values["seconds"] == 0.5
    assert "false answers" not in row.values


def test_a_refusal_has_cited_nothing_but_keeps_its_rank() -> None:
    (row,) = scored(KEPT, said(0.2, SELL, KEEP))
    assert row.values["hit@1"] == row.values["evidence recall"] == row.values["facts"] == 0
    assert row.values["false refusals"] == 1
    assert row.values["hit@3 unrefused"] == 1
    assert row.values["MRR"] == 0.5
    assert row.values["confidence"] == 0.8
    assert not {"citation precision", "evidence precision", "characters"} & row.values.keys()


def test_a_hit_by_quoting_much_around_shows_in_the_precision() -> None:
    (row,) = scored(KEPT, said(0.9, Span(0, 73)))
    assert row.values["hit@1"] == 1
    assert row.values["evidence precision"] == pytest.approx(27 / 73)


def test_an_answer_where_there_is_none() -> None:
    (row,) = scored(SILENT, said(0.7, SELL))
    assert row.values["false answers"] == 1
    assert row.values["citation precision"] == row.values["evidence precision"] == 0
    assert not {"hit@1", "MRR", "token F1", "false refusals"} & row.values.keys()


def test_a_policy_that_is_not_even_named_is_refused() -> None:
    (row,) = scored(KEPT)
    assert (row.values["p_stated"], row.values["false refusals"]) == (0, 1)
    (row,) = scored(SILENT)
    assert (row.values["confidence"], row.values["right"]) == (1, 1)


def test_every_piece_is_needed_and_any_of_its_places_will_do() -> None:
    (half,) = scored(BOTH, said(0.9, KEEP))
    (whole,) = scored(BOTH, said(0.9, KEEP, WRITE))
    assert (half.values["citation recall"], whole.values["citation recall"]) == (0.5, 1)
    assert half.values["evidence recall"] < whole.values["evidence recall"] == 1
    assert whole.values["exact match"] == 1


def test_words_that_do_not_stand_there_are_no_quote() -> None:
    other = Prediction("tea", 0.9, (Quoted(*KEEP, "We keep orders for 90 days."),), (KEEP,), "")
    (row,) = scored(KEPT, other)
    assert row.values["quote exactness"] == 0
    assert row.values["facts"] == 0


def test_citing_another_policy_is_a_mismatch_and_exactly_checked() -> None:
    _, other = scored(KEPT, said(0.9, KEEP), said(0.9, KEEP, policy="coffee"))
    assert other.policy == "coffee"
    assert (other.values["document mismatch"], other.values["quote exactness"]) == (1, 0)
    assert "p_stated" not in other.values


def test_a_case_takes_its_time_once() -> None:
    rows = scored(KEPT, said(0.9, KEEP), said(0.9, KEEP, policy="coffee"))
    assert ["seconds" in row.values for row in rows] == [True, False]


def test_sentences_are_judged_one_by_one() -> None:
    (row,) = scored(KEPT, said(0.9, KEEP, SELL), units=(KEEP, SELL, WRITE))
    assert [row.values[name] for name in ("tp", "fp", "fn", "tn")] == [1, 1, 0, 1]
    assert figures([row])["macro F1"].value == pytest.approx((2 / 3 + 2 / 3) / 2)


def test_a_search_is_measured_over_all_documents() -> None:
    case = Case("1", "?", "search", "dev", (), {"tea": KEPT})
    texts = {"coffee": "x" * 100, "tea": TEXT}
    benchmark = Benchmark("made", (case,), texts, task="search")
    found = (Found("coffee", KEEP), Found("tea", KEEP))
    (row,) = score(benchmark, {"1": Response("1", 0.1, found=found)})
    assert (row.values["recall@1"], row.values["precision@1"]) == (0, 0)
    assert (row.values["recall@2"], row.values["precision@2"]) == (1, 0.5)
    assert row.values["document mismatch"] == 0.5
    assert row.values["recall in 500"] == 1
    cut = [Found("tea", Span(0, 73))] * 30
    (row,) = score(benchmark, {"1": Response("1", 0.1, found=tuple(cut))})
    assert row.values["precision in 500"] == pytest.approx(27 / 73)


def test_only_what_is_defined_enters_a_figure() -> None:
    rows = [*scored(KEPT, said(0.9, KEEP)), *scored(SILENT, said(0.1))]
    found = figures(rows)
    assert (found["hit@1"].value, found["hit@1"].n) == (1, 1)
    assert (found["balanced accuracy"].value, found["balanced accuracy"].n) == (1, 2)
    assert found["citation precision"].n == 1
    assert "AUROC" not in figures(scored(KEPT, said(0.9, KEEP)))
    assert "macro F1" not in found


def test_metrics_have_names_of_their_own() -> None:
    assert len({metric.name for metric in METRICS}) == len(METRICS)
    assert {metric.better for metric in METRICS} == {-1, 0, 1}
