"""Is the index whole? And, if it is not: made again from the catalog, or said to be lost."""

from __future__ import annotations

from index.home import Home
from index.probe import probe
from index.recovery import finish, renew


def examine(home: Home) -> list[str]:
    """Return what is wrong with a home's vectors; nothing is changed.

    Raises StoreError if the catalog is damaged, which cannot be repaired, and HomeError if another
    process never stops writing: while one does, vectors and catalog need not be in step.
    """
    with home.locks.writing():
        home.catalog.refuse_damage()
        return probe(home)


def repair(home: Home) -> None:
    """Make the store of vectors again from the catalog. Raises StoreError if that is damaged."""
    home.catalog.refuse_damage()
    with home.writing():
        renew(home)
        finish(home)
