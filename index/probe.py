"""Do the stored vectors find themselves? Asked in a process of its own: some damage kills it.

``python -m index.probe HOME`` prints the findings as a JSON list; ``probe`` runs it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np

from index.encode import Vectors
from index.errors import PolicyQAError, ServerError, StoreError
from index.home import Home
from index.settings import Settings
from index.vectors import VECTOR_TOLERANCE, VectorStore

Findings = dict[str, list[str]]
"""What is damaged, and what is only out of step with the catalog."""

_SECONDS = 600
_SAMPLE = 50
# Address space: libraries and threads take the first part, what is read the second.
_MEMORY, _MEMORY_PER_BYTE = 3 * 2**30, 8


def probe(home: Home, *, unclean: bool = False) -> list[str]:
    """Return what is wrong with a home's vectors.

    After an unclean end some may be missing, or be of passages that were never committed. Raises
    ServerError if they are on a server that cannot be used.
    """
    if home.store is None and not home.catalog.passage_ids():
        return []
    with home.locks.exclusive():
        found = _served(home) if home.settings.chroma_url else _embedded(home)
    return found["damaged"] if unclean else found["damaged"] + found["out_of_step"]


def _served(home: Home) -> Findings:
    """Look from here: what damages a server's process is not ours."""
    with closing(home.open_store()) as vectors:
        try:
            return _findings(home, vectors)
        except ServerError:
            raise
        except StoreError as error:
            return {"damaged": [error.message], "out_of_step": []}


def _embedded(home: Home) -> Findings:
    # -P: what is called index in the folder that the user stands in is not ours.
    command = [sys.executable, "-P", "-m", "index.probe", str(home.files.absolute())]
    done = subprocess.run(  # noqa: S603  # our own interpreter and module
        command, capture_output=True, text=True, encoding="utf-8", timeout=_SECONDS, check=False
    )
    try:
        found: Findings = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        ended = f"reading the vectors ends the process (status {done.returncode}): {last}"
        return {"damaged": [ended], "out_of_step": []}
    return found


def main() -> None:
    """Open the home that is given, look, and print."""
    _limit_memory(Path(sys.argv[1]))
    found: Findings = {"damaged": [], "out_of_step": []}
    try:
        home = Home(Settings.load(home=Path(sys.argv[1])))
        found = _findings(home, home.open_store())
    except PolicyQAError as error:
        found["damaged"].append(error.message)
    print(json.dumps(found))


def _findings(home: Home, vectors: VectorStore) -> Findings:
    return {"damaged": _damaged(home, vectors), "out_of_step": _out_of_step(home, vectors)}


def _limit_memory(home: Path) -> None:
    """Let damage that asks for all memory end in an error, where the system knows limits."""
    try:
        import resource
    except ImportError:
        return
    files = sum(file.stat().st_size for file in home.rglob("*") if file.is_file())
    wanted = _MEMORY + _MEMORY_PER_BYTE * files
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))


def _out_of_step(home: Home, vectors: VectorStore) -> list[str]:
    known, stored = set(home.catalog.passage_ids()), vectors.ids()
    missing, foreign = len(known - stored), len(stored - known)
    return [
        *([f"{missing} of {len(known)} passages have no vector"] if missing else []),
        *([f"{foreign} vectors are of no passage in the catalog"] if foreign else []),
    ]


def _damaged(home: Home, vectors: VectorStore) -> list[str]:
    """Compare all stored vectors with the catalog's, and let some look for themselves."""
    stored = vectors.ids()
    other, lost, asked = 0, 0, 0
    for policy in home.catalog.policies():
        there = [p for p in home.catalog.passages(policy) if p.passage.id in stored]
        found = vectors.get([p.passage.id for p in there])
        other += sum(
            not _cosine(found[p.passage.id], p.vector) >= 1 - VECTOR_TOLERANCE  # NaN is damage, too
            for p in there
            if p.passage.id in found
        )
        for one in there[:: max(1, len(there) * 5 // _SAMPLE)]:
            asked += 1
            hits = vectors.search(one.vector, policy.id, 1)
            lost += not (hits and hits[0].similarity > 1 - VECTOR_TOLERANCE)
    findings = (
        [f"{other} of {len(stored)} vectors are not those that were written"] if other else []
    )
    # A few may lie behind many that are nearly the same, where an approximate search never comes;
    # answers do not depend on it.
    if lost > asked / 2:
        findings.append(f"{lost} of {asked} stored vectors do not find themselves")
    return findings


def _cosine(one: Vectors, other: Vectors) -> float:
    length = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(one @ other) / length if length else 0.0


if __name__ == "__main__":
    main()
