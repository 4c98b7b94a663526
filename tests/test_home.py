"""The home: one writer at a time, and nothing but what its index was built with."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import OpenHome
from fakes import FakeEncoder
from filelock import FileLock

from index import home as home_module
from index import locks
from index.build import rebuild, sync
from index.catalog import FILE_NAME
from index.errors import HomeError, StoreError
from index.home import FOLDER, Home
from index.passages import RULES
from index.settings import Settings


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    file = tmp_path / "acme.txt"
    file.write_text("Acme Privacy Policy\n\nWe keep your data for 90 days.\n")
    return file


@contextmanager
def held_elsewhere(lock: Path) -> Iterator[None]:
    """Hold a lock the way another writer does."""
    taken, release = threading.Event(), threading.Event()

    def hold() -> None:
        with FileLock(lock):
            taken.set()
            release.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    assert taken.wait(10)
    try:
        yield
    finally:
        release.set()
        thread.join()


def test_a_home_that_is_not_there_is_made(tmp_path: Path) -> None:
    home = Home(Settings(home=tmp_path / "a" / "b"))
    assert (tmp_path / "a" / "b" / FILE_NAME).is_file()
    home.close()


def test_a_home_below_a_file_cannot_be_made(policy: Path) -> None:
    for path in (policy, policy / "below"):
        with pytest.raises(HomeError, match="cannot be created") as caught:
            Home(Settings(home=path))
        assert "POLICYQA_HOME" in caught.value.hint


def test_opening_loads_neither_encoder_nor_vectors(tmp_path: Path) -> None:
    home = Home(Settings(home=tmp_path / "home", encoder="/nowhere"))
    assert home.catalog.policy_ids() == ()
    assert not (tmp_path / "home" / FOLDER).exists()
    home.close()


def test_the_encoder_is_the_configured_one(tmp_path: Path) -> None:
    home = Home(Settings(home=tmp_path / "home"))
    assert home.encoder.name.startswith("policy-MiniLM-L6@")
    assert home.encoder is home.encoder
    home.close()


def test_what_it_builds_with_names_the_encoder_and_the_rules(open_home: OpenHome) -> None:
    assert open_home(FakeEncoder("mine")).built_with == f"encoder mine, passage rules {RULES}"


def test_an_empty_home_fits_any_encoder(open_home: OpenHome) -> None:
    open_home(FakeEncoder("one")).check()
    open_home(FakeEncoder("other")).check()


def test_another_encoder_is_refused_by_both_names(open_home: OpenHome, policy: Path) -> None:
    sync(open_home(FakeEncoder("one")), [policy])
    home = open_home(FakeEncoder("other", dimension=16))
    for refused in (home.check, lambda: home.vectors, lambda: sync(home, [policy])):
        with pytest.raises(StoreError) as caught:
            refused()
        assert "encoder one" in caught.value.message
        assert "encoder other" in caught.value.message
        assert "--rebuild" in caught.value.hint


def test_other_passage_rules_are_refused(
    open_home: OpenHome, policy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync(open_home(), [policy])
    monkeypatch.setattr(home_module, "RULES", RULES + 1)
    with pytest.raises(StoreError, match=f"rules {RULES + 1}"):
        open_home().check()


def test_the_same_encoder_is_accepted_again(open_home: OpenHome, policy: Path) -> None:
    sync(open_home(), [policy])
    home = open_home()
    home.check()
    assert home.vectors.count() == len(home.catalog.passage_ids()) > 0


def test_after_a_rebuild_the_new_encoder_is_the_recorded_one(
    open_home: OpenHome, policy: Path
) -> None:
    sync(open_home(FakeEncoder("one")), [policy])
    rebuild(open_home(FakeEncoder("other", dimension=16)))
    open_home(FakeEncoder("other", dimension=16)).check()
    with pytest.raises(StoreError):
        open_home(FakeEncoder("one")).check()


def test_a_second_writer_is_told_who_the_first_is(
    tmp_path: Path, policy: Path, open_home: OpenHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "_WRITER_SECONDS", 0.1)
    home = open_home()
    lock = tmp_path / "home" / locks.WRITER
    with home.writing():
        holder = lock.with_name(f"{locks.WRITER}.holder").read_text()
    assert holder.startswith("process ")
    assert lock.with_name(f"{locks.WRITER}.holder").read_text() == ""
    lock.with_name(f"{locks.WRITER}.holder").write_text(holder)
    with held_elsewhere(lock), pytest.raises(HomeError, match=holder) as caught:
        sync(home, [policy])
    assert "wait" in caught.value.hint
    assert home.catalog.policy_ids() == ()
    assert sync(home, [policy]).added == ("acme",)


def test_an_unknown_holder_is_called_so(
    tmp_path: Path, open_home: OpenHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "_WRITER_SECONDS", 0.1)
    home = open_home()
    with (
        held_elsewhere(tmp_path / "home" / locks.WRITER),
        pytest.raises(HomeError, match="unknown process"),
        home.writing(),
    ):
        pass


def test_a_writer_may_lock_again_what_it_holds(open_home: OpenHome) -> None:
    home = open_home()
    with home.writing(), home.writing():
        assert home.locks.is_writing
    assert not home.locks.is_writing


def test_the_lock_is_let_go_after_an_error(open_home: OpenHome) -> None:
    home = open_home()
    with pytest.raises(RuntimeError), home.writing():
        raise RuntimeError
    assert not home.locks.is_writing


def test_a_folder_that_may_not_be_written_to_is_the_homes_fault(open_home: OpenHome) -> None:
    home = open_home()
    with pytest.raises(HomeError, match="cannot be written to"), home.writing():
        raise PermissionError(13, "Permission denied")


def test_a_command_or_holder_that_is_no_text_stops_nothing(
    tmp_path: Path, open_home: OpenHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "_WRITER_SECONDS", 0.1)
    monkeypatch.setattr("sys.argv", ["policyqa", "odd/\udcff\udcfe.txt"])
    home = open_home()
    with home.writing():
        assert "odd/" in (home.path / f"{locks.WRITER}.holder").read_text()
    (home.path / f"{locks.WRITER}.holder").write_bytes(b"process \xff\xfe")
    with (
        held_elsewhere(tmp_path / "home" / locks.WRITER),
        pytest.raises(HomeError, match="process "),
        home.writing(),
    ):
        pass


def test_a_garbled_lock_is_one_error_that_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / locks.VECTORS).write_bytes(b"\x9dgarbage" * 500)
    with pytest.raises(HomeError, match=locks.VECTORS) as caught:
        with_lock(tmp_path)
    assert "delete it" in caught.value.hint


def with_lock(folder: Path) -> None:
    """Take the lock of the vectors in a folder."""
    with locks.Locks(folder).exclusive():
        pass


def test_a_catalog_that_is_gone_is_not_made_anew(open_home: OpenHome) -> None:
    home = open_home()
    home.close()
    for lose in (lambda file: file.write_bytes(b""), Path.unlink):
        lose(home.path / FILE_NAME)
        with pytest.raises(StoreError, match="is lost"):
            open_home()
