"""What the tests share: one default encoder, homes in temporary folders, no settings of ours."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fakes import FakeEncoder
from hypothesis import HealthCheck, settings
from scripted import Server, serving

from index.build import CORPUS, ensure_bundled
from index.encode import Encoder, load_encoder
from index.home import Home
from index.parse import read_text
from index.settings import Settings
from qa.llm import LLM, load_llm

pytest_plugins = ["browsing"]
OpenHome = Callable[..., Home]
OpenLLM = Callable[..., LLM]

# How long an example takes says more about the machine than about the code; the same examples every
# time, so that a failure is the change's. Look for others: pytest --hypothesis-profile=explore.
PATIENT = [HealthCheck.too_slow]
settings.register_profile("explore", deadline=None, suppress_health_check=PATIENT)
settings.register_profile(
    "policyqa", deadline=None, suppress_health_check=PATIENT, derandomize=True
)
settings.load_profile("policyqa")


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.upper().startswith("POLICYQA_") or name in {"COLUMNS", "FORCE_COLOR", "NO_COLOR"}:
            monkeypatch.delenv(name)
    monkeypatch.setenv("TERM", "xterm-256color")


@pytest.fixture(scope="session")
def encoder() -> Encoder:
    """The default encoder: the real model, loaded once."""
    return load_encoder("default")


@pytest.fixture(scope="session")
def bundled() -> dict[str, str]:
    """The text of each of the five policies by id."""
    return {file.stem: read_text(file, file.read_bytes()) for file in CORPUS.glob("*.txt")}


@pytest.fixture
def open_home(tmp_path: Path) -> Iterator[OpenHome]:
    """Open the home of this test with an encoder, a fake unless told; it is closed afterwards."""
    homes = []

    def opened(encoder: Encoder | None = None) -> Home:
        home = Home(Settings(home=tmp_path / "home"))
        home.__dict__["encoder"] = encoder or FakeEncoder()
        homes.append(home)
        return home

    yield opened
    for home in homes:
        home.close()


@pytest.fixture(scope="session")
def indexed_home(tmp_path_factory: pytest.TempPathFactory, encoder: Encoder) -> Path:
    """A home of the five policies, made with the default encoder: to be read, never written."""
    home = Home(Settings(home=tmp_path_factory.mktemp("indexed") / "home", encoder="default"))
    home.__dict__["encoder"] = encoder
    ensure_bundled(home)
    home.close()
    return home.path


@pytest.fixture
def own_home(indexed_home: Path, tmp_path: Path) -> Path:
    """A copy of ``indexed_home`` for this test alone, to be written."""
    return shutil.copytree(indexed_home, tmp_path / "own-home")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of Chroma's own server, running on loopback."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = tmp_path_factory.mktemp("server")
    command = ["chroma", "run", "--host", "127.0.0.1", "--port", str(port), "--path", str(folder)]
    command[0] = str(Path(sys.executable).with_name("chroma"))
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            for _ in range(300):
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                    break
                time.sleep(0.1)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait()


@pytest.fixture
def llm_server() -> Iterator[Server]:
    """A language model's server that says what this test tells it."""
    with serving() as server:
        yield server


@pytest.fixture
def open_llm(llm_server: Server, tmp_path: Path) -> Iterator[OpenLLM]:
    """Open the model ``m`` of a wire format on ``llm_server``; it is closed afterwards."""
    opened: list[LLM] = []

    def open_one(wire: str, **options: object) -> LLM:
        told = {"llm": f"{wire}/m", "llm_base_url": llm_server.base(wire), **options}
        llm = load_llm(Settings(home=tmp_path / "home", **told))  # type: ignore[arg-type]
        assert llm
        _ = llm.adapter  # importing it takes long, and no deadline counts that
        opened.append(llm)
        return llm

    yield open_one
    for llm in opened:
        llm.close()
