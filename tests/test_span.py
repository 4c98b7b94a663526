"""Emphasis: the words of a quote that answer, found inside it and nowhere else."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.encode import DEFAULT_MODEL, OnnxEncoder
from index.errors import EncoderError
from index.types import Policy, Span
from qa.reader import span
from qa.reader.span import SpanReader, best_span, emphasised
from qa.render import answer_markdown, citation_json, emphasis
from qa.types import Answer, PolicyAnswer, Statement
from qa.verify import cite

QUESTION = "How long do you keep the logs?"
QUOTE = "To find faults, we keep the logs of our servers for 90 days."


@pytest.fixture(scope="module")
def own() -> OnnxEncoder:
    return OnnxEncoder.load(DEFAULT_MODEL)


@pytest.fixture(scope="module")
def reader(own: OnnxEncoder) -> SpanReader:
    loaded = SpanReader.load(own)
    assert loaded is not None
    return loaded


def answer_of(text: str, *quotes: str) -> PolicyAnswer:
    policy = Policy("acme", "Acme", ("Acme",), (), text, "0" * 64, None, ("acme.txt",))
    citations = tuple(
        cite(policy, Span(text.index(quote), text.index(quote) + len(quote)), marker, "")
        for marker, quote in enumerate(quotes, start=1)
    )
    statements = tuple(Statement(c.quote, (c.marker,), verified=True) for c in citations)
    return PolicyAnswer(
        policy="acme", name="Acme", title="Acme", status="stated", text="", p_stated=0.9,
        statements=statements, citations=citations, nearest=(),
    )  # fmt: skip


def test_the_value_that_was_asked_for_is_found(reader: SpanReader) -> None:
    [found] = reader.find(QUESTION, [QUOTE])
    assert found is not None
    assert "90 days" in found.of(QUOTE)


def test_what_is_found_depends_on_its_own_text_alone(reader: SpanReader) -> None:
    texts = [QUOTE, "We may share it with partners in Norway.", "Ask us: privacy@acme.example."]
    assert reader.find(QUESTION, texts) == [reader.find(QUESTION, [text])[0] for text in texts]


@settings(max_examples=30, deadline=None)
@given(st.text(max_size=300))
def test_a_span_stands_in_its_text(reader: SpanReader, text: str) -> None:
    [found] = reader.find(QUESTION, [text])
    assert found is None or 0 <= found.start < found.end <= len(text)


def test_a_text_beyond_the_window_is_read_as_far_as_it_goes(reader: SpanReader) -> None:
    [found] = reader.find(QUESTION, ["We keep it. " * 500])
    assert found is not None


def test_a_text_without_words_has_no_answer(reader: SpanReader) -> None:
    assert reader.find(QUESTION, ["", " \n"]) == [None, None]
    assert reader.find(QUESTION, []) == []


@given(st.integers(3, 60), st.integers(0, 9))
def test_an_answer_never_ends_before_it_begins(size: int, seed: int) -> None:
    chance = np.random.default_rng(seed)
    starts, ends = (chance.normal(size=size).astype(np.float32) for _ in range(2))
    first, last = best_span(starts, ends)
    assert 1 <= first <= last <= size - 2


def test_the_first_quote_of_an_answer_is_emphasised(reader: SpanReader) -> None:
    text = f"Preface. {QUOTE} We share nothing."
    [one] = emphasised(reader, QUESTION, [answer_of(text, QUOTE, "We share nothing.")])
    first, second = one.citations
    assert first.emphasis is not None
    assert "90 days" in first.emphasis.of(text)
    assert citation_json(first)["emphasis"] == first.emphasis._asdict()
    assert second.emphasis is None
    assert citation_json(second)["emphasis"] is None
    words = emphasis(first, first.quote)
    answer = Answer(QUESTION, ("acme",), (one,), (), 0, "extractive", (), 0.0)
    assert f"**{words}**" in answer_markdown(answer)


def test_words_that_stand_twice_are_not_emphasised(reader: SpanReader) -> None:
    [one] = emphasised(reader, QUESTION, [answer_of(QUOTE, QUOTE)])
    words = emphasis(one.citations[0], QUOTE)
    assert words
    assert emphasis(one.citations[0], f"{QUOTE} {words}") == ""


def test_another_encoder_has_no_emphasis(own: OnnxEncoder) -> None:
    other = OnnxEncoder({"name": "other", "sha256": {"model.onnx": "0" * 64}}, b"", b"")
    assert SpanReader.load(other) is None


def test_a_changed_file_is_refused(
    own: OnnxEncoder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    changed = tmp_path / "span.onnx"
    changed.write_bytes(span.MODEL.read_bytes() + b"x")
    monkeypatch.setattr(span, "MODEL", changed)
    with pytest.raises(EncoderError, match=r"span\.onnx"):
        SpanReader.load(own)


@pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning"
)  # torch's exporter
def test_training_writes_what_the_reader_loads(
    own: OnnxEncoder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from eval.train import spans  # torch takes seconds: only where it is needed

    kept = [f"We keep the logs for {days} days after you leave." for days in range(10, 40)]
    asked = [
        {"question": QUESTION, "answers": [{"text": f"{n} days", "answer_start": text.index(str(n))}]}
        for n, text in enumerate(kept, start=10)
    ]  # fmt: skip
    paragraphs = [{"context": text, "qas": [one]} for text, one in zip(kept, asked, strict=True)]
    for file in ("policyqa/train_rebuilt.json", "squad/dev-v2.0.json"):
        (tmp_path / file).parent.mkdir()
        (tmp_path / file).write_text(json.dumps({"data": [{"paragraphs": paragraphs}]}))
    row = {"question": QUESTION, "answerable": True, "quotes": [QUOTE], "answer": "90 days."}
    (tmp_path / "policy-questions").mkdir()
    (tmp_path / "policy-questions" / "train.jsonl").write_text(json.dumps(row))
    for module in (spans, span):
        monkeypatch.setattr(module, "MODEL", tmp_path / "span.onnx")
        monkeypatch.setattr(module, "DESCRIPTION", tmp_path / "span.json")
    for name, value in (("BATCH", 8), ("EPOCHS", 12), ("WIDTH", 32)):
        monkeypatch.setattr(spans, name, value)
    monkeypatch.setattr(sys, "argv", ["spans", "--data", str(tmp_path)])
    spans.main()
    trained = SpanReader.load(own)
    assert trained is not None
    text = "We keep the logs for 45 days after you leave."
    [found] = trained.find(QUESTION, [text])
    assert found is not None
    assert "45 days" in found.of(text)
