"""Readers and a writer at once: every answer is of a state that was committed, whole."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import OpenHome
from test_build import assert_sound

from index import locks
from index.build import remove, sync
from index.errors import HomeError
from index.home import Home

PROGRAM = Path(__file__).with_name("program.py")
SECONDS = 10
QUESTION = "how long is data kept?"
READER = """
import sys
from program import FakeEncoder  # the encoder is a fake from here on
from qa import Assistant, render
import json
assistant = Assistant.open(sys.argv[1])
print("ready", flush=True)
for line in sys.stdin:
    answer = assistant.ask(line)
    print(json.dumps(render.answer_json(answer)), flush=True)
"""


def words(company: str, version: int) -> str:
    return f"# {company} Privacy Policy\n\n{company} sets cookies.\n\n" + "".join(
        f"# Part {part}\n\n{company} keeps item{part} of everybody for {version} days.\n\n"
        for part in range(4)
    )


class Reader:
    """A process that answers over a home."""

    def __init__(self, home: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", READER, str(home)], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1,
            env={**os.environ, "PYTHONPATH": str(PROGRAM.parent)},
        )  # fmt: skip
        assert self._read() == "ready\n"

    def send(self) -> None:
        assert self._process.stdin
        self._process.stdin.write(QUESTION + "\n")
        self._process.stdin.flush()

    def answer(self) -> dict[str, Any]:
        line = self._read()
        assert line, self._process.stderr and self._process.stderr.read()
        found: dict[str, Any] = json.loads(line)
        return found

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def _read(self) -> str:
        assert self._process.stdout
        return self._process.stdout.readline()


def quotes(answer: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    return {one["policy"]: [*one["citations"], *one["nearest"]] for one in answer["answers"]}


def test_readers_see_only_states_that_were_committed(open_home: OpenHome, tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    for company in ("Acme", "Zeta"):
        (docs / f"{company.lower()}.txt").write_text(words(company, 1))
    home = open_home()
    sync(home, [docs])
    home.catalog.set_meta("bundled", "no")
    with Reader(home.path) as one, Reader(home.path) as other:
        readers = [one, other]
        states, answers = [texts(home)], []
        end, version = time.monotonic() + SECONDS, 1
        while time.monotonic() < end:
            version += 1
            for reader in readers:
                reader.send()
            (docs / "acme.txt").write_text(words("Acme", version))
            sync(home, [docs])
            states.append(texts(home))
            if version % 3 == 0:
                (docs / "beta.txt").write_text(words("Beta", version))
                sync(home, [docs])
                states.append(texts(home))
            elif "beta" in states[-1]:
                remove(home, "beta")
                (docs / "beta.txt").unlink()
                states.append(texts(home))
            answers += [reader.answer() for reader in readers]
        assert version > 2
        for answer in answers:
            assert any(is_of(answer, state) for state in states)
        for reader in readers:
            reader.send()
            assert is_of(reader.answer(), states[-1])


def texts(home: Home) -> dict[str, str]:
    return {policy.id: policy.text for policy in home.catalog.policies()}


def is_of(answer: dict[str, Any], state: dict[str, str]) -> bool:
    """Whether an answer is about a state's policies, in that state's words."""
    return set(answer["policies"]) == state.keys() and all(
        state[policy][cited["start"] : cited["end"]] == cited["quote"]
        for policy, own in quotes(answer).items()
        for cited in own
    )


def test_a_second_writer_is_told_the_process_and_the_command_of_the_first(
    open_home: OpenHome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = open_home()
    (tmp_path / "acme.txt").write_text(words("Acme", 1))
    code = (
        "import sys, time; from pathlib import Path; from index.home import Home;"
        "from index.settings import Settings; sys.argv = ['policyqa', 'index', 'docs'];"
        f"home = Home(Settings(home=Path({str(home.path)!r})))\n"
        "with home.writing():\n print('held', flush=True)\n time.sleep(60)"
    )
    first = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert first.stdout
    assert first.stdout.readline() == "held\n"
    home.locks._writer.timeout = 0.2
    with pytest.raises(HomeError, match=f"process {first.pid}: policyqa index$") as caught:
        sync(home, [tmp_path / "acme.txt"])
    assert "\n" not in caught.value.message
    # Nor would a file of the home name what another process is removing.
    assert "docs" not in (home.path / f"{locks.WRITER}.holder").read_text()
    first.kill()
    first.communicate()
    assert (home.path / locks.WRITER).exists()
    assert sync(home, [tmp_path / "acme.txt"]).added == ("acme",)


def test_writers_in_turn_each_write_to_the_store_the_other_left(
    open_home: OpenHome, tmp_path: Path
) -> None:
    companies = ["Acme", "Beta", "Zeta", "Yota"]
    for company in companies:
        (tmp_path / f"{company.lower()}.txt").write_text(words(company, 1))
    one, other = open_home(), open_home()
    sync(one, [tmp_path / "acme.txt"])
    sync(other, [tmp_path / "beta.txt"])
    remove(other, "acme")
    sync(one, [tmp_path / "zeta.txt"])
    sync(other, [tmp_path / "yota.txt"])
    for home in (one, other, open_home()):
        assert home.catalog.policy_ids() == ("beta", "yota", "zeta")
        assert_sound(home)
        assert home.vectors.ids() == set(home.catalog.passage_ids())
