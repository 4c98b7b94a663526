"""A real causal model in this process: it talks nonsense, and that must not become an answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from index.encode import Encoder
from index.errors import LLMError, LLMTruncatedError
from index.home import Home
from index.settings import Settings
from qa import compose
from qa.assistant import Assistant
from qa.llm import LLM, Prompt, Reply, load_llm

FEW_TOKENS = 24


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory, bundled: dict[str, str]) -> Path:
    """A transformer of one layer with random weights, and a tokenizer of the policies' words."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    words = Tokenizer(models.BPE())
    words.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    words.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        special_tokens=["<end>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    words.train_from_iterator(bundled.values(), trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words, eos_token="<end>", pad_token="<end>"
    )
    torch.manual_seed(7)
    config = GPT2Config(
        vocab_size=len(tokenizer), n_positions=16_384, n_embd=16, n_layer=1, n_head=2,
        bos_token_id=0, eos_token_id=0, pad_token_id=0,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("models") / "tiny"
    GPT2LMHeadModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def settings(tiny: Path, indexed_home: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr("qa.llm.huggingface.ANSWER_TOKENS", FEW_TOKENS)
    monkeypatch.setattr("qa.prompts.MOST_PASSAGES", 2)
    return Settings(home=indexed_home, llm=f"hf/{tiny}", llm_cache=False, llm_context=16_384)


@pytest.fixture
def llm(settings: Settings) -> Iterator[LLM]:
    made = load_llm(settings)
    assert made
    with closing(made):
        yield made


def test_a_model_that_never_ends_its_answer_has_none(llm: LLM) -> None:
    with pytest.raises(LLMTruncatedError, match="no room"):
        llm.complete(Prompt("Say something.", "Now."))


def test_a_model_that_ends_its_answer_has_one_with_its_cost(
    llm: LLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    made = llm.adapter._model  # type: ignore[attr-defined]
    bias = torch.zeros(made.config.vocab_size)
    bias[40] = 100.0
    count = iter(range(10_000))

    def end_after_three(_: object, __: object, out: torch.Tensor) -> torch.Tensor:
        return out + (bias if next(count) < 3 else bias.roll(-40))

    made.lm_head.register_forward_hook(end_after_three)
    said = [one for _, one in llm.stream({"": Prompt("Say something.", "Now.")})]
    assert isinstance(said[-1], Reply)
    assert said[-1].text.strip()
    assert said[-1].tokens_out == 4
    assert (said[-1].tokens_in or 0) > 5


def test_nonsense_comes_out_as_the_policies_own_words(settings: Settings, encoder: Encoder) -> None:
    home = Home(settings)
    home.__dict__["encoder"] = encoder
    with closing(Assistant(home)) as assistant:
        answer = assistant.ask("how long is data retained?", policies=["web1on1"])
        assert answer.engine == "extractive"
        assert [p.code for p in answer.problems] == ["llm_truncated"]
        [one] = answer.answers
        assert one.status == "stated"
        assert one.citations[0].quote.startswith("We retain your usage data")


def test_a_model_stops_when_nobody_listens(llm: LLM, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qa.llm.huggingface.ANSWER_TOKENS", 10_000)
    said = llm.stream({"": Prompt("Say something.", "Now.")})
    next(said)
    said.close()
    until = time.monotonic() + 20
    while any("asyncio" in t.name and _is_busy(t) for t in threading.enumerate()):
        assert time.monotonic() < until
        time.sleep(0.05)


def _is_busy(thread: threading.Thread) -> bool:
    import sys

    frame = sys._current_frames().get(thread.ident or 0)
    while frame:
        if frame.f_code.co_name == "_generate":
            return True
        frame = frame.f_back
    return False


def test_a_model_that_is_not_there_is_an_error_that_names_it(tmp_path: Path) -> None:
    made = load_llm(Settings(home=tmp_path, llm=f"hf/{tmp_path / 'none'}"))
    assert made
    with closing(made), pytest.raises(LLMError, match="none") as raised:
        made.complete(Prompt("a", "b"))
    assert "--allow-download" in (raised.value.hint or "")


def test_a_window_is_no_larger_than_the_models(settings: Settings) -> None:
    made = load_llm(settings.model_copy(update={"llm_context": 100_000}))
    assert made
    with closing(made):
        assert made.window == 16_384


def test_a_floor_spares_a_local_model_too(
    settings: Settings, encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compose, "FLOOR", 1.0)
    home = Home(settings)
    home.__dict__["encoder"] = encoder
    with closing(Assistant(home)) as assistant:
        assert assistant.ask("how long is data retained?").problems == ()
