"""The folder that holds an index: its catalog, its vectors, its locks, and what it was built with."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from uuid import uuid4

from index import locks
from index.catalog import FILE_NAME, Catalog, IndexedPassage
from index.encode import Encoder, load_encoder
from index.errors import HomeError, StoreError
from index.locks import Locks, not_writable
from index.passages import RULES
from index.readonly import copied, hindrance
from index.settings import Settings
from index.types import Policy
from index.vectors import REPAIR, VectorStore, fingerprint

FOLDER = "chroma"
DERIVED = "derived"
_COLLECTION = "passages"
_BUILT_WITH, _STORE, _IDENTITY = "built_with", "store", "identity"
_PROBED, _DELETED = "probed", "deleted"
_TRIES, _PAUSE = 50, 0.1
# Policies whose passages stay in memory: some more than are searched in depth at once.
_KEPT = 64


class Home:
    """An open home. The encoder and Chroma are loaded when they are first needed.

    The vectors are in a *store*, a folder of Chroma's or a collection on its server, which the
    catalog names. One that is made again gets a new name, and until that is committed the old one
    is good. A home that can only be read is opened as a copy, in ``files``.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.path = _usable(settings.home)
        _refuse_without_catalog(self.path)
        read = (FILE_NAME, f"{FILE_NAME}-wal", FOLDER)
        written = (*read, f"{FILE_NAME}-shm", locks.WRITER, locks.VECTORS)
        self._hindrance = hindrance(self.path, *written)
        self._copy = copied(self.path, *read) if self._hindrance else None
        self.files = Path(self._copy.name) if self._copy else self.path
        self.catalog = Catalog.open(self.files)
        self.locks = Locks(self.files)
        self._vectors: VectorStore | None = None
        self._generation = -1
        self._passages: dict[tuple[str, int], Mapping[str, IndexedPassage]] = {}

    def close(self) -> None:
        """Close the catalog and the vectors."""
        self.close_vectors()
        self.catalog.close()
        if self._copy:
            self._copy.cleanup()

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

    def record(self) -> None:
        """Record what the index is built with from now on."""
        if self.recorded != self.built_with:
            self.catalog.set_meta(_BUILT_WITH, self.built_with)

    def check(self) -> None:
        """Raise StoreError if the index was built with something else than is configured."""
        recorded = self.recorded
        if recorded and recorded != self.built_with:
            raise StoreError(
                f"the index in {str(self.path)!r} was built with {recorded!r}, "
                f"but {self.built_with!r} is configured",
                hint="set POLICYQA_ENCODER back, or build the index again: policyqa index --rebuild",
            )

    def passages(self, policy: Policy) -> Mapping[str, IndexedPassage]:
        """Return a policy's passages by id, as of the last commit; the last used ones are kept."""
        key = policy.id, self.catalog.generation
        known = self._passages.pop(key, None)
        if known is None:
            known = {stored.passage.id: stored for stored in self.catalog.passages(policy)}
        self._passages[key] = known
        while len(self._passages) > _KEPT:
            del self._passages[next(iter(self._passages))]
        return known

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Be the home's one writer. Raises HomeError if another process is, or none may be."""
        if self._hindrance:
            raise not_writable(self.path, self._hindrance)
        is_nested = self.locks.is_writing
        with self.locks.writing():
            if not is_nested and self.catalog.generation != self._generation:
                self.close_vectors()
            yield
            if not is_nested:
                self._generation = self.catalog.generation

    @contextmanager
    def reading(self) -> Iterator[None]:
        """See one state of the index: no other process commits meanwhile.

        What another process wrote is invisible to an open Chroma, which is then opened again. That
        and the first search write to its files, so that they are done alone.
        """
        _ = self.encoder  # takes long to load, and needs no lock
        with self.locks.reading():
            is_current = self._is_current()
            if is_current:
                with self.catalog.snapshot():
                    yield
        if not is_current:
            with self.committing(), self.catalog.snapshot():
                yield

    @contextmanager
    def committing(self) -> Iterator[VectorStore]:
        """Have the vectors alone, and all that is read together with them."""
        with self.locks.exclusive():
            yield self.vectors

    @property
    def vectors(self) -> VectorStore:
        """The vectors, as of the last commit. Raises StoreError if they are missing or damaged."""
        return self._vectors if self._vectors and self._is_current() else self._reopened()

    def _reopened(self) -> VectorStore:
        self.close_vectors()
        self.check()
        with self.locks.exclusive():
            if self.store is None and not self.catalog.passage_ids():
                return self.replace_vectors(lambda _: None)
            self._refuse_damage()
            return self._use(self.open_store())

    def close_vectors(self) -> None:
        """Let go of Chroma; it is opened again when it is next needed."""
        if self._vectors:
            self._vectors.close()
        self._vectors = None

    def _use(self, vectors: VectorStore) -> VectorStore:
        self._vectors, self._generation = vectors, self.catalog.generation
        return vectors

    def _is_current(self) -> bool:
        return self._vectors is not None and (
            self.locks.is_writing or self.catalog.generation == self._generation
        )

    @property
    def store(self) -> str | None:
        """The name of the store of vectors, or None if there is none yet."""
        return self.catalog.meta(_STORE)

    def open_store(self) -> VectorStore:
        """Open the store of vectors whatever its state: who calls this has it alone."""
        name = self.store
        if name is None:
            raise StoreError(f"the vectors in {str(self.path)!r} are missing", hint=REPAIR)
        return self._open(name)

    def _open(self, name: str, *, new: bool = False) -> VectorStore:
        url = self.settings.chroma_url
        if url:
            return VectorStore.served(url, f"{_COLLECTION}-{self._identity()}-{name}", new=new)
        return VectorStore.embedded(self.files / FOLDER / name, _COLLECTION, new=new)

    def replace_vectors(
        self, fill: Callable[[VectorStore], None], commit: Callable[[], None] = lambda: None
    ) -> VectorStore:
        """Fill a new store and let it take the old one's place, in one commit with ``commit``.

        Then the old one is deleted, however damaged it is: nothing that it held is left in a file.
        If anything fails before, the new one is.
        """
        name = uuid4().hex[:8]
        if (folder := self.files / FOLDER).is_file():
            folder.unlink()  # no folder of Chroma's
        vectors = self._open(name, new=True)
        try:
            fill(vectors)
            with self.locks.exclusive(), self.catalog.transaction():
                commit()
                for key, value in ((_STORE, name), (_PROBED, ""), (_DELETED, "0")):
                    self.catalog.set_meta(key, value)
                self.catalog.advance()
        except BaseException:
            vectors.close()
            self.sweep()
            raise
        self.close_vectors()
        self._use(vectors)
        self.sweep()
        return vectors

    def sweep(self) -> None:
        """Delete all stores but the one that the catalog names."""
        if self.settings.chroma_url and self._vectors:
            self._vectors.drop_others()
        used = None if self.settings.chroma_url else self.store
        folder = self.files / FOLDER
        for left in folder.iterdir() if folder.exists() else ():
            if left.name != used:
                _delete(left)

    def derived(self, policy: str) -> Path:
        """Return the folder of what others keep that is made from a policy's text."""
        return self.files / DERIVED / policy

    def forget(self, policy: str) -> None:
        """Delete what is kept that was made from a policy's text."""
        if self.derived(policy).exists():
            _delete(self.derived(policy))

    def sweep_derived(self) -> None:
        """Delete what was made from policies that are there no more."""
        known = set(self.catalog.policy_ids())
        folder = self.files / DERIVED
        for left in folder.iterdir() if folder.exists() else ():
            if left.name not in known:
                _delete(left)

    @property
    def deleted(self) -> int:
        """How many vectors were deleted from the store since it was made."""
        return self.catalog.number(_DELETED)

    def count_deleted(self, count: int) -> None:
        """Note that vectors were deleted from the store."""
        if count:
            self.catalog.set_meta(_DELETED, str(self.deleted + count))

    def trust_files(self) -> None:
        """Note that the vectors' files, as they are now, are what was written."""
        found = self._fingerprint()
        if found != (self.catalog.meta(_PROBED) or ""):
            self.catalog.set_meta(_PROBED, found)

    def _refuse_damage(self) -> None:
        """Look at the vectors in another process where their files are not as they are known.

        Raises StoreError if they are damaged, which may kill a process that opens them.
        """
        from index.probe import probe

        if self._fingerprint() == (self.catalog.meta(_PROBED) or ""):
            return
        if damage := probe(self, unclean=True):
            self.catalog.refuse_damage()
            raise StoreError(
                f"the vectors in {str(self.path)!r} are damaged: {damage[0]}", hint=REPAIR
            )
        self.trust_files()

    def _fingerprint(self) -> str:
        is_served = self.settings.chroma_url or not self.store
        return "" if is_served else fingerprint(self.files / FOLDER / str(self.store))

    def _identity(self) -> str:
        """Return what tells this home's collections from another's on one server."""
        known = self.catalog.meta(_IDENTITY)
        if known is None:
            known = uuid4().hex[:12]
            self.catalog.set_meta(_IDENTITY, known)
        return known


def _delete(path: Path) -> None:
    """Delete a file or folder for good. Raises HomeError if it cannot be.

    A thread of Chroma's may still write to a store that has been closed.
    """
    for _ in range(_TRIES):
        try:
            path.unlink() if path.is_file() else shutil.rmtree(path)
        except FileNotFoundError:
            return
        except OSError as error:
            failed = error
            time.sleep(_PAUSE)
    raise HomeError(
        f"what was deleted is left in {str(path)!r}: {failed.strerror}",
        hint="correct its permissions, then try again",
    ) from failed


def _refuse_without_catalog(home: Path) -> None:
    """Raise StoreError if there was a catalog and is none: an empty one would hide the loss."""
    file = home / FILE_NAME
    is_lost = not file.exists() or file.stat().st_size == 0
    # The lock of the vectors is made after the catalog, and never deleted.
    if is_lost and (any((home / FOLDER).glob("*")) or (home / locks.VECTORS).exists()):
        raise StoreError(
            f"the catalog {str(file)!r} is lost, only what is beside it is there",
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
    if (reason := hindrance(home)) and not (home / FILE_NAME).exists():
        raise not_writable(home, reason)
    return home
