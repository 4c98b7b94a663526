"""Systems: each answers what a set asks for, and the controls are wrong in the way they say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import OpenHome
from fakes import FakeEncoder
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.benchmarks import Benchmark, Case, Expected
from eval.controls import CONTROLS
from eval.corpus import indexed
from eval.report import SystemReport, control_report
from eval.responses import Response, appending, read_responses
from eval.scores import METRICS, figures, score
from eval.systems import SYSTEMS, builder, sentences
from eval.systems.context import Context, System
from eval.systems.sentences import question_only
from index.encode import Encoder
from index.errors import DocumentError, UsageError
from index.home import Home
from index.settings import Settings
from index.types import Span
from qa.assistant import Assistant

RETENTION = "We keep the orders of our customers for ninety days after delivery."
TEXTS = {
    "lemonade": f"# Lemonade Privacy Policy\n\nWe never sell what we know about you.\n\n{RETENTION}\n",
    "teapot": "# Teapot Privacy Policy\n\nOur site sets cookies to count its visitors.\n\n"
    "You can write to privacy@teapot.example at any time.\n",
}
BARE = {"bare": "# Title\n\n## Another title\n"}
ROWS = [
    ("lemonade", "How long are orders kept?", RETENTION),
    ("lemonade", "Do you sell my data?", "We never sell what we know about you."),
    ("lemonade", "Is my biometric template encrypted?", ""),
    (
        "teapot",
        "Do you use cookies to count visitors?",
        "Our site sets cookies to count its visitors.",
    ),
    ("teapot", "Who inherits my account when I die?", ""),
    ("teapot", "Where can I write to you?", "You can write to privacy@teapot.example at any time."),
    ("lemonade", "What is the capital of Peru?", ""),
    ("teapot", "How do I bake sourdough bread?", ""),
]
SENTENCE_SYSTEMS = ("similarity", "bm25")


def a_case(number: int, policy: str, question: str, words: str) -> Case:
    start = TEXTS[policy].index(words) if words else 0
    gold = ((Span(start, start + len(words)),),) if words else ()
    return Case(
        str(number), question, "made", "dev", (policy,), {policy: Expected(bool(words), gold)}
    )


CASES = tuple(a_case(number, *row) for number, row in enumerate(ROWS))
MADE = Benchmark("made/dev", CASES, {**TEXTS, **BARE}, clustered_by="case")


def nothing(*_: object) -> None:
    """Show no progress."""


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory, encoder: Encoder) -> Iterator[Context]:
    home = Home(Settings(home=tmp_path_factory.mktemp("systems") / "home"))
    home.__dict__["encoder"] = encoder
    policies = indexed(home, MADE, progress=nothing)
    yield Context(MADE, Assistant(home), policies)
    home.close()


@pytest.fixture(scope="module")
def systems(context: Context) -> Mapping[str, System]:
    return {name: builder(name)(context) for name in SYSTEMS}


@pytest.fixture(scope="module")
def answered(systems: Mapping[str, System]) -> dict[str, Response]:
    return {case.id: systems["policyqa"](case) for case in CASES}


def asked(question: str, *policies: str) -> Case:
    expect = {policy: Expected(stated=False) for policy in policies}
    return Case("x", question, "made", "dev", tuple(policies), expect)


def test_policies_are_indexed_by_the_names_of_the_cases(context: Context) -> None:
    assert {name: policy.text for name, policy in context.policies.items()} == MADE.texts


def test_a_name_of_a_text_is_no_path(open_home: OpenHome) -> None:
    home = open_home()
    made = indexed(home, replace(MADE, texts={"../../a/b": "We keep it."}), progress=nothing)
    (source,) = (Path(path) for path in made["../../a/b"].sources)
    assert source.parent == home.path / "documents"


def test_a_policy_that_cannot_be_indexed_is_named(open_home: OpenHome, tmp_path: Path) -> None:
    (tmp_path / "empty.md").write_bytes(b"")
    empty = replace(MADE, texts={"empty": ""}, files={"empty": tmp_path / "empty.md"})
    with pytest.raises(DocumentError, match=r"empty\.md"):
        indexed(open_home(), empty, progress=nothing)


def test_an_unknown_system_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(UsageError, match="no system 'oracle'") as caught:
        builder("oracle")
    assert "bm25, minilm, obvious, policyqa, question-only, similarity" in caught.value.hint


@pytest.mark.parametrize("name", ["policyqa", "similarity", "bm25"])
def test_a_sentence_that_obviously_answers_is_ranked_first(
    systems: Mapping[str, System], name: str
) -> None:
    question = "How long do you keep the orders of customers after delivery?"
    (prediction,) = systems[name](asked(question, "lemonade")).predictions
    assert prediction.ranked[0].of(TEXTS["lemonade"]) == RETENTION
    assert all("#" not in span.of(TEXTS["lemonade"]) for span in prediction.ranked)


def test_the_obvious_pipeline_always_answers_with_its_chunks(systems: Mapping[str, System]) -> None:
    for policy, text in TEXTS.items():
        (prediction,) = systems["obvious"](asked("What about zebras?", policy)).predictions
        assert prediction.stated
        assert prediction.policy == policy
        assert "".join(one.quote for one in prediction.cited) in text


@settings(max_examples=40)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60) | st.just('a OR NEAR(*) "b'))
def test_sentence_systems_read_any_question(
    context: Context, systems: Mapping[str, System], question: str
) -> None:
    for policy in ("teapot", "bare"):
        for system in (*(systems[name] for name in SENTENCE_SYSTEMS), question_only(context)):
            (prediction,) = system(asked(question, policy)).predictions
            cited = tuple(one.span for one in prediction.cited)
            assert 0 <= prediction.p_stated <= 1
            assert cited == (prediction.ranked[:1] if prediction.stated else ())
            assert len(set(prediction.ranked)) == len(prediction.ranked)
            assert policy != "bare" or prediction.ranked == ()


@pytest.mark.parametrize("question", [row[1] for row in ROWS])
def test_question_only_sees_nothing_of_the_policy(context: Context, question: str) -> None:
    blind = question_only(context)
    one, other = (blind(asked(question, policy)).predictions[0] for policy in TEXTS)
    assert one.p_stated == other.p_stated
    assert one.ranked[0].of(TEXTS["lemonade"]) == "We never sell what we know about you."


def test_without_a_prior_the_question_alone_says_nothing(open_home: OpenHome) -> None:
    context = Context(MADE, Assistant(open_home(FakeEncoder())), {})
    blind = question_only(context)
    assert {blind(asked(row[1], "teapot")).predictions[0].p_stated for row in ROWS} == {0.5}


def test_a_threshold_is_a_probability_of_one_half(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    for threshold, stated in ((-1.1, True), (1.1, False)):
        monkeypatch.setattr(sentences, "SIMILARITY_THRESHOLD", threshold)
        system = builder("similarity")(context)
        (prediction,) = system(asked("Do you use cookies?", "teapot")).predictions
        assert prediction.stated == bool(prediction.cited) == stated


def test_a_set_may_ask_to_search_or_to_read(context: Context) -> None:
    searching = replace(context, benchmark=replace(MADE, task="search"))
    question = "How long are the orders of customers kept after delivery?"
    for name in ("policyqa", "similarity", "bm25", "obvious"):
        found = builder(name)(searching)(asked(question)).found
        assert RETENTION in found[0].span.of(MADE.texts[found[0].policy]), name
    reading = replace(context, benchmark=replace(MADE, task="read"), policies={})
    for name in ("policyqa", "similarity", "bm25"):
        (prediction,) = builder(name)(reading)(asked(question, "lemonade")).predictions
        # policyqa shows the words that answer, the others the sentence.
        answer = "ninety days" if name == "policyqa" else RETENTION
        assert [one.quote for one in prediction.cited] == [answer], name


def test_every_control_is_caught(context: Context, answered: dict[str, Response]) -> None:
    system = score(MADE, answered)
    ours = figures(system)
    for control in CONTROLS:
        made = {one.case: one for one in control.answer(context, answered)}
        assert made.keys() == answered.keys()
        (metric,) = (metric for metric in METRICS if metric.name == control.caught_by)
        theirs = metric.estimate(score(MADE, made))
        assert theirs is None or theirs.value < ours[control.caught_by].value, control.name


def test_a_control_that_is_as_good_is_not_caught(answered: dict[str, Response]) -> None:
    rows = score(MADE, answered)
    system = SystemReport(figures(rows), {}, {}, tuple(rows))
    for control in CONTROLS:
        assert control_report(MADE, control, rows, system).caught is False
    silent = {case.id: Response(case.id, 0.0) for case in CASES}
    assert control_report(MADE, CONTROLS[0], score(MADE, silent), system).caught is True


def test_a_control_that_tells_nothing_says_why(answered: dict[str, Response]) -> None:
    rows = score(MADE, answered)
    system = SystemReport(figures(rows), {}, {}, tuple(rows))
    alone = replace(MADE, texts={"lemonade": TEXTS["lemonade"]})
    untold = {one.name: control_report(alone, one, rows, system) for one in CONTROLS}
    assert {name: one.untold for name, one in untold.items() if one.untold} == {
        "another policy's quotes": "cannot be made of 1 policy"
    }
    assert untold["another policy's quotes"].caught is None
    stopped = control_report(MADE, CONTROLS[0], rows[:3], system)
    assert (stopped.caught, stopped.untold) == (None, "has not answered yet")
    without = control_report(MADE, CONTROLS[0], rows, replace(system, figures={}))
    assert (without.caught, without.untold) == (None, "this set has no citation precision")


def test_shuffled_citations_are_real_quotes_of_other_answers(
    context: Context, answered: dict[str, Response]
) -> None:
    (control,) = (control for control in CONTROLS if control.name == "shuffled citations")
    shuffled = {one.case: one for one in control.answer(context, answered)}
    moved = 0
    for case, response in answered.items():
        for one, other in zip(response.predictions, shuffled[case].predictions, strict=True):
            assert (one.policy, one.p_stated) == (other.policy, other.p_stated)
            text = MADE.texts[one.policy]
            assert all(text[q.start : q.end] == q.quote for q in other.cited)
            moved += one.cited != other.cited
    assert moved


def test_responses_are_the_same_after_they_were_kept(
    answered: dict[str, Response], tmp_path: Path
) -> None:
    with appending(tmp_path / "kept.jsonl") as append:
        for response in answered.values():
            append(response)
    assert read_responses(tmp_path / "kept.jsonl", MADE) == answered
