"""The folder that holds an index: its catalog, its vectors, its lock, and what it was built with."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cached_property
from pathlib import Path
from uuid import uuid4

from filelock import FileLock, Timeout

from index.catalog import FILE_NAME, Catalog
from index.encode import Encoder, load_encoder
from index.errors import HomeError, StoreError
from index.passages import RULES
from index.settings import Settings
from index.vectors import DATABASE, FOLDER, REPAIR, VectorStore, collection_name, fingerprint

LOCK_NAME, OPENING_NAME = "writer.lock", "vectors.lock"
_HOLDER_NAME = f"{LOCK_NAME}.holder"
_BUILT_WITH, _IDENTITY, _PROBED, _DELETED = "built_with", "identity", "probed", "deleted"
_WRITER_SECONDS, _OPENING_SECONDS = 10.0, 60.0


class Home:
    """An open home. The encoder and Chroma are loaded when they are first needed."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.path = _usable(settings.home)
        _refuse_without_catalog(self.path)
        self.catalog = Catalog.open(self.path)
        self._writer = FileLock(self.path / LOCK_NAME, timeout=_WRITER_SECONDS)
        self._opening = FileLock(self.path / OPENING_NAME, timeout=_OPENING_SECONDS)
        self._store: VectorStore | None = None
        self._generation = -1

    def close(self) -> None:
        """Close the catalog and the vectors."""
        self.close_vectors()
        self.catalog.close()

    def close_vectors(self) -> None:
        """Let go of Chroma; it is opened again when it is next needed."""
        if self._store:
            self._store.close()
        self._store = None

    @cached_property
    def encoder(self) -> Encoder:
        """The configured encoder."""
        return load_encoder(self.settings.encoder, allow_download=self.settings.allow_download)

    @property
    def built_with(self) -> str:
        """What this program would build an index with: two equal texts, two equal indexes."""
        return f"encoder {self.encoder.name}, passage rules {RULES}"

    @property
    def recorded(self) -> str | None:
        """What the index was built with, or None if there is none yet."""
        return self.catalog.meta(_BUILT_WITH)

    def check(self) -> None:
        """Raise StoreError if the index was built with something else than is configured."""
        recorded = self.recorded
        if recorded and recorded != self.built_with:
            raise StoreError(
                f"the index in {str(self.path)!r} was built with {recorded!r}, "
                f"but {self.built_with!r} is configured",
                hint="set POLICYQA_ENCODER back, or build the index again: policyqa index --rebuild",
            )

    @property
    def vectors(self) -> VectorStore:
        """The vectors, as of the last commit.

        What another process wrote is invisible to an open Chroma: when the catalog shows that one
        did, it is closed and opened again.
        """
        if self._store and not self.is_writing and self.catalog.generation != self._generation:
            self.close_vectors()
        if self._store is None:
            self.check()
            self._refuse_damage()
            self._store = self.open_vectors(self.built_with)
            self._generation = self.catalog.generation
        return self._store

    def _refuse_damage(self) -> None:
        """Look at the vectors in another process where their files are not as last looked at.

        Raises StoreError if they are damaged, which may kill a process that opens them.
        """
        from index.probe import probe

        folder, generation = self.path / FOLDER, self.catalog.generation
        if self.settings.chroma_url or fingerprint(folder) == (self.catalog.meta(_PROBED) or ""):
            return
        found = probe(self, unclean=True)
        if not found:
            self.catalog.set_meta(_PROBED, fingerprint(folder))
        elif self.catalog.generation == generation:  # else a writer was at work meanwhile
            self.catalog.refuse_damage()
            raise StoreError(f"the vectors in {str(folder)!r} are damaged: {found[0]}", hint=REPAIR)

    def open_vectors(self, built_with: str) -> VectorStore:
        """Open the store of vectors that were built in a way."""
        url = self.settings.chroma_url
        if url:
            return VectorStore.served(url, collection_name(built_with, self._identity()))
        with self._held(self._opening):
            return VectorStore.embedded(self.path / FOLDER, collection_name(built_with))

    @contextmanager
    def renewing(self) -> Iterator[VectorStore]:
        """Delete the store of vectors, however damaged it is, and hold an empty one to be filled.

        Nothing of what was deleted from it before is left in its files.
        """
        self.close_vectors()
        with self._held(self._opening):
            if self.settings.chroma_url:
                with closing(self.open_vectors(self.recorded or self.built_with)) as vectors:
                    vectors.drop()
            elif (folder := self.path / FOLDER).exists():
                shutil.rmtree(folder)
            self.catalog.set_meta(_PROBED, "")
            self.catalog.set_meta(_DELETED, "0")
            yield self.vectors

    @property
    def deleted(self) -> int:
        """How many vectors were deleted from the store since it was made."""
        return int(self.catalog.meta(_DELETED) or 0)

    def count_deleted(self, count: int) -> None:
        """Note that vectors were deleted from the store."""
        if count:
            self.catalog.set_meta(_DELETED, str(self.deleted + count))

    @contextmanager
    def committing(self) -> Iterator[VectorStore]:
        """Hold the vectors against processes that open them, while they are written."""
        vectors = self.vectors
        with self._held(self._opening):
            yield vectors

    def _identity(self) -> str:
        """Return what tells this home's collection from another's on one server."""
        known = self.catalog.meta(_IDENTITY)
        if known is None:
            known = uuid4().hex[:12]
            self.catalog.set_meta(_IDENTITY, known)
        return known

    def facts(self) -> dict[str, str]:
        """Return what the catalog has to record for ``check``."""
        return {_BUILT_WITH: self.built_with}

    def record(self) -> None:
        """Record what the index is built with, once."""
        if self.recorded is None:
            for key, value in self.facts().items():
                self.catalog.set_meta(key, value)

    @property
    def is_writing(self) -> bool:
        """Whether this process holds the home as its writer."""
        return self._writer.is_locked

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the home against other writers. Raises HomeError that names who holds it."""
        with self._held(self._writer):
            if self._writer.lock_counter == 1:
                if self.catalog.generation != self._generation:
                    self.close_vectors()
                (self.path / _HOLDER_NAME).write_text(f"process {os.getpid()}: {_command()}")
            yield
            self._generation = self.catalog.generation

    @contextmanager
    def locked_if_free(self) -> Iterator[bool]:
        """Hold the home if no other process does; yields whether it is held."""
        try:
            self._writer.acquire(timeout=0)
        except Timeout:
            yield False
            return
        try:
            with self.locked():
                yield True
        finally:
            self._writer.release()

    @contextmanager
    def _held(self, lock: FileLock) -> Iterator[None]:
        try:
            lock.acquire()
        except Timeout as error:
            raise HomeError(
                f"another process is writing to {str(self.path)!r}: "
                f"{_read(self.path / _HOLDER_NAME)}",
                hint="wait until it has finished, then try again",
            ) from error
        except OSError as error:
            raise _not_writable(self.path, error) from error
        try:
            yield
        except PermissionError as error:
            raise _not_writable(self.path, error) from error
        finally:
            lock.release()


def _command() -> str:
    return " ".join([Path(sys.argv[0]).name, *sys.argv[1:3]])[:80]


def _read(holder: Path) -> str:
    try:
        return holder.read_text()
    except OSError:
        return "unknown process"


def _refuse_without_catalog(home: Path) -> None:
    """Raise StoreError if there are vectors and no catalog: an empty one would hide the loss."""
    file = home / FILE_NAME
    vectors = home / FOLDER / DATABASE
    if vectors.exists() and (not file.exists() or file.stat().st_size == 0):
        raise StoreError(
            f"the catalog {str(file)!r} is lost, only its vectors are there",
            hint=f"restore it from a copy, or move the folder {str(home)!r} away and index your "
            "policies again: policyqa index PATH",
        )


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
