"""Killed writers: whatever the instant, the old state or the new one is there, and work goes on."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes import FakeEncoder
from test_build import assert_sound

from index.build import rebuild, remove, sync
from index.doctor import repair
from index.home import Home
from index.recovery import recover
from index.settings import Settings
from qa import Assistant

PROGRAM = Path(__file__).with_name("program.py")
COMPANIES = [f"comp{letter}" for letter in "abcdefghijkl"]
OLD, NEW = "90 days", "30 days"
QUESTION = "how long is data kept?"


def words(company: str, kept: str) -> str:
    name = company.title()
    return f"# {name} Privacy Policy\n\n{name} sets cookies.\n\n" + "".join(
        f"# Part {part}\n\n{name} keeps item{part} of each customer for {kept}.\n\n"
        for part in range(4)
    )


class Processes:
    """Forks that do one task each, of a process that has imported all it needs."""

    def __init__(self) -> None:
        self._server = subprocess.Popen(
            [sys.executable, str(PROGRAM)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._read() == "ready"

    def run(self, task: str, home: Path, argument: object = "", *, kill_after: float = 60) -> float:
        """Do a task, and kill it if it takes longer; return the seconds it took."""
        assert self._server.stdin
        self._server.stdin.write(json.dumps([task, str(home), str(argument)]) + "\n")
        self._server.stdin.flush()
        child = int(self._read())
        started = time.perf_counter()
        descriptor = os.pidfd_open(child)
        try:
            if not _ends(descriptor, kill_after):
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        finally:
            os.close(descriptor)
        assert int(self._read()) in {0, signal.SIGKILL}
        return time.perf_counter() - started

    def close(self) -> None:
        """End the process."""
        self._server.communicate()

    def _read(self) -> str:
        assert self._server.stdout
        return self._server.stdout.readline().strip()


def _ends(descriptor: int, seconds: float) -> bool:
    import select

    return bool(select.select([descriptor], [], [], seconds)[0])


@pytest.fixture(scope="module")
def processes() -> Iterator[Processes]:
    started = Processes()
    yield started
    started.close()


@pytest.fixture(scope="module")
def docs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of twelve policies in their new version."""
    return fill(tmp_path_factory.mktemp("docs"), COMPANIES, NEW)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory, docs: Path) -> Path:
    """A home with two of the policies in their old version: to be copied."""
    home = opened(tmp_path_factory.mktemp("prepared") / "home")
    fill(docs, COMPANIES[:2], OLD)
    for company in COMPANIES[:2]:
        sync(home, [docs / f"{company}.txt"])
    fill(docs, COMPANIES[:2], NEW)
    home.close()
    return home.path


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory, docs: Path) -> Path:
    """A home with all twelve policies in their new version: to be copied."""
    home = opened(tmp_path_factory.mktemp("full") / "home")
    sync(home, [docs])
    home.close()
    return home.path


def fill(folder: Path, companies: list[str], kept: str) -> Path:
    for company in companies:
        (folder / f"{company}.txt").write_text(words(company, kept))
    return folder


def opened(path: Path) -> Home:
    home = Home(Settings(home=path))
    home.__dict__["encoder"] = FakeEncoder()
    return home


def state(home: Home) -> dict[str, Any]:
    """Return what an index holds; that its vectors are the right ones, ``assert_sound`` sees."""
    catalog, vectors = home.catalog, home.vectors
    entries = vectors._collection.get(include=["documents", "metadatas"])
    places = zip(entries["documents"], entries["metadatas"], strict=True)
    return {
        "policies": catalog.policies(),
        "sections": {id_: catalog.sections(id_) for id_ in catalog.policy_ids()},
        "passages": [
            (one.passage, one.words, one.vector.tobytes(), one.sentence_vectors.tobytes())
            for policy in catalog.policies()
            for one in catalog.passages(policy)
        ],
        "sources": catalog.sources(),
        "removed": catalog.removed(),
        "built with": home.recorded,
        "places": dict(zip(entries["ids"], places, strict=True)),
    }


def undisturbed(folder: Path, prepared: Path, task: str, argument: object = "") -> dict[str, Any]:
    """Return the state after a task that nobody killed."""
    home = opened(Path(shutil.copytree(prepared, folder)))
    if task == "sync":
        sync(home, [Path(str(argument))])
    elif task == "remove":
        remove(home, str(argument))
    found = state(home)
    home.close()
    return found


def assert_answers(home: Home) -> None:
    """Check that the home answers, from the text it holds, and that all of it agrees."""
    answer = Assistant(home).ask(QUESTION)
    assert set(answer.policies) == set(home.catalog.policy_ids())
    for one in answer.answers:
        policy = home.catalog.policy(one.policy)
        assert policy
        for cited in (*one.citations, *one.nearest):
            assert policy.text[cited.start : cited.end] == cited.quote
    assert_sound(home)


def instants(count: int, duration: float, seed: int) -> list[float]:
    """Return instants all over a duration, and a little beyond."""
    chosen = random.Random(seed)
    return [(n + chosen.random()) / count * duration * 1.05 for n in range(count)]


def test_a_sync_killed_at_any_instant_leaves_each_policy_old_or_new(
    processes: Processes, prepared: Path, docs: Path, tmp_path: Path
) -> None:
    expected = undisturbed(tmp_path / "undisturbed", prepared, "sync", docs)
    duration = processes.run("sync", Path(shutil.copytree(prepared, tmp_path / "timed")), docs)
    possible = {company: {words(company, NEW)} for company in COMPANIES}
    for company in COMPANIES[:2]:
        possible[company].add(words(company, OLD))
    seen = set()
    for number, instant in enumerate(instants(30, duration, seed=30)):
        path = Path(shutil.copytree(prepared, tmp_path / f"home-{number}"))
        processes.run("sync", path, docs, kill_after=instant)
        home = opened(path)
        texts = {policy.id: policy.text for policy in home.catalog.policies()}
        seen.add(tuple(sorted(texts.values())))
        assert {*COMPANIES[:2]} <= texts.keys()
        assert all(text in possible[id_] for id_, text in texts.items())
        if number % 3 == 0:  # a reader comes first, or a writer does
            recover(home)
            assert_answers(home)
        sync(home, [docs])
        assert state(home) == expected
        assert_sound(home)
        home.close()
    assert len(seen) > 5


def test_a_first_sync_killed_at_any_instant_is_finished_by_the_next(
    processes: Processes, full: Path, docs: Path, tmp_path: Path
) -> None:
    expected = undisturbed(tmp_path / "undisturbed", full, "")
    duration = processes.run("sync", tmp_path / "timed", docs)
    for number, instant in enumerate(instants(5, duration / 2, seed=10)):
        path = tmp_path / f"home-{number}"
        processes.run("sync", path, docs, kill_after=instant)
        home = opened(path)
        sync(home, [docs])
        assert state(home) == expected
        assert_sound(home)
        home.close()


def test_a_removal_killed_at_any_instant_leaves_the_policy_whole_or_gone(
    processes: Processes, full: Path, tmp_path: Path
) -> None:
    expected = undisturbed(tmp_path / "undisturbed", full, "remove", "compc")
    duration = processes.run("remove", Path(shutil.copytree(full, tmp_path / "timed")), "compc")
    for number, instant in enumerate(instants(6, duration, seed=3)):
        path = Path(shutil.copytree(full, tmp_path / f"home-{number}"))
        processes.run("remove", path, "compc", kill_after=instant)
        home = opened(path)
        recover(home)
        assert_answers(home)
        if "compc" in home.catalog.policy_ids():
            remove(home, "compc")
        assert state(home) == expected
        home.close()


@pytest.mark.parametrize("task", ["repair", "rebuild"])
def test_a_repair_or_rebuild_killed_at_any_instant_loses_nothing(
    processes: Processes, full: Path, tmp_path: Path, task: str
) -> None:
    expected = undisturbed(tmp_path / "undisturbed", full, "")
    duration = processes.run(task, Path(shutil.copytree(full, tmp_path / "timed")))
    for number, instant in enumerate(instants(4, duration, seed=6)):
        path = Path(shutil.copytree(full, tmp_path / f"home-{number}"))
        processes.run(task, path, kill_after=instant)
        home = opened(path)
        recover(home)
        assert_answers(home)
        {"repair": repair, "rebuild": rebuild}[task](home)
        assert state(home) == expected
        home.close()


@pytest.mark.parametrize(("number", "wait"), [(signal.SIGTERM, 0.5), (signal.SIGINT, 0.8)])
def test_a_signal_ends_indexing_soon_and_the_next_command_goes_on(
    tmp_path: Path, number: signal.Signals, wait: float
) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    fill(docs, [f"comp{n}" for n in range(60)], NEW)
    command = [sys.executable, str(PROGRAM), "index", str(docs), "--no-bundled"]
    command += ["--home", str(tmp_path / "home")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        assert "indexing" in process.stderr.readline()
        time.sleep(wait)
        process.send_signal(number)
        assert process.wait(timeout=60) == 130
        assert process.stderr.read() == ""
    home = opened(tmp_path / "home")
    assert all(one.text == words(one.id, NEW) for one in home.catalog.policies())
    home.close()
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, "error" in done.stderr) == (0, False)
    home = opened(tmp_path / "home")
    assert len(home.catalog.policy_ids()) == 60
    assert_sound(home)
    home.close()


def test_a_signal_is_heard_while_waiting_for_readers(full: Path, tmp_path: Path) -> None:
    path = Path(shutil.copytree(full, tmp_path / "home"))
    home = opened(path)
    command = [sys.executable, str(PROGRAM), "remove", "compa", "--home", str(path)]
    with home.locks.reading(), subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        time.sleep(3)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 130
    assert "compa" in home.catalog.policy_ids()
    home.close()
