"""Language models over real sockets: whatever a server does ends in time, whole or as one error."""

from __future__ import annotations

import doctest
import threading
import time
from pathlib import Path

import pytest
from conftest import OpenLLM
from scripted import WIRES, Act, Asked, Server, waited

from index.errors import (
    LLMAuthError,
    LLMEmptyError,
    LLMError,
    LLMOverloadedError,
    LLMProtocolError,
    LLMRequestError,
    LLMTimeoutError,
    LLMTruncatedError,
    LLMUnreachableError,
    UsageError,
)
from index.settings import CONFIG_NAME, Settings
from qa.llm import Piece, Prompt, Reply, engine, families, load_llm, wire
from qa.llm.engine import _Heard
from qa.llm.failures import translated
from qa.llm.types import MOST_CHARACTERS

PROMPT = Prompt("You are careful.", "What is kept?", {"type": "object"})
TEXT = "Kept for 90 days, “as needed” – naïve, 個人情報."
SOON = {"llm_first_seconds": 0.4, "llm_idle_seconds": 0.4, "llm_total_seconds": 1.5}
every_wire = pytest.mark.parametrize("wire_format", WIRES)


def test_documented_examples_hold() -> None:
    results = doctest.testmod(wire)
    assert results.attempted
    assert not results.failed


@every_wire
@pytest.mark.parametrize("fault", ["", "split"])
def test_a_whole_reply_is_what_was_said_with_its_cost(
    open_llm: OpenLLM, llm_server: Server, wire_format: str, fault: str
) -> None:
    llm_server.acts = [Act(TEXT, fault)]
    reply = open_llm(wire_format).complete(PROMPT)
    assert reply.text == TEXT
    assert reply.tokens_in == 100
    assert reply.tokens_out
    assert llm_server.asked[0].system == PROMPT.system
    assert llm_server.asked[0].user == PROMPT.user


@every_wire
def test_a_reply_comes_in_pieces_as_they_are_said(
    open_llm: OpenLLM, llm_server: Server, wire_format: str
) -> None:
    llm_server.acts = [Act(TEXT, piece=9)]
    said = [one for _, one in open_llm(wire_format).stream({"k": PROMPT})]
    pieces = [one.text for one in said if isinstance(one, Piece)]
    assert len(pieces) > 3
    assert "".join(pieces) == TEXT
    assert isinstance(said[-1], Reply)


@every_wire
@pytest.mark.parametrize(
    ("fault", "kinds"),
    [
        ("hang", LLMTimeoutError),
        ("hang amid", LLMTimeoutError),
        ("endless", LLMProtocolError),
        ("cut", LLMTruncatedError),
        ("break", LLMTruncatedError),
        ("length", LLMTruncatedError),
        ("half line", (LLMTruncatedError, LLMProtocolError)),
        ("bad json", LLMProtocolError),
        ("html", LLMProtocolError),
        ("unstreamed", LLMProtocolError),
        ("compressed", LLMProtocolError),
        ("empty choices", LLMProtocolError),
        ("error event", LLMOverloadedError),
        ("filter", LLMProtocolError),
        ("redirect", LLMProtocolError),
        ("401", LLMAuthError),
        ("403", LLMAuthError),
        ("400", LLMRequestError),
        ("404", LLMRequestError),
        ("500", LLMOverloadedError),
        ("529", LLMOverloadedError),
        ("504", LLMTimeoutError),
    ],
)
def test_every_fault_ends_in_time_as_the_error_of_its_cause(
    open_llm: OpenLLM,
    llm_server: Server,
    wire_format: str,
    fault: str,
    kinds: type[LLMError] | tuple[type[LLMError], ...],
) -> None:
    llm_server.acts = [Act(TEXT, fault)]
    llm = open_llm(wire_format, **SOON)
    started = time.monotonic()
    with pytest.raises(kinds) as raised:
        llm.complete(PROMPT)
    assert time.monotonic() - started < SOON["llm_total_seconds"] + 1
    assert raised.value.hint
    if fault in {"html", "unstreamed", "redirect", "404"}:
        assert "POLICYQA_LLM_BASE_URL" in raised.value.hint
    assert waited(lambda: llm_server.open == 0)


@every_wire
def test_bytes_are_asked_for_as_they_are(
    open_llm: OpenLLM, llm_server: Server, wire_format: str
) -> None:
    llm_server.acts = [Act(TEXT)]
    open_llm(wire_format).complete(PROMPT)
    sent = {name.lower(): value for name, value in llm_server.asked[0].headers.items()}
    assert sent["accept-encoding"] == "identity"


@every_wire
def test_a_text_that_is_too_long_is_no_answer(
    open_llm: OpenLLM, llm_server: Server, wire_format: str
) -> None:
    llm_server.acts = [Act("x" * (MOST_CHARACTERS + 1), piece=1000)]
    with pytest.raises(LLMProtocolError, match="more than 100,000 characters"):
        open_llm(wire_format).complete(PROMPT)


@every_wire
def test_an_answer_without_words_is_empty(
    open_llm: OpenLLM, llm_server: Server, wire_format: str
) -> None:
    llm_server.acts = [Act(" \n")]
    with pytest.raises(LLMEmptyError):
        open_llm(wire_format).complete(PROMPT)


@every_wire
def test_a_trickle_ends_when_the_time_for_all_of_it_is_up(
    open_llm: OpenLLM, llm_server: Server, wire_format: str
) -> None:
    llm_server.acts = [Act(TEXT * 9, piece=2, pace=0.1)]
    with pytest.raises(LLMTimeoutError):
        open_llm(wire_format, **SOON).complete(PROMPT)
    assert waited(lambda: llm_server.hung_up == 1)


@every_wire
def test_what_failed_before_it_began_is_tried_again_when_the_server_wants(
    open_llm: OpenLLM, llm_server: Server, wire_format: str
) -> None:
    llm_server.acts = [Act(fault="429", headers={"Retry-After": "0.6"}), Act(TEXT)]
    started = time.monotonic()
    assert open_llm(wire_format).complete(PROMPT).text == TEXT
    assert time.monotonic() - started >= 0.6


@every_wire
def test_a_server_that_fails_once_is_asked_again_and_one_that_always_fails_thrice(
    open_llm: OpenLLM, llm_server: Server, wire_format: str
) -> None:
    llm = open_llm(wire_format)
    llm_server.acts = [Act(fault="500"), Act(TEXT)]
    assert llm.complete(PROMPT).text == TEXT
    assert len(llm_server.asked) == 2
    llm_server.acts = [Act(fault="503")]
    with pytest.raises(LLMOverloadedError):
        llm.complete(PROMPT)
    assert len(llm_server.asked) == 5


@every_wire
def test_what_failed_after_it_began_is_not_tried_again(
    open_llm: OpenLLM, llm_server: Server, wire_format: str
) -> None:
    llm_server.acts = [Act(TEXT, "error event")]
    with pytest.raises(LLMOverloadedError):
        open_llm(wire_format).complete(PROMPT)
    assert len(llm_server.asked) == 1


def test_a_wait_longer_than_the_time_that_is_left_is_not_begun(
    open_llm: OpenLLM, llm_server: Server
) -> None:
    llm_server.acts = [Act(fault="429", headers={"Retry-After": "3600"})]
    started = time.monotonic()
    with pytest.raises(LLMOverloadedError) as raised:
        open_llm("openai", **SOON).complete(PROMPT)
    assert raised.value.retry_after == 3600
    assert time.monotonic() - started < 1


@every_wire
def test_who_stops_listening_closes_the_connection(
    open_llm: OpenLLM, llm_server: Server, wire_format: str
) -> None:
    llm_server.acts = [Act(TEXT * 50, pace=0.02)]
    said = open_llm(wire_format).stream({"k": PROMPT})
    assert next(said) == ("", None)
    assert next(one for _, one in said if one)
    said.close()
    assert waited(lambda: llm_server.hung_up == 1)


def test_closing_a_model_ends_what_is_asked_of_it(open_llm: OpenLLM, llm_server: Server) -> None:
    llm_server.acts = [Act(fault="hang")]
    llm = open_llm("ollama")

    def ask() -> None:
        with pytest.raises(LLMTruncatedError, match="was closed"):
            list(llm.stream({"k": PROMPT}))

    asking = threading.Thread(target=ask)
    asking.start()
    assert waited(lambda: llm_server.open == 1)
    llm.close()
    asking.join(5)
    assert not asking.is_alive()
    assert waited(lambda: llm_server.hung_up == 1)


def test_only_so_many_are_asked_at_once(open_llm: OpenLLM, llm_server: Server) -> None:
    llm_server.acts = [Act(TEXT, pace=0.05)]
    prompts = {str(n): PROMPT for n in range(7)}
    said = list(open_llm("openai", llm_at_once=2).stream(prompts))
    assert sorted(key for key, one in said if isinstance(one, Reply)) == sorted(prompts)
    assert llm_server.most_open == 2


@pytest.mark.parametrize("wire_format", WIRES)
def test_nobody_there_is_said_to_be_so(open_llm: OpenLLM, wire_format: str) -> None:
    llm = open_llm(wire_format, llm_base_url="http://127.0.0.1:1", llm_total_seconds=0.3)
    with pytest.raises(LLMUnreachableError, match=r"127\.0\.0\.1:1"):
        llm.complete(PROMPT)


@pytest.mark.parametrize("status", ["400", "422"])
def test_a_server_that_takes_no_schema_is_asked_without_one_and_then_always(
    open_llm: OpenLLM, llm_server: Server, status: str
) -> None:
    def script(asked: Asked) -> Act:
        return Act(fault=status) if "response_format" in asked.body else Act(TEXT)

    llm_server.script = script
    llm = open_llm("openai")
    assert [llm.complete(PROMPT).text for _ in range(2)] == [TEXT] * 2
    assert len(llm_server.asked) == 3


def test_ollama_is_told_the_window_and_the_schema(open_llm: OpenLLM, llm_server: Server) -> None:
    llm_server.acts = [Act(TEXT)]
    open_llm("ollama", llm_context=4096).complete(PROMPT)
    assert llm_server.asked[0].body["options"]["num_ctx"] == 4096
    assert llm_server.asked[0].body["format"] == {"type": "object"}


@every_wire
def test_a_key_is_sent_and_never_shown(
    open_llm: OpenLLM, llm_server: Server, wire_format: str
) -> None:
    llm_server.acts = [Act("the key sk-secret is wrong", "401")]
    llm = open_llm(wire_format, llm_api_key="sk-secret")
    with pytest.raises(LLMAuthError) as raised:
        llm.complete(PROMPT)
    assert "sk-secret" in str(llm_server.asked[0].headers)
    assert "sk-secret" not in f"{raised.value} {raised.value.hint} {llm.__dict__}"


@every_wire
def test_no_part_of_a_key_is_shown_where_an_error_is_cut(
    open_llm: OpenLLM, llm_server: Server, wire_format: str
) -> None:
    key = "sk-" + "0123456789" * 4
    llm = open_llm(wire_format, llm_api_key=key)
    for before in range(140, 210, 7):
        llm_server.acts = [Act(f"{'z' * before} {key}", "401")]
        with pytest.raises(LLMAuthError) as raised:
            llm.complete(PROMPT)
        assert "sk-0" not in str(raised.value)


@every_wire
def test_a_word_that_stands_in_for_a_key_may_be_said(
    open_llm: OpenLLM, llm_server: Server, wire_format: str
) -> None:
    llm_server.acts = [Act("none of it is kept", "401")]
    for key in ("none", "x", "placeholder"):
        llm = open_llm(wire_format, llm_api_key=key)
        assert llm.secret == ""
        with pytest.raises(LLMAuthError, match="none of it is kept"):
            llm.complete(PROMPT)


@every_wire
@pytest.mark.parametrize("fault", ["hang after", "break after"])
def test_a_reply_that_is_complete_counts_whatever_comes_after_it(
    open_llm: OpenLLM, llm_server: Server, wire_format: str, fault: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(engine, "_AFTERWARDS", 0.2)
    llm_server.acts = [Act(TEXT, fault)]
    assert open_llm(wire_format, **SOON).complete(PROMPT).text == TEXT


@every_wire
def test_a_providers_own_key_goes_to_no_other_server(
    open_llm: OpenLLM, llm_server: Server, wire_format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "OPENAI_ORG_ID"):
        monkeypatch.setenv(name, "sk-own")
    llm_server.acts = [Act(TEXT)]
    open_llm(wire_format).complete(PROMPT)
    assert "sk-own" not in str(llm_server.asked[0].headers)


def test_a_key_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("sk-secret\n")
    file.chmod(0o644)
    settings = Settings(home=tmp_path, llm="openai/m", llm_key_file=file)
    with pytest.raises(UsageError, match="0644 lets others read it") as raised:
        load_llm(settings)
    assert raised.value.hint == f"chmod 600 {file}"
    file.chmod(0o600)
    assert load_llm(settings)


def test_a_settings_file_with_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / CONFIG_NAME
    file.write_text("llm_api_key = 'sk-secret'\n")
    file.chmod(0o640)
    with pytest.raises(UsageError, match="0640"):
        Settings.load(home=tmp_path)
    file.chmod(0o600)
    assert "sk-secret" not in repr(Settings.load(home=tmp_path))


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"llm": "gpt"}, "'gpt' is no language model"),
        ({"llm": "openai/"}, "is no language model"),
        ({"llm": "openai/m"}, "needs a key"),
        ({"llm": "anthropic/m"}, "needs a key"),
        ({"llm": "ollama/m", "llm_base_url": "localhost:1"}, "no address of a server"),
        ({"llm": "ollama/m", "llm_base_url": "http://me:pw@h/"}, "holds a name or password"),
        ({"llm": "ollama/m", "llm_base_url": "http://[::1/v1"}, "no address of a server"),
        ({"llm": "ollama/m", "llm_base_url": "http://h:abc/v1"}, "no address of a server"),
        ({"llm": "ollama/m", "llm_base_url": "http://h:99999/v1"}, "no address of a server"),
        ({"llm": "openai/m", "llm_key_file": Path("/none")}, "cannot be read"),
        ({"llm": "openai/m", "llm_key_file": Path("/tmp")}, "cannot be read"),
        (
            {"llm": "openai/m", "llm_api_key": "sk-pw\nsk-pw"},
            "POLICYQA_LLM_API_KEY holds is no key",
        ),
        ({"llm": "openai/m", "llm_api_key": "sk-pwé"}, "POLICYQA_LLM_API_KEY holds is no key"),
    ],
)
def test_what_cannot_be_used_is_refused_before_anything_is_asked(
    tmp_path: Path,
    options: dict[str, object],
    reason: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for family in families.FAMILIES.values():
        monkeypatch.delenv(family.key_name or "NONE", raising=False)
    with pytest.raises(UsageError, match=reason) as raised:
        load_llm(Settings(home=tmp_path, **options))
    assert "pw" not in f"{raised.value}{raised.value.hint}"


@pytest.mark.parametrize(("name", "extra"), [("ollama/m", "llm"), ("hf/m", "hf")])
@pytest.mark.parametrize("missing", ["llama_index", "text_to_num"])
def test_a_missing_extra_is_answered_with_the_command(
    tmp_path: Path, name: str, extra: str, missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def found(module: str) -> object:
        return None if module.startswith(missing) else module

    monkeypatch.setattr(families, "find_spec", found)
    with pytest.raises(UsageError) as raised:
        load_llm(Settings(home=tmp_path, llm=name))
    assert raised.value.hint == f"pip install 'policyqa[{extra}]'"


def test_no_model_is_none(tmp_path: Path) -> None:
    assert load_llm(Settings(home=tmp_path)) is None


@pytest.mark.parametrize("error", [IndexError("x"), KeyError("x"), ValueError("x"), TypeError()])
def test_anything_a_library_raises_is_one_of_our_errors(error: Exception) -> None:
    assert isinstance(translated(error, "'m'"), LLMProtocolError)


def test_a_count_of_tokens_that_is_none_is_not_taken() -> None:
    heard = _Heard(lambda _: None)
    for told in ("sk", -5, True, 10**300):
        heard.take(Piece("", tokens_in=told, tokens_out=told))
    assert (heard.tokens_in, heard.tokens_out) == (None, None)
    heard.take(Piece("", tokens_in=7, tokens_out=0))
    assert (heard.tokens_in, heard.tokens_out) == (7, 0)
