"""The folder that holds an index: its catalog, its vectors, its lock, and what it was built with."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from filelock import FileLock, Timeout

from index.catalog import FILE_NAME, Catalog
from index.encode import Encoder, load_encoder
from index.errors import HomeError, StoreError
from index.passages import RULES
from index.settings import Settings
from index.vectors import FOLDER, VectorStore

LOCK_NAME = "writer.lock"
_BUILT_WITH = "built_with"
_LOCK_SECONDS = 10.0


class Home:
    """An open home. The encoder and Chroma are loaded when they are first needed."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.path = _usable(settings.home)
        self.catalog = Catalog.open(self.path)
        self._lock = FileLock(self.path / LOCK_NAME, timeout=_LOCK_SECONDS)

    def close(self) -> None:
        """Close the catalog."""
        self.catalog.close()

    @cached_property
    def encoder(self) -> Encoder:
        """The configured encoder."""
        return load_encoder(self.settings.encoder, allow_download=self.settings.allow_download)

    @property
    def built_with(self) -> str:
        """What this program would build an index with: two equal texts, two equal indexes."""
        return f"encoder {self.encoder.name}, passage rules {RULES}"

    def check(self) -> None:
        """Raise StoreError if the index was built with something else than is configured."""
        recorded = self.catalog.meta(_BUILT_WITH)
        if recorded and recorded != self.built_with:
            raise StoreError(
                f"the index in {str(self.path)!r} was built with {recorded!r}, "
                f"but {self.built_with!r} is configured",
                hint="set POLICYQA_ENCODER back, or build the index again: policyqa index --rebuild",
            )

    @cached_property
    def vectors(self) -> VectorStore:
        """The vectors of the index as it is configured."""
        self.check()
        return self._open_vectors()

    def _open_vectors(self) -> VectorStore:
        with self.locked():
            return VectorStore(self.path / FOLDER, self.built_with)

    def facts(self) -> dict[str, str]:
        """Return what the catalog has to record for ``check``."""
        return {_BUILT_WITH: self.built_with}

    def record(self) -> None:
        """Record what the index is built with, once."""
        if self.catalog.meta(_BUILT_WITH) is None:
            for key, value in self.facts().items():
                self.catalog.set_meta(key, value)

    def vectors_for_rebuild(self) -> VectorStore:
        """Return the store that a rebuild fills, whatever the index was built with before."""
        return self._open_vectors()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the home against other writers. Raises HomeError that names who holds it."""
        holder = self.path / f"{LOCK_NAME}.holder"
        try:
            self._lock.acquire()
        except Timeout as error:
            raise HomeError(
                f"another process is writing to {str(self.path)!r}: {_read(holder)}",
                hint="wait until it has finished, then try again",
            ) from error
        except OSError as error:
            raise _not_writable(self.path, error) from error
        try:
            if self._lock.lock_counter == 1:
                holder.write_text(f"process {os.getpid()}")
            yield
        except PermissionError as error:
            raise _not_writable(self.path, error) from error
        finally:
            self._lock.release()


def _read(holder: Path) -> str:
    try:
        return holder.read_text()
    except OSError:
        return "unknown process"


def _usable(home: Path) -> Path:
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HomeError(
            f"the home {str(home)!r} cannot be created: {error.strerror}",
            hint="set POLICYQA_HOME to a folder you may write to",
        ) from error
    if not os.access(home, os.W_OK | os.X_OK) and not (home / FILE_NAME).exists():
        raise _not_writable(home, None)
    return home


def _not_writable(home: Path, error: OSError | None) -> HomeError:
    reason = error.strerror if error else "permission denied"
    return HomeError(
        f"the home {str(home)!r} cannot be written to: {reason}",
        hint="set POLICYQA_HOME to a folder you may write to, or correct its permissions",
    )
