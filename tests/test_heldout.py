"""The held-out measurement: its figures are right, its systems honest, and its citations checked."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import OpenHome
from fakes import FakeEncoder
from hypothesis import given, settings
from hypothesis import strategies as st

from eval import baselines, heldout
from eval.baselines import Baselines, Prediction
from eval.benchmarks import Benchmark, Case, indexed
from eval.heldout import figures_of, systems_of, table
from eval.metrics import Estimate
from index.encode import Encoder
from index.errors import DocumentError
from index.home import Home
from index.settings import Settings
from index.types import Policy, Span

SYSTEMS = ["policyqa", "similarity", "BM25", "question only"]
METRICS = [
    "hit@1", "hit@1 unrefused", "hit@3 unrefused", "characters", "AUROC", "balanced accuracy",
    "calibration error",
]  # fmt: skip
RETENTION = "We keep the orders of our customers for ninety days after delivery."
TEXTS = {
    "lemonade": f"# Lemonade Privacy Policy\n\nWe never sell what we know about you.\n\n{RETENTION}\n",
    "teapot": "# Teapot Privacy Policy\n\nOur site sets cookies to count its visitors.\n\n"
    "You can write to privacy@teapot.example at any time.\n",
}
ROWS = [
    ("lemonade", "How long are orders kept?", [RETENTION]),
    ("lemonade", "Do you sell my data?", ["We never sell what we know about you."]),
    ("lemonade", "Is my biometric template encrypted?", []),
    ("teapot", "Do you use cookies?", ["Our site sets cookies to count its visitors."]),
    ("teapot", "Who inherits my account when I die?", []),
]


def said(text: str, words: str) -> Span:
    return Span(text.index(words), text.index(words) + len(words))


def case(policy: str, question: str) -> Case:
    return Case("1", policy, question, False, "", ())


def nothing(*_: object) -> None:
    """Show no progress."""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("policies")
    for name, text in TEXTS.items():
        (folder / f"{name}.md").write_text(text, encoding="utf-8")
    (folder / "bare.md").write_text("# Title\n\n## Another title\n", encoding="utf-8")
    return {file.stem: file for file in folder.glob("*.md")}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, encoder: Encoder) -> Iterator[Home]:
    made = Home(Settings(home=tmp_path_factory.mktemp("heldout") / "home"))
    made.__dict__["encoder"] = encoder
    yield made
    made.close()


@pytest.fixture(scope="module")
def policies(home: Home, files: dict[str, Path]) -> Mapping[str, Policy]:
    return indexed(home, Benchmark("made up", files, ()), progress=nothing)


@pytest.fixture(scope="module")
def compared(home: Home, policies: Mapping[str, Policy]) -> Baselines:
    return Baselines(home, policies)


def test_policies_are_indexed_under_the_names_of_the_cases(
    policies: Mapping[str, Policy], files: dict[str, Path]
) -> None:
    assert policies.keys() == files.keys()
    assert all(policies[name].text == text for name, text in TEXTS.items())


def test_a_policy_that_cannot_be_indexed_is_named(open_home: OpenHome, tmp_path: Path) -> None:
    (tmp_path / "empty.md").write_bytes(b"")
    benchmark = Benchmark("made up", {"empty": tmp_path / "empty.md"}, ())
    with pytest.raises(DocumentError, match=r"empty\.md"):
        indexed(open_home(), benchmark, progress=nothing)


def test_a_sentence_that_obviously_answers_is_ranked_first(compared: Baselines) -> None:
    asked = case("lemonade", "How long do you keep the orders of customers after delivery?")
    for system in (compared.similarity, compared.bm25):
        prediction = system(asked)
        assert prediction.ranked[0].of(TEXTS["lemonade"]) == RETENTION


def test_headings_are_no_answers(compared: Baselines) -> None:
    asked = case("lemonade", "Lemonade Privacy Policy")
    for system in (compared.similarity, compared.bm25, compared.question_only):
        assert all("#" not in place.of(TEXTS["lemonade"]) for place in system(asked).ranked)


@settings(max_examples=50)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60) | st.just('a OR NEAR(*) "b'))
def test_every_system_reads_any_question(compared: Baselines, question: str) -> None:
    for policy in ("teapot", "bare"):
        for system in (compared.similarity, compared.bm25, compared.question_only):
            prediction = system(case(policy, question))
            assert 0 <= prediction.p_stated <= 1
            assert prediction.cited == (prediction.ranked[:1] if prediction.p_stated >= 0.5 else ())
            assert len(set(prediction.ranked)) == len(prediction.ranked)
            assert policy != "bare" or prediction.ranked == ()


@pytest.mark.parametrize("question", [row[1] for row in ROWS])
def test_question_only_sees_nothing_of_the_policy(compared: Baselines, question: str) -> None:
    one, other = (compared.question_only(case(policy, question)) for policy in TEXTS)
    assert one.p_stated == other.p_stated
    assert len(one.ranked) == 1
    assert one.ranked[0].of(TEXTS["lemonade"]) == "We never sell what we know about you."


def test_without_a_prior_the_question_alone_says_nothing(
    open_home: OpenHome, files: dict[str, Path]
) -> None:
    home = open_home(FakeEncoder())
    policies = indexed(home, Benchmark("made up", files, ()), progress=nothing)
    blind = Baselines(home, policies).question_only
    assert {blind(case("teapot", row[1])).p_stated for row in ROWS} == {0.5}


def test_a_threshold_is_a_probability_of_one_half(
    compared: Baselines, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = case("teapot", "Do you use cookies?")
    for threshold, stated in ((-1.1, True), (1.1, False)):
        monkeypatch.setattr(baselines, "SIMILARITY_THRESHOLD", threshold)
        assert (compared.similarity(asked).p_stated >= 0.5) == stated
        assert bool(compared.similarity(asked).cited) == stated


CASES = (
    Case("1", "a", "?", True, "", (Span(0, 10),)),
    Case("2", "a", "?", True, "", (Span(50, 60),)),
    Case("3", "b", "?", True, "", (Span(0, 10), Span(90, 99))),
    Case("4", "b", "?", False, "", ()),
    Case("5", "c", "?", False, "", ()),
    Case("6", "c", "?", True, "", (Span(7, 8),)),
)
PREDICTIONS = (
    Prediction((Span(0, 10), Span(50, 60)), 0.95, (Span(0, 10),)),
    Prediction((Span(0, 10), Span(20, 30), Span(50, 60)), 0.75, (Span(0, 10), Span(20, 30))),
    Prediction((Span(95, 99), Span(0, 10)), 0.25, ()),
    Prediction((Span(0, 40),), 0.75, (Span(0, 40),)),
    Prediction((), 0.05, ()),
    Prediction((), 0.05, ()),
)


def test_the_figures_are_what_is_computed_by_hand() -> None:
    figures = figures_of(CASES, PREDICTIONS)
    assert list(figures) == METRICS
    values = {name: estimate.value for name, estimate in figures.items() if estimate}
    assert values == pytest.approx(
        {
            "hit@1": 1 / 4,  # the first is cited; the third is right and refused
            "hit@1 unrefused": 2 / 4,
            "hit@3 unrefused": 3 / 4,
            "characters": (10 + 20 + 40) / 3,  # of those that cite anything
            "AUROC": (2 + 1.5 + 1 + 0.5) / 8,
            "balanced accuracy": (2 / 4 + 1 / 2) / 2,
            # by tenths: .95 of 1; .75 twice of 1; .25 of 1; .05 twice of 1, six in all
            "calibration error": (0.05 + 0.5 + 0.75 + 0.9) / 6,
        }
    )
    assert all(e.low <= e.value <= e.high for e in figures.values() if e)
    sizes = {name: estimate.n for name, estimate in figures.items() if estimate}
    assert sizes["hit@1"] == 4
    assert sizes["characters"] == 3
    assert sizes["AUROC"] == 6


def test_a_system_that_cites_nothing_has_no_length_of_citations() -> None:
    refused = [replace(prediction, p_stated=0.1, cited=()) for prediction in PREDICTIONS]
    figures = figures_of(CASES, refused)
    assert figures["characters"] is None
    assert figures["hit@1"] is not None
    assert (figures["hit@1"].value, figures["hit@1"].n) == (0, 4)
    answerable = [one for one in CASES if one.answerable]
    figures = figures_of(answerable, PREDICTIONS[: len(answerable)])
    assert figures["AUROC"] is figures["balanced accuracy"] is None


def test_always_answering_is_no_better_than_chance() -> None:
    always = [replace(prediction, p_stated=0.9) for prediction in PREDICTIONS]
    figures = figures_of(CASES, always)
    for name in ("AUROC", "balanced accuracy"):
        estimate = figures[name]
        assert estimate is not None
        assert estimate.value == 0.5


def test_the_table_shows_every_system_and_metric() -> None:
    figures = figures_of(CASES, PREDICTIONS)
    shown = table(
        "set/dev", Benchmark("", {"a": Path(), "b": Path()}, CASES), dict.fromkeys(SYSTEMS, figures)
    )
    title, systems, *rows = shown.splitlines()
    assert title.startswith("set/dev: 6 questions, 4 answerable, 2 policies")
    places = [systems.index(name) for name in SYSTEMS]
    assert places == sorted(places)
    assert [row[:18].rstrip() for row in rows] == METRICS
    assert all(row.count("[") == len(SYSTEMS) for row in rows)
    assert rows[0][18:].split()[0] == "0.250"
    assert rows[METRICS.index("characters")][18:].split()[0] == "23"


def test_the_table_says_what_is_undefined() -> None:
    figures = {"BM25": dict.fromkeys(METRICS, Estimate(0.5, 0.25, 0.75, 4)) | {"characters": None}}
    shown = table("set/dev", Benchmark("", {}, CASES), figures)
    assert [row.split()[-1] for row in shown.splitlines() if "undefined" in row] == ["undefined"]
    assert shown.count("0.500 [0.250, 0.750]") == len(METRICS) - 1


def test_a_citation_that_is_not_the_text_of_the_policy_ends_the_run(
    home: Home, policies: Mapping[str, Policy]
) -> None:
    asked = Case(
        "lemonade-1", "lemonade", ROWS[0][1], True, "", (said(TEXTS["lemonade"], RETENTION),)
    )
    prediction = systems_of(home, policies)["policyqa"](asked)
    assert prediction.ranked
    policy = policies["lemonade"]
    other = {**policies, "lemonade": replace(policy, text=policy.text.swapcase())}
    with pytest.raises(AssertionError, match="lemonade-1: a citation is not the policy's text"):
        systems_of(home, other)["policyqa"](asked)


def test_the_command_measures_every_system_over_a_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "data" / "policy-questions"
    (folder / "policies").mkdir(parents=True)
    for name, text in TEXTS.items():
        (folder / "policies" / f"{name}.md").write_text(text, encoding="utf-8")
    rows = [
        {
            "id": str(number),
            "policy": policy,
            "question": question,
            "answerable": bool(quotes),
            "kind": "made up",
            "quotes": quotes,
        }
        for number, (policy, question, quotes) in enumerate(ROWS)
    ]
    (folder / "dev.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    report = tmp_path / "figures.json"
    arguments = ["--data", folder.parent, "--home", tmp_path / "home", "--json", report]
    words = ["heldout", *map(str, arguments), "--set", "policy-questions"]
    monkeypatch.setattr(sys, "argv", words)
    heldout.main()
    shown = capsys.readouterr().out
    assert shown.startswith("policy-questions/dev: 5 questions, 3 answerable, 2 policies")
    figures = json.loads(report.read_text(encoding="utf-8"))["policy-questions"]
    assert list(figures) == SYSTEMS
    for name in SYSTEMS:
        assert list(figures[name]) == METRICS
        for metric, estimate in figures[name].items():
            assert metric in shown
            assert metric == "characters" or 0 <= estimate["low"] <= estimate["high"] <= 1
    assert figures["similarity"]["hit@1 unrefused"]["value"] == 1
    # Each policy's first sentence answers one of its questions.
    assert figures["question only"]["hit@1 unrefused"]["value"] == pytest.approx(2 / 3)
