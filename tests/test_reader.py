"""The reader: a sentence is judged by itself, and any question of any evidence has an answer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from fakes import DOCUMENTS, FakeEncoder, evidence_of
from hypothesis import given, settings
from hypothesis import strategies as st

from index.build import CORPUS
from index.encode import Encoder, Vectors
from index.sections import HEADING
from qa.assistant import LONGEST_QUESTION
from qa.reader import linear
from qa.reader.features import (
    RELEVANCE_FEATURES,
    SENTENCE_FEATURES,
    SUMMARY_FEATURES,
    Numbers,
    relevance_features,
    sheet,
    summary_features,
)
from qa.reader.linear import LinearReader
from qa.types import Candidate, Evidence, Question, Reading

POLICIES = sorted(file.stem for file in CORPUS.glob("*.txt"))
QUESTIONS = (
    "how long is data retained?",
    "Who gets my data, and why?",
    "Do you use cookies from Google?",
    "What is your e-mail address?",
    "Tell me about the weather.",
)
MEANINGLESS = ("asdf qwer", "xqzzt vbnmk?", "🔒🔒🔒", "???", "What is it?", "Do you? Can we?", "…")
ANY_QUESTION = (
    st.text(st.characters(exclude_categories=["Cs"]), max_size=80)
    | st.text("0123456789", min_size=1)
    | st.text("?!.,;:-_'\"()[]*", min_size=1)
    | st.text("個人情報προστασία данных حماية🔒👩‍👧", min_size=1)
    | st.text("aé🔒 ", min_size=LONGEST_QUESTION, max_size=LONGEST_QUESTION)
    | st.sampled_from((*QUESTIONS, *MEANINGLESS))
)
CASES = st.tuples(st.sampled_from(POLICIES), st.sampled_from(QUESTIONS))
TINY = ("", "\n \n", "# Privacy Policy", "---", "x", "?", "🔒", "# A\n\n# B\n\n# C\n")


@pytest.fixture(scope="module")
def reader(encoder: Encoder) -> LinearReader:
    """The trained reader of the default encoder."""
    return LinearReader.load(encoder.name)


@pytest.fixture(scope="module")
def evidence(bundled: dict[str, str], encoder: Encoder) -> Mapping[str, tuple[Evidence, ...]]:
    """Every passage of the five policies, encoded by the default encoder."""
    return {policy: evidence_of(policy, text, encoder) for policy, text in bundled.items()}


@pytest.fixture(scope="module")
def vectors(encoder: Encoder) -> Mapping[str, Vectors]:
    return {text: encoder.encode_question(text) for text in (*QUESTIONS, *MEANINGLESS)}


def rows(
    reader: LinearReader, question: Question, evidence: Sequence[Evidence]
) -> dict[tuple[str, int], tuple[bytes, bytes, bytes]]:
    """Return each sentence's features, score and trained similarity, bit by bit."""
    table = sheet(question, evidence)
    scores, trained = reader.weights.score(question, table)
    return {
        (owner.passage.id, sentence.start): (
            table.numbers[n].tobytes(),
            scores[n].tobytes(),
            trained[n].tobytes(),
        )
        for n, (owner, sentence) in enumerate(zip(table.owners, table.sentences, strict=True))
    }


def places(candidates: Sequence[Candidate]) -> list[tuple[str, int]]:
    return [(candidate.passage.id, candidate.sentence.start) for candidate in candidates]


def assert_sound(reading: Reading, evidence: Sequence[Evidence]) -> None:
    """Check what holds of whatever was read."""
    assert 0 < reading.p_stated < 1
    assert all(0 <= candidate.relevance <= 1 for candidate in reading.candidates)
    assert sorted(places(reading.candidates)) == sorted(
        (item.passage.id, sentence.start)
        for item in evidence
        for sentence in item.passage.sentences
    )


@settings(max_examples=40)
@given(CASES, st.data())
def test_a_sentence_is_judged_alike_alone_and_in_any_company(
    reader: LinearReader,
    evidence: Mapping[str, tuple[Evidence, ...]],
    vectors: Mapping[str, Vectors],
    case: tuple[str, str],
    data: st.DataObject,
) -> None:
    policy, text = case
    question = Question(text, vectors[text])
    everything = rows(reader, question, evidence[policy])
    company = data.draw(st.lists(st.sampled_from(evidence[policy]), unique_by=id, min_size=1))
    together = rows(reader, question, company)
    assert together == {place: everything[place] for place in together}
    alone = rows(reader, question, company[:1])
    assert alone == {place: everything[place] for place in alone}


@settings(max_examples=25)
@given(CASES, st.data())
def test_candidates_keep_their_order_in_any_company(
    reader: LinearReader,
    evidence: Mapping[str, tuple[Evidence, ...]],
    vectors: Mapping[str, Vectors],
    case: tuple[str, str],
    data: st.DataObject,
) -> None:
    policy, text = case
    question = Question(text, vectors[text])
    kept = data.draw(st.sets(st.integers(0, len(evidence[policy]) - 1), min_size=1))
    company = [evidence[policy][number] for number in sorted(kept)]
    ids = {item.passage.id for item in company}
    everything = places(reader.read(question, evidence[policy]).candidates)
    assert places(reader.read(question, company).candidates) == [
        place for place in everything if place[0] in ids
    ]


def test_candidates_are_best_first(
    reader: LinearReader,
    evidence: Mapping[str, tuple[Evidence, ...]],
    vectors: Mapping[str, Vectors],
) -> None:
    for policy, own in evidence.items():
        for text in QUESTIONS:
            question = Question(text, vectors[text])
            reading = reader.read(question, own)
            assert_sound(reading, own)
            scores, _ = reader.weights.score(question, sheet(question, own))
            by_place = dict(zip(rows(reader, question, own), scores, strict=True))
            ranked = [by_place[place] for place in places(reading.candidates)]
            assert ranked == sorted(scores, reverse=True), (policy, text)


def test_reading_again_gives_the_same(
    reader: LinearReader,
    evidence: Mapping[str, tuple[Evidence, ...]],
    vectors: Mapping[str, Vectors],
) -> None:
    question = Question(QUESTIONS[0], vectors[QUESTIONS[0]])
    assert reader.read(question, evidence["wepos"]) == reader.read(question, evidence["wepos"])


@settings(max_examples=60)
@given(ANY_QUESTION, st.sampled_from(POLICIES), st.integers(0, 5))
def test_any_question_is_read(
    reader: LinearReader,
    evidence: Mapping[str, tuple[Evidence, ...]],
    encoder: Encoder,
    text: str,
    policy: str,
    size: int,
) -> None:
    own = evidence[policy][:size]
    assert_sound(reader.read(Question(text, encoder.encode_question(text)), own), own)


@settings(max_examples=60)
@given(st.sampled_from(QUESTIONS) | ANY_QUESTION, DOCUMENTS)
def test_any_evidence_is_read(reader: LinearReader, text: str, document: str) -> None:
    fake = FakeEncoder(dimension=384)
    own = evidence_of("any", document, fake)
    question = Question(text, fake.encode_question(text))
    assert_sound(reader.read(question, own), own)
    assert_sound(LinearReader.load("another").read(question, own), own)


@pytest.mark.parametrize("document", TINY)
@pytest.mark.parametrize("text", ["how long is data retained?", "", "x"])
def test_the_smallest_evidence_is_read(
    reader: LinearReader, encoder: Encoder, text: str, document: str
) -> None:
    own = evidence_of("tiny", document, encoder)
    reading = reader.read(Question(text, encoder.encode_question(text)), own)
    assert_sound(reading, own)
    assert bool(reading.candidates) == bool(document.strip())


def test_a_policy_without_evidence_is_not_stated(reader: LinearReader, encoder: Encoder) -> None:
    question = Question(QUESTIONS[0], encoder.encode_question(QUESTIONS[0]))
    reading = reader.read(question, ())
    assert reading.candidates == ()
    assert 0 < reading.p_stated < 0.5


@pytest.mark.parametrize("text", MEANINGLESS)
def test_a_question_without_a_word_that_policies_use_is_not_stated(
    reader: LinearReader,
    evidence: Mapping[str, tuple[Evidence, ...]],
    vectors: Mapping[str, Vectors],
    text: str,
) -> None:
    for own in evidence.values():
        reading = reader.read(Question(text, vectors[text]), own)
        assert reading.p_stated < 0.5
        assert_sound(reading, own)


def test_a_made_up_word_that_the_policy_uses_is_a_word(
    reader: LinearReader, encoder: Encoder
) -> None:
    text = "What is asdfqwer?"
    question = Question(text, encoder.encode_question(text))
    known = reader.read(question, evidence_of("a", "Asdfqwer is a kind of cookie.", encoder))
    unknown = reader.read(question, evidence_of("a", "A beacon is a kind of cookie.", encoder))
    assert known.p_stated > unknown.p_stated


def test_features_are_as_many_as_their_names_and_finite(
    reader: LinearReader,
    evidence: Mapping[str, tuple[Evidence, ...]],
    vectors: Mapping[str, Vectors],
) -> None:
    assert len(set(SENTENCE_FEATURES)) == len(SENTENCE_FEATURES)
    for text in QUESTIONS:
        question = Question(text, vectors[text])
        table = sheet(question, evidence["webengage"])
        scores, trained = reader.weights.score(question, table)
        size = len(table.sentences)
        numbers = (
            (table.numbers, (size, len(SENTENCE_FEATURES))),
            (summary_features(table, scores, trained), (len(SUMMARY_FEATURES),)),
            (relevance_features(table, scores), (size, len(RELEVANCE_FEATURES))),
        )
        for found, shape in numbers:
            assert found.shape == shape
            assert np.isfinite(found).all()


def feature(name: str, question: str, text: str) -> Numbers:
    """Return one feature of each sentence of a text."""
    fake = FakeEncoder()
    asked = Question(question, fake.encode_question(question))
    column: Numbers = sheet(asked, evidence_of("acme", text, fake)).numbers[
        :, SENTENCE_FEATURES.index(name)
    ]
    return column


def test_features_say_what_their_names_say() -> None:
    text = "# Storage\n\nWe keep these:\n\n- cookies for thirty days;\n- orders.\n"
    question = "How long are cookies kept?"
    assert feature("heading", question, text).tolist() == [1, 0, 0, 0]
    assert feature("item", question, text).tolist() == [0, 0, 1, 1]
    assert feature("colon", question, text).tolist() == [0, 1, 0, 0]
    assert feature("question mark", question, "# Storage?\n\nWe keep all.").tolist() == [1, 0]
    assert feature("gives duration", question, text).tolist() == [-1, -1, 1, -1]
    assert feature("gives duration", "Are cookies kept?", text).tolist() == [0, 0, 0, 0]
    assert feature("coverage", question, text)[2] > 0 == feature("coverage", question, text)[3]


def test_the_neighbours_of_a_sentence_are_those_of_its_passage() -> None:
    text = "# A\n\nOne thing is here.\n\n# B\n\nAnother thing is here.\n\nA third thing is here.\n"
    similar, before, after = (
        feature(name, "what?", text)
        for name in ("similarity", "previous similarity", "next similarity")
    )
    starts = [
        n
        for n, item in enumerate(evidence_of("acme", text, FakeEncoder()))
        for _ in item.passage.sentences
    ]
    for n, own in enumerate(starts):
        assert before[n] == (similar[n - 1] if n and starts[n - 1] == own else 0)
        follows = n + 1 < len(starts) and starts[n + 1] == own
        assert after[n] == (similar[n + 1] if follows else 0)


def test_no_heading_is_what_others_are_compared_with(
    reader: LinearReader,
    evidence: Mapping[str, tuple[Evidence, ...]],
    vectors: Mapping[str, Vectors],
) -> None:
    question = Question(QUESTIONS[1], vectors[QUESTIONS[1]])
    table = sheet(question, evidence["webee"])
    scores = np.array([10.0 * (s.kind == HEADING) for s in table.sentences])
    best = next(n for n, s in enumerate(table.sentences) if s.kind != HEADING)
    compared = relevance_features(table, scores)
    assert compared[best].tolist() == [0, 0, 0, 0]
    assert (compared[:, 0] == scores).all()


def test_weights_of_other_features_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoder: Encoder
) -> None:
    with np.load(linear.WEIGHTS) as arrays:
        changed = {name: arrays[name] for name in arrays.files}
    changed["features"] = changed["features"][::-1]
    np.savez(tmp_path / "weights.npz", **changed)
    monkeypatch.setattr(linear, "WEIGHTS", tmp_path / "weights.npz")
    with pytest.raises(RuntimeError, match="other features"):
        LinearReader.load(encoder.name)


def test_another_encoder_gets_the_weights_for_any(encoder: Encoder) -> None:
    own, other = LinearReader.load(encoder.name), LinearReader.load("another")
    assert (own.calibrated, other.calibrated) == (True, False)
    assert len(own.weights.prior) == encoder.dimension + 1
    assert len(other.weights.prior) == len(other.weights.stretch) == 0
    assert other.weights.sentence.shape == own.weights.sentence.shape


def test_weights_are_dumped_as_they_are_loaded(encoder: Encoder) -> None:
    weights = LinearReader.load(encoder.name).weights
    with np.load(linear.WEIGHTS) as arrays:
        for name, array in weights.dump(encoder.name).items():
            assert (arrays[name] == array).all()
            assert np.isfinite(array).all()


def test_the_surest_reading_is_not_certain(reader: LinearReader) -> None:
    fake = FakeEncoder(dimension=384)
    own = evidence_of("acme", "We keep your data for 30 days.", fake)
    for times in (1e3, -1e3):
        vector = (fake.encode_question("a") * times).astype(np.float32)
        reading = reader.read(Question("How long is data kept?", vector), own)
        assert 0 < reading.p_stated < 1
        assert not math.isnan(reading.candidates[0].relevance)
