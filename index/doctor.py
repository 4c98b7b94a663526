"""Is the index whole? And, if it is not: made again from the catalog, or said to be lost."""

from __future__ import annotations

from index.home import Home
from index.probe import probe
from index.recovery import finish, renew


def examine(home: Home) -> list[str]:
    """Return what is wrong with a home, the catalog first; nothing is changed.

    Raises StoreError if the catalog cannot be read at all, HomeError if another process never stops
    writing: while one does, vectors and catalog need not be in step.
    """
    with home.locks.writing():
        return home.catalog.damage() or probe(home)


def repair(home: Home) -> None:
    """Make the store of vectors again from the catalog. Raises StoreError if that is damaged."""
    home.catalog.refuse_damage()
    with home.writing():
        renew(home)
        finish(home)
