"""Uploads and removals: files become policies of the shared library, each with a clear line."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from index import build
from index.build import Progress, SyncReport
from index.errors import BusyError, DocumentError, UsageError
from index.parse import PARSERS
from index.types import Policy
from qa.assistant import Assistant

Seen = Mapping[str, str]
"""Versions of policies by id."""
News = Mapping[str, str]
"""What happened to policies, by id: ``new``, ``changed`` or ``removed``."""

FOLDER = "uploads"
MOST_FILES, MOST_BYTES = 20, 2**20
_FORMATS = ", ".join(PARSERS)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one uploaded file."""

    name: str
    done: str
    policy: str = ""
    hint: str = ""


def versions(policies: Sequence[Policy]) -> Seen:
    """Return the version of each policy, by its id."""
    return {policy.id: policy.sha256 for policy in policies}


def news(seen: Seen, present: Seen) -> News:
    """Return what happened to each policy between two looks at the library; nothing at the first.

    >>> news({"a": "1", "b": "1", "c": "1"}, {"b": "2", "c": "1", "d": "1"})
    {'b': 'changed', 'd': 'new', 'a': 'removed'}
    """
    if not seen:
        return {}
    here = {id_: "changed" if id_ in seen else "new" for id_ in present}
    changed = {id_: what for id_, what in here.items() if seen.get(id_) != present[id_]}
    return changed | {id_: "removed" for id_ in seen if id_ not in present}


def add(
    alone: Callable[[], AbstractContextManager[Assistant]],
    files: Sequence[Path],
    *,
    replace: bool,
    progress: Progress | None = None,
) -> list[Outcome]:
    """Copy files into the home and index them. A refused one is reported and leaves nothing.

    The assistant is had alone for one file at a time, so that questions are answered in between.
    A file of the same name as an uploaded one takes its place if ``replace`` is set.
    """
    if len(files) > MOST_FILES:
        raise UsageError(
            f"{len(files)} files are too many at once", hint=f"upload up to {MOST_FILES} at a time"
        )
    outcomes = []
    for number, file in enumerate(files):
        if progress:
            progress(file.name, number, len(files))
        try:
            with alone() as assistant:
                outcomes.append(_add(assistant, file, replace))
        except (DocumentError, BusyError) as error:
            outcomes.append(Outcome(file.name, f"refused: {error.message}", hint=error.hint))
    return outcomes


def _add(assistant: Assistant, file: Path, replace: bool) -> Outcome:
    if file.suffix.lower() not in PARSERS:
        kind = file.suffix or "a file without a suffix"
        raise DocumentError(f"{kind} is no format that is read", hint=f"upload {_FORMATS}")
    if file.stat().st_size > MOST_BYTES:
        raise DocumentError(
            f"it has more than {MOST_BYTES // 2**20} MB",
            hint="no privacy policy is that long; what is longer: policyqa index FILE",
        )
    folder = assistant.home.path / FOLDER
    folder.mkdir(exist_ok=True)
    target = folder / file.name
    if target.exists() and not replace:
        raise DocumentError(
            "a file of this name was uploaded before", hint="tick “replace” to have it replaced"
        )
    return _index(assistant, file, target)


def _index(assistant: Assistant, file: Path, target: Path) -> Outcome:
    """Index a file in its place; one that cannot be read leaves what was there before."""
    kept = target.read_bytes() if target.exists() else None
    shutil.copyfile(file, target)
    report = build.sync(assistant.home, [target])
    for failure in report.failed:
        if kept is None:
            target.unlink()
        else:
            target.write_bytes(kept)
        raise DocumentError(failure.message, hint=failure.hint)
    for outcome in ("added", "changed", "unchanged"):
        if ids := getattr(report, outcome):
            same = "is in the library already" if outcome == "unchanged" else outcome
            return Outcome(file.name, same, ids[0])
    return Outcome(file.name, "nothing changed")


def remove(assistant: Assistant, policy: str) -> None:
    """Remove a policy, and the copies of its file that were uploaded."""
    found = assistant.policy(policy)
    build.remove(assistant.home, found.id)
    for source in map(Path, found.sources):
        if source.parent == (assistant.home.path / FOLDER).resolve():
            source.unlink(missing_ok=True)


def told(report: SyncReport) -> list[Outcome]:
    """Return what a sync of known files changed, a line each."""
    done = {"added": report.added, "changed": report.changed, "removed": report.removed}
    lines = [Outcome(policy, name, policy) for name, ids in done.items() for policy in ids]
    refused = [
        Outcome(Path(one.path).name, f"refused: {one.message}", hint=one.hint)
        for one in report.failed
    ]
    return [*lines, *refused] or [Outcome("The library", "is up to date with its files")]
