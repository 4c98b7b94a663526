"""Vectors and catalog in step again: after a killed writer, after damage, after much was deleted.

A writer notes in the catalog that it begins to write vectors, and that it has finished.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial

from index.errors import ServerError
from index.home import Home
from index.probe import probe
from index.vectors import VectorStore

_WRITING = "writing"


def begin(home: Home) -> None:
    """Note that vectors are about to be written."""
    if not home.catalog.meta(_WRITING):
        home.catalog.set_meta(_WRITING, "yes")


def finish(home: Home) -> None:
    """Note that vectors and catalog are in step again, and nothing deleted is left in a file.

    In this order: whoever is killed before the note is gone is cleaned up after.
    """
    if home.catalog.meta(_WRITING):
        home.sweep()
        home.catalog.scrub()
        home.trust_files()
        home.catalog.set_meta(_WRITING, "")


def recover(home: Home) -> None:
    """Clean up after a killed writer, unless another is at work or the vectors' server is down."""
    if home.catalog.meta(_WRITING):
        with home.locks.writing_if_free() as free, suppress(ServerError):
            if free:
                bring_in_step(home)
                finish(home)


def bring_in_step(home: Home) -> None:
    """Clean up after a killed writer, but for what ``finish`` does. Be the home's writer."""
    if not home.catalog.meta(_WRITING):
        return
    home.close_vectors()
    if probe(home, unclean=True):  # a kill can hit Chroma while it makes or writes its files
        home.catalog.refuse_damage()
        renew(home)
    else:
        _reconcile(home)


def renew(home: Home) -> None:
    """Make the store of vectors again from the catalog; then ``finish``. Be the home's writer."""
    begin(home)
    home.replace_vectors(partial(fill, home))


def fill(home: Home, vectors: VectorStore, *, but: str | None = None) -> None:
    """Put the vectors of all policies, or of all but one, into an empty store."""
    for policy in home.catalog.policies():
        if policy.id != but:
            vectors.put(policy.id, home.catalog.passages(policy))


def _reconcile(home: Home) -> None:
    """Put the vectors that are missing; what the catalog does not know is gone with its store."""
    with home.committing() as vectors:
        known, stored = set(home.catalog.passage_ids()), vectors.ids()
        if stored - known:
            renew(home)
            return
        for policy in home.catalog.policies() if known - stored else ():
            passages = home.catalog.passages(policy)
            vectors.put(policy.id, [p for p in passages if p.passage.id not in stored])
