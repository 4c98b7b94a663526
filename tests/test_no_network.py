"""Nothing leaves the machine unless a language model is configured, whatever the environment holds."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

QUESTION = "how long is data retained?"
NAMES = (
    "OPENAI_API_KEY ANTHROPIC_API_KEY ANTHROPIC_AUTH_TOKEN OLLAMA_API_KEY HF_TOKEN OLLAMA_HOST "
    "OPENAI_BASE_URL"
)
KEYS = dict.fromkeys(NAMES.split(), "sk-in-the-environment")
# Python asks its audit hooks before a name is looked up or a connection made, by any library.
PROGRAM = """
import sys
def told(event, args):
    if event in {"socket.connect", "socket.getaddrinfo", "socket.sendto", "socket.gethostbyname"}:
        print("LEAVES", event, args, file=sys.stderr)
sys.addaudithook(told)
from qa.cli import run
try:
    run()
finally:
    print("LOADED", *{m.split(".")[0] for m in sys.modules}, file=sys.stderr)
"""


def ask(home: Path, *prefix: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*prefix, sys.executable, "-c", PROGRAM, "ask", QUESTION, "--json"],
        env={**os.environ, **KEYS, "POLICYQA_HOME": str(home)},
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip


def test_keys_in_the_environment_make_nothing_leave(indexed_home: Path) -> None:
    done = ask(indexed_home)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["engine"] == "extractive"
    assert "LEAVES" not in done.stderr
    loaded = done.stderr.split("LOADED")[1].split()
    assert not {"llama_index", "openai", "anthropic", "ollama", "httpx_sse"} & set(loaded)
    assert "sk-in-the-environment" not in done.stdout + done.stderr


def test_a_machine_without_a_network_answers_the_same(indexed_home: Path) -> None:
    alone = [shutil.which("unshare") or "unshare", "--map-root-user", "--net"]
    if subprocess.run([*alone, "true"], capture_output=True).returncode:
        pytest.skip("no network namespace can be made here")
    there, cut_off = (
        json.loads(ask(indexed_home).stdout),
        json.loads(ask(indexed_home, *alone).stdout),
    )
    assert {**there, "seconds": 0} == {**cut_off, "seconds": 0}
