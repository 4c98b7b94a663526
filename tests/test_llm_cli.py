"""Language models on the command line: chosen, tested, measured, and their keys never shown."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from scripted import Act, Server, honest
from typer.testing import CliRunner, Result

from qa import compose
from qa.cli import app

Run = Callable[..., Result]
QUESTION = "how long is data retained?"


@pytest.fixture
def run(llm_server: Server, indexed_home: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setattr(compose, "FLOOR", 0.0)
    monkeypatch.setenv("POLICYQA_LLM_BASE_URL", llm_server.base("openai"))
    monkeypatch.setenv("POLICYQA_LLM_API_KEY", "sk-secret")
    monkeypatch.setenv("POLICYQA_LLM_CACHE", "false")

    def run_one(*args: str) -> Result:
        made = CliRunner().invoke(app, [*args, "--home", str(indexed_home)])
        assert "sk-secret" not in made.output
        return made

    return run_one


def test_an_answer_shows_the_models_words_then_the_quotes_then_the_cost(
    run: Run, llm_server: Server
) -> None:
    llm_server.script = honest
    made = run("ask", QUESTION, "--policy", "web1on1", "--llm", "openai/m")
    assert made.exit_code == 0, made.output
    words, quote = made.stdout.index("The policy answers this. [1]"), made.stdout.index("[1] “")
    assert words < quote
    assert "openai/m · " in made.stdout
    assert "100 tokens in" in made.stdout


def test_json_tells_engine_and_tokens(run: Run, llm_server: Server) -> None:
    llm_server.script = honest
    made = run("ask", QUESTION, "--policy", "web1on1", "--json", "--llm", "openai/m")
    answer = json.loads(made.stdout)
    assert answer["engine"] == answer["answers"][0]["engine"] == "openai/m"
    assert answer["tokens_in"] == 100


def test_a_failure_is_labelled_and_is_no_error(run: Run, llm_server: Server) -> None:
    llm_server.acts = [Act("the key sk-secret is wrong", "401")]
    made = run("ask", QUESTION, "--policy", "web1on1", "--llm", "openai/m")
    assert made.exit_code == 0
    assert "refuses the key" in made.stdout
    assert "We retain your usage data" in made.stdout


def test_doctor_tells_that_a_model_answers(run: Run, llm_server: Server) -> None:
    llm_server.acts = [Act("ready")]
    made = run("doctor", "--llm", "openai/m")
    assert made.exit_code == 0, made.output
    assert "The language model openai/m answers: first words after" in made.stdout


def test_doctor_tells_what_is_wrong_with_a_model(run: Run, llm_server: Server) -> None:
    llm_server.acts = [Act("no such model", "404")]
    made = run("doctor", "--llm", "openai/m", "--json")
    assert made.exit_code == 1
    told = json.loads(made.stdout)
    assert told["damage"] == []
    assert "no such model" in told["llm"]["error"]
    assert told["llm"]["hint"]


def test_a_name_that_is_no_model_is_a_handled_error(run: Run) -> None:
    made = run("ask", QUESTION, "--llm", "nonsense")
    assert made.exit_code == 1
    assert "'nonsense' is no language model" in made.stderr
