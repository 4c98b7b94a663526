"""Chroma: the passages' vectors. The only module that imports chromadb.

Each entry holds its passage's text and place too, so that any Chroma client can read the
collection. What is stored here is never the truth: the catalog is, and whatever Chroma returns
that the catalog does not know is ignored. Chroma's errors become StoreError here and nowhere else.
"""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from index.catalog import IndexedPassage
from index.encode import Vectors
from index.errors import ServerError, StoreError
from index.readonly import is_full
from index.types import Passage

DATABASE = "chroma.sqlite3"
# What is stored twice, as float16 and as float32, may differ by this much in cosine.
VECTOR_TOLERANCE = 0.01
REPAIR = "repair it from the catalog: policyqa doctor --repair"
_MAKE_ROOM = "make room on its disk, which is full, then try again"
_SERVER_SECONDS = 60.0
_PERTURB = -6  # M_PERTURB of malloc.h
_SERVER_HINT = "start it (chroma run), or leave POLICYQA_CHROMA_URL unset, and try again"


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage near a question, best first in a list of them; ``similarity`` is the cosine."""

    id: str
    policy: str
    similarity: float


class VectorStore:
    """One index's collection, in a folder or on a server."""

    def __init__(
        self,
        client: Any,
        name: str,
        *,
        new: bool,
        place: str,
        hint: Callable[[], str],
        sessions: tuple[Any, ...] = (),
    ) -> None:
        """Open the collection. Errors say its ``place``, and the ``hint`` of that moment.

        ``sessions`` are the connections to a server, if it is on one.
        """
        self._client, self._sessions = client, sessions
        self._place, self._hint = place, hint
        self._error = ServerError if sessions else StoreError
        try:
            with self._translated():
                self._collection = _make(client, name) if new else _get(client, name)
                self._batch = client.get_max_batch_size()
        except BaseException:
            self.close()
            raise

    @classmethod
    def embedded(cls, folder: Path, name: str, *, new: bool = False) -> VectorStore:
        """Open the store in a folder, or make it there. Opening writes to its files."""
        if not new:
            _inspect(folder)
        chromadb, settings = _chroma()
        place = f"the folder of vectors {str(folder)!r}"

        def hint() -> str:
            return _MAKE_ROOM if is_full(folder) else REPAIR

        with _translated(place, hint):
            client = chromadb.PersistentClient(str(folder), settings=settings)
            # Chroma would share what is open with the next opening of the folder in this process,
            # even if its files are deleted meanwhile.
            chromadb.api.client.SharedSystemClient.clear_system_cache()
        return cls(client, name, new=new, place=place, hint=hint)

    @classmethod
    def served(cls, url: str, name: str, *, new: bool = False) -> VectorStore:
        """Open or make the collection on a Chroma server, such as ``http://localhost:8000``."""
        try:
            parts = urlsplit(url)
            given = parts.port
        except ValueError:
            parts, given = urlsplit(""), None
        is_known = parts.scheme in {"http", "https"} and parts.path in {"", "/"}
        if not is_known or not parts.hostname:
            raise StoreError(
                f"{url!r} is no Chroma server's address",
                hint="set POLICYQA_CHROMA_URL to something like http://localhost:8000",
            )
        chromadb, settings = _chroma()
        secure = parts.scheme == "https"
        port = given or (443 if secure else 80)
        place = f"the Chroma server {url!r}"

        def hint() -> str:
            return _SERVER_HINT

        with _translated(place, hint, ServerError):
            client = chromadb.HttpClient(parts.hostname, port, ssl=secure, settings=settings)
            # Chroma waits for ever and leaves its connections open; it has no setting for either.
            sessions = (client._server._session, client._admin_client._server._session)
            for session in sessions:
                session.timeout = _SERVER_SECONDS
        return cls(client, name, new=new, place=place, hint=hint, sessions=sessions)

    def close(self) -> None:
        """Let go of files and connections."""
        self._client._server.stop()  # close() looks for it among the shared ones
        for session in self._sessions:
            session.close()

    def drop_others(self) -> None:
        """Delete the collections whose names differ from this one's in their last part alone."""
        own = self._collection.name
        family = own.rpartition("-")[0]
        with self._translated():
            for collection in self._client.list_collections():
                if collection.name != own and collection.name.rpartition("-")[0] == family:
                    self._client.delete_collection(collection.name)

    def count(self) -> int:
        """Return how many vectors there are."""
        with self._translated():
            return int(self._collection.count())

    def ids(self) -> set[str]:
        """Return the ids of all vectors."""
        with self._translated():
            return set(self._collection.get(include=[])["ids"])

    def put(self, policy: str, passages: Sequence[IndexedPassage]) -> None:
        """Add or replace the vectors, words and places of a policy's passages."""
        for first in range(0, len(passages), self._batch):
            part = passages[first : first + self._batch]
            with self._translated():
                self._collection.upsert(
                    ids=[indexed.passage.id for indexed in part],
                    embeddings=np.array([indexed.vector for indexed in part]),
                    documents=[indexed.passage.text for indexed in part],
                    metadatas=[_place(policy, indexed.passage) for indexed in part],
                )

    def delete(self, ids: Sequence[str]) -> None:
        """Delete vectors; ids that are not there do not matter."""
        for first in range(0, len(ids), self._batch):
            with self._translated():
                self._collection.delete(ids=list(ids[first : first + self._batch]))

    def get(self, ids: Sequence[str]) -> dict[str, Vectors]:
        """Return the stored vectors of the ids that are there."""
        if not ids:  # Chroma takes none for all
            return {}
        with self._translated():
            found = self._collection.get(ids=list(ids), include=["embeddings"])
            return {
                id_: np.asarray(vector, dtype=np.float32)
                for id_, vector in zip(found["ids"], found["embeddings"], strict=True)
            }

    def search(self, vector: Vectors, policy: str | None, limit: int) -> list[Hit]:
        """Return the nearest passages, of one policy or of all, best first."""
        with self._translated():
            found = self._collection.query(
                query_embeddings=vector[np.newaxis, :],
                n_results=limit,
                where={"policy": policy} if policy is not None else None,
                include=["metadatas", "distances"],
            )
            rows = zip(found["ids"][0], found["metadatas"][0], found["distances"][0], strict=True)
            return [Hit(id_, str(place["policy"]), 1 - float(far)) for id_, place, far in rows]

    def _translated(self) -> AbstractContextManager[None]:
        return _translated(self._place, self._hint, self._error)


def fingerprint(folder: Path) -> str:
    """Return what tells one state of a store's index files from another; empty without any.

    Chroma keeps them from some 1,000 vectors on, and trusts them: damaged, they end the process.
    Before that, there is no metadata file beside them and they are made anew at each opening.
    """
    total = sha256()
    kept = [metadata.parent for metadata in folder.glob("*/index_metadata.pickle")]
    files = sorted(file for segment in kept for file in segment.iterdir())
    for file in files:
        with file.open("rb") as stream:
            total.update(f"{file.name} {file_digest(stream, sha256).hexdigest()} ".encode())
    return total.hexdigest() if files else ""


def _make(client: Any, name: str) -> Any:
    # No embedding function: vectors always come from our encoder.
    return client.create_collection(
        name, embedding_function=None, configuration={"hnsw": {"space": "cosine"}}
    )


def _get(client: Any, name: str) -> Any:
    return client.get_collection(name, embedding_function=None)


def _chroma() -> tuple[Any, Any]:
    """Import chromadb, and return it with settings that send nothing anywhere."""
    import chromadb
    from chromadb.config import Settings

    _initialise_memory()
    return chromadb, Settings(anonymized_telemetry=False)


def _initialise_memory() -> None:
    """Let what is allocated from now on be zeros, where the C library can (glibc's ``mallopt``).

    Chroma writes memory that it never filled to its index files, and with it whatever this process
    held there before: the words of a removed policy, or anything else.
    """
    import ctypes

    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        libc.mallopt(_PERTURB, 0xFF)  # allocated memory gets the complement, 0


@contextmanager
def _translated(
    place: str, hint: Callable[[], str], kind: type[StoreError] = StoreError
) -> Iterator[None]:
    """Turn whatever Chroma raises into an error of a kind that says where and what to do."""
    try:
        yield
    except StoreError:
        raise
    except (KeyboardInterrupt, SystemExit, GeneratorExit, MemoryError):
        raise
    except BaseException as error:  # the Rust part's panics are no Exceptions
        from chromadb.errors import NotFoundError

        is_lost = isinstance(error, NotFoundError)
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raised = (StoreError if is_lost else kind)(
            f"{place} cannot be used: {reason}", hint=REPAIR if is_lost else hint()
        )
        raise raised from error


def _inspect(folder: Path) -> None:
    """Look at a store's database before Chroma does.

    Raises StoreError if it is missing or damaged, or if a collection names an embedding function:
    Chroma would instantiate it, whatever it is.
    """
    file = folder / DATABASE
    if not file.exists():
        raise StoreError(f"the vectors in {str(folder)!r} are missing", hint=REPAIR)
    # A killed process may leave a journal, which is rolled back when the file is read: that writes.
    mode = "rw" if os.access(file, os.W_OK) else "ro"
    try:
        with closing(
            sqlite3.connect(f"{file.absolute().as_uri()}?mode={mode}", uri=True)
        ) as connection:
            rows = connection.execute("SELECT name, config_json_str, schema_str FROM collections")
            configured = [(str(name), f"{config}{schema}") for name, config, schema in rows]
    except (sqlite3.DatabaseError, UnicodeError) as error:
        raise StoreError(
            f"the vectors in {str(folder)!r} are damaged: {error}", hint=REPAIR
        ) from error
    for name, configuration in configured:
        if '"type":"known"' in configuration.replace(" ", ""):
            raise StoreError(
                f"the collection {name!r} in {str(folder)!r} carries an embedding function, "
                "which was not written by policyqa",
                hint=REPAIR,
            )


def _place(policy: str, passage: Passage) -> dict[str, str | int]:
    return {
        "policy": policy,
        "section": passage.section,
        "start": passage.start,
        "end": passage.end,
    }
