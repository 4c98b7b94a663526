"""Who may do what in a home at the same time: one writer, and readers of its vectors.

A killed process holds nothing: both locks are the operating system's.
"""

from __future__ import annotations

import os
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from filelock import FileLock, ReadWriteLock, Timeout

from index.errors import HomeError

WRITER, VECTORS = "writer.lock", "vectors.lock"
_HOLDER, _UNKNOWN = f"{WRITER}.holder", "unknown process"
_WRITER_SECONDS, _VECTORS_SECONDS, _TURN_SECONDS = 10.0, 60.0, 0.5


class Locks:
    """The locks of one open home."""

    def __init__(self, folder: Path) -> None:
        """Raises HomeError if there can be no locks in the folder."""
        self._folder = folder
        self._writer = FileLock(folder / WRITER, timeout=_WRITER_SECONDS)
        vectors = folder / VECTORS
        try:
            self._vectors = ReadWriteLock(vectors, is_singleton=False)
        except (OSError, sqlite3.OperationalError) as error:
            raise not_writable(folder, str(error)) from error
        except (sqlite3.DatabaseError, ValueError) as error:
            raise _damaged(vectors, error) from error

    @property
    def is_writing(self) -> bool:
        """Whether this process is the writer."""
        return self._writer.is_locked

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Be the one writer. Raises HomeError that names who is it."""
        with self._held(self._writer):
            is_first = self._writer.lock_counter == 1
            holder = self._folder / _HOLDER
            holder.write_text(f"process {os.getpid()}: {_command()}", "utf-8", "replace")
            try:
                yield
            finally:
                if is_first:
                    holder.write_text("")

    @contextmanager
    def writing_if_free(self) -> Iterator[bool]:
        """Be the one writer if no other process is; yields whether that is so."""
        try:
            self._writer.acquire(timeout=0)
        except Timeout:
            yield False
            return
        try:
            with self.writing():
                yield True
        finally:
            self._writer.release()

    def reading(self) -> AbstractContextManager[None]:
        """Read vectors, as others do, while none is written."""
        return self._held(_patient(self._vectors.acquire_read))

    def exclusive(self) -> AbstractContextManager[None]:
        """Have the vectors alone."""
        return self._held(_patient(self._vectors.acquire_write))

    @contextmanager
    def _held(self, lock: AbstractContextManager[object]) -> Iterator[None]:
        with ExitStack() as stack:
            try:
                stack.enter_context(lock)
            except Timeout as error:
                raise HomeError(
                    f"another process is using {str(self._folder)!r}: {self._holder()}",
                    hint="wait until it has finished, then try again",
                ) from error
            except OSError as error:
                raise not_writable(self._folder, error.strerror or str(error)) from error
            except (sqlite3.DatabaseError, ValueError) as error:
                raise _damaged(self._folder / VECTORS, error) from error
            try:
                yield
            except PermissionError as error:
                raise not_writable(self._folder, error.strerror or str(error)) from error

    def _holder(self) -> str:
        if self.is_writing:
            return "a process that reads it, perhaps one that was stopped"
        try:
            return (self._folder / _HOLDER).read_text("utf-8", "replace") or _UNKNOWN
        except OSError:
            return _UNKNOWN


@contextmanager
def _patient(acquire: Callable[[float], AbstractContextManager[object]]) -> Iterator[None]:
    """Wait in short turns, for a signal is heard only between them."""
    end = time.monotonic() + _VECTORS_SECONDS
    with ExitStack() as stack:
        while True:
            try:
                stack.enter_context(acquire(_TURN_SECONDS))
                break
            except Timeout:
                if time.monotonic() > end:
                    raise
        yield


def not_writable(home: Path, reason: str) -> HomeError:
    """Return the error of a home that cannot be written to."""
    return HomeError(
        f"the home {str(home)!r} cannot be written to: {reason}",
        hint="correct its permissions or make room on its disk, or set POLICYQA_HOME to another "
        "folder",
    )


def _damaged(lock: Path, error: Exception) -> HomeError:
    return HomeError(
        f"the lock {str(lock)!r} is damaged: {error}",
        hint="make sure that no other policyqa is at work, delete it, and try again",
    )


def _command() -> str:
    # Not what it is about: a file of the home must not name what is being removed.
    return " ".join([Path(sys.argv[0]).name, *sys.argv[1:2]])[:80]
