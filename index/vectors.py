"""Chroma: the passages' vectors. The only module that imports chromadb.

Each entry holds its passage's text and place too, so that any Chroma client can read the
collection. What is stored here is never the truth: the catalog is, and whatever Chroma returns
that the catalog does not know is ignored.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from index.catalog import IndexedPassage
from index.encode import Vectors
from index.errors import StoreError
from index.types import Passage

FOLDER = "chroma"


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage near a question, best first in a list of them."""

    id: str
    policy: str


class VectorStore:
    """The embedded store in a folder. Opening it writes to its files: hold the home's lock."""

    def __init__(self, folder: Path, built_with: str) -> None:
        os.environ.setdefault("ANONYMIZED_TELEMETRY", "False")
        import chromadb
        from chromadb.config import Settings
        from chromadb.errors import ChromaError

        try:
            self._client = chromadb.PersistentClient(
                str(folder), settings=Settings(anonymized_telemetry=False)
            )
            # No embedding function: vectors always come from our encoder.
            self._collection: Any = self._client.get_or_create_collection(
                collection_name(built_with),
                embedding_function=None,
                configuration={"hnsw": {"space": "cosine"}},
            )
        except (ChromaError, ValueError, OSError) as error:
            raise StoreError(
                f"the vectors in {str(folder)!r} cannot be opened: {error}",
                hint=f"move the folder {str(folder)!r} away and run: policyqa index",
            ) from error
        self._batch = self._client.get_max_batch_size()

    def drop_others(self) -> None:
        """Delete the collections of encoders the index was built with before."""
        for collection in self._client.list_collections():
            if collection.name != self._collection.name:
                self._client.delete_collection(collection.name)

    def count(self) -> int:
        """Return how many vectors there are."""
        return int(self._collection.count())

    def ids(self) -> set[str]:
        """Return the ids of all vectors."""
        return set(self._collection.get(include=[])["ids"])

    def put(self, policy: str, passages: Sequence[IndexedPassage]) -> None:
        """Add or replace the vectors, words and places of a policy's passages."""
        for first in range(0, len(passages), self._batch):
            part = passages[first : first + self._batch]
            self._collection.upsert(
                ids=[indexed.passage.id for indexed in part],
                embeddings=np.array([indexed.vector for indexed in part]),
                documents=[indexed.passage.text for indexed in part],
                metadatas=[_place(policy, indexed.passage) for indexed in part],
            )

    def delete(self, ids: Sequence[str]) -> None:
        """Delete vectors; ids that are not there do not matter."""
        for first in range(0, len(ids), self._batch):
            self._collection.delete(ids=list(ids[first : first + self._batch]))

    def get(self, ids: Sequence[str]) -> dict[str, Vectors]:
        """Return the stored vectors of the ids that are there."""
        if not ids:  # Chroma takes none for all
            return {}
        found = self._collection.get(ids=list(ids), include=["embeddings"])
        return {
            id_: np.asarray(vector, dtype=np.float32)
            for id_, vector in zip(found["ids"], found["embeddings"], strict=True)
        }

    def search(self, vector: Vectors, policy: str | None, limit: int) -> list[Hit]:
        """Return the nearest passages, of one policy or of all, best first."""
        found = self._collection.query(
            query_embeddings=vector[np.newaxis, :],
            n_results=limit,
            where={"policy": policy} if policy is not None else None,
            include=["metadatas"],
        )
        return [
            Hit(id_, str(place["policy"]))
            for id_, place in zip(found["ids"][0], found["metadatas"][0], strict=True)
        ]


def collection_name(built_with: str) -> str:
    """Return the name of the collection for vectors made in one way.

    >>> collection_name("all-MiniLM-L6-v2 rules 1")
    'passages-e7e791b6'
    """
    return f"passages-{sha256(built_with.encode()).hexdigest()[:8]}"


def _place(policy: str, passage: Passage) -> dict[str, str | int]:
    return {
        "policy": policy,
        "section": passage.section,
        "start": passage.start,
        "end": passage.end,
    }
