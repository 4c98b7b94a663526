"""A home that may only be read: answers go on, every change is refused, nothing is touched."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes import FakeEncoder

from index.build import sync
from index.errors import HomeError
from index.home import FOLDER, Home
from index.readonly import copied
from index.settings import Settings

PROGRAM = Path(__file__).with_name("program.py")
QUESTION = "how long is data kept?"
# To whoever may do anything, permissions mean nothing.
PREFIX = (
    ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all"]
    if os.getuid() == 0
    else []
)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A home of one policy that may only be read, in its own process or in another."""
    (tmp_path / "acme.md").write_text("# Acme Policy\n\nAcme keeps data for 90 days.\n")
    opened = Home(Settings(home=tmp_path / "home"))
    opened.__dict__["encoder"] = FakeEncoder()
    sync(opened, [tmp_path / "acme.md"])
    opened.catalog.set_meta("bundled", "no")
    opened.close()
    allow(opened.path, folders=0o555, files=0o444)
    yield opened.path
    allow(opened.path, folders=0o755, files=0o644)


def allow(home: Path, *, folders: int, files: int) -> None:
    home.chmod(0o755)
    for path in sorted(home.rglob("*")):
        path.chmod(0o755 if path.is_dir() else files)
    for path in (*home.rglob("*"), home):
        if path.is_dir():
            path.chmod(folders)


def state(home: Path) -> dict[str, tuple[float, int]]:
    return {str(p): (p.stat().st_mtime_ns, p.stat().st_size) for p in (home, *home.rglob("*"))}


def policyqa(home: Path, *args: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [*PREFIX, sys.executable, str(PROGRAM), *args, "--home", str(home)],
        capture_output=True, text=True, env={**os.environ, "TMPDIR": str(home.parent)},
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("command", ["ask", "search"])
def test_questions_are_answered_and_nothing_is_written(home: Path, command: str) -> None:
    before = state(home)
    status, printed, said = policyqa(home, command, QUESTION, "--json")
    assert (status, said) == (0, "")
    assert "Acme keeps data for 90 days." in json.dumps(json.loads(printed))
    assert state(home) == before
    assert list(home.parent.glob("policyqa-*")) == []


def test_a_whole_index_is_found_whole(home: Path) -> None:
    assert policyqa(home, "doctor")[0] == 0


@pytest.mark.parametrize(
    "args", [("index", "."), ("index", "--rebuild"), ("remove", "acme"), ("doctor", "--repair")]
)
def test_what_would_change_it_is_refused_in_one_line(home: Path, args: tuple[str, ...]) -> None:
    before = state(home)
    status, printed, said = policyqa(home, *args)
    error, hint = said.splitlines()
    assert (status, printed) == (1, "")
    assert error == f"error: the home {str(home)!r} cannot be written to: permission denied"
    assert "POLICYQA_HOME" in hint
    assert state(home) == before


def test_an_unfinished_change_is_finished_in_the_copy_alone(home: Path) -> None:
    home.chmod(0o755)
    allow(home, folders=0o755, files=0o644)
    opened = Home(Settings(home=home))
    opened.catalog.set_meta("writing", "yes")
    opened.close()
    allow(home, folders=0o555, files=0o444)
    assert policyqa(home, "ask", QUESTION)[0] == 0
    assert policyqa(home, "ask", QUESTION)[0] == 0


def test_one_folder_that_may_only_be_read_is_enough(home: Path) -> None:
    allow(home, folders=0o755, files=0o644)
    (store,) = (home / FOLDER).iterdir()
    store.chmod(0o555)
    assert policyqa(home, "ask", QUESTION)[0] == 0
    status, _, said = policyqa(home, "doctor", "--repair")
    assert (status, "permission denied" in said) == (1, True)


def test_a_log_that_may_only_be_read_is_no_damage(home: Path) -> None:
    allow(home, folders=0o755, files=0o644)
    opened = Home(Settings(home=home))
    opened.catalog.set_meta("one", "more")  # the log is there as long as it is open
    for suffix in ("-wal", "-shm"):
        (home / f"catalog.sqlite3{suffix}").chmod(0o444)
    assert policyqa(home, "doctor")[0] == 0
    assert policyqa(home, "ask", QUESTION)[0] == 0
    opened.close()


@pytest.mark.parametrize("what", ["catalog.sqlite3", FOLDER])
def test_what_may_not_even_be_read_is_named(home: Path, what: str) -> None:
    (home / what).chmod(0)
    status, _, said = policyqa(home, "ask", QUESTION)
    error, hint = said.splitlines()
    assert status == 1
    assert "Permission denied" in error
    assert what in error
    assert "correct its permissions" in hint


def test_no_room_for_the_copy_is_an_error_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: Path, target: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))

    (tmp_path / "temporary").mkdir()
    (tmp_path / "one").write_text("words")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    monkeypatch.setattr("shutil.copyfile", full)
    with pytest.raises(HomeError, match="No space left on device") as caught:
        copied(tmp_path, "one")
    assert "TMPDIR" in caught.value.hint
    assert list((tmp_path / "temporary").iterdir()) == []


def test_a_copy_is_of_one_instant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "one").write_text("old")
    (tmp_path / "two").write_text("old")
    copy, times = Path.stat, []

    def restless(path: Path, **options: bool) -> os.stat_result:
        """Look at a file while another process writes, three times."""
        if path.name == "two" and len(times) < 3:
            times.append(path)
            for name in ("one", "two"):
                (tmp_path / name).write_text("new" * len(times))
        return copy(path, **options)

    monkeypatch.setattr(Path, "stat", restless)
    with copied(tmp_path, "one", "two", "none") as found:
        texts = {file.name: file.read_text() for file in Path(found).iterdir()}
    assert texts == {"one": "new" * 3, "two": "new" * 3}


def test_a_home_that_is_never_at_rest_is_no_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "one").write_text("old")
    times = iter(range(1000))
    monkeypatch.setattr("index.readonly._PAUSE", 0)
    monkeypatch.setattr("index.readonly._files", lambda *_: {Path("one"): (next(times), 0)})
    with pytest.raises(HomeError, match="another process is writing"):
        copied(tmp_path, "one")


def test_a_store_that_may_only_be_read_is_answered_from_too(home: Path) -> None:
    allow(home, folders=0o755, files=0o644)
    for file in (home / FOLDER).glob("*/*"):
        if file.is_file():
            file.chmod(0o444)
    status, printed, said = policyqa(home, "ask", QUESTION)
    assert (status, said) == (0, "")
    assert "90 days" in printed
