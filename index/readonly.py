"""A home that can only be read: a copy of it is opened, for SQLite and Chroma write to read.

That is one without permission to write, or one on a disk that is full.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from index.errors import HomeError

_TRIES, _PAUSE = 20, 0.1
_ROOM = 8 * 2**20  # bytes
_Files = dict[Path, tuple[int, int]]


def hindrance(home: Path, *names: str) -> str | None:
    """Return why a home, or what there is of these names in it, cannot be written to, or None."""
    try:
        inside = [file for name in names for file in _below(home / name)]
    except OSError:
        return "permission denied"
    folders = {folder for file in inside for folder in file.parents if folder.is_relative_to(home)}
    paths = (home, *(home / name for name in names), *folders, *inside)
    if not all(os.access(path, os.W_OK) for path in paths if path.exists()):
        return "permission denied"
    return "no space left on its disk" if is_full(home) else None


def is_full(folder: Path) -> bool:
    """Whether the disk has too little room left for what SQLite and Chroma write to read."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    return shutil.disk_usage(there).free < _ROOM


def copied(home: Path, *names: str) -> TemporaryDirectory[str]:
    """Return a copy of a home's files and folders of these names, all of one instant.

    Raises HomeError if they cannot be read, if there is no room for them, or if another process
    never stops writing to them.
    """
    try:
        return _copied(home, names)
    except OSError as error:
        raise HomeError(
            f"the home {str(home)!r} can only be read, and cannot be copied to be opened: "
            f"{error.strerror} ({str(error.filename)!r})",
            hint="correct its permissions, or make room on its disk or in the folder for temporary "
            "files (TMPDIR)",
        ) from error


def _copied(home: Path, names: tuple[str, ...]) -> TemporaryDirectory[str]:
    copy = TemporaryDirectory(prefix="policyqa-copy-")
    with contextlib.ExitStack() as stack:
        stack.callback(copy.cleanup)
        for _ in range(_TRIES):
            with contextlib.suppress(FileNotFoundError):  # another process deleted it meanwhile
                before = _files(home, names)
                _copy(home, Path(copy.name), before)
                if _files(home, names) == before:
                    stack.pop_all()
                    return copy
            time.sleep(_PAUSE)
    raise HomeError(
        f"another process is writing to {str(home)!r}", hint="wait until it has finished"
    )


def _files(home: Path, names: tuple[str, ...]) -> _Files:
    """Return size and time of each file by its path in the home."""
    found = {}
    for file in (file for name in names for file in _below(home / name)):
        state = file.stat()
        found[file.relative_to(home)] = state.st_size, state.st_mtime_ns
    return found


def _below(path: Path) -> Iterator[Path]:
    """Yield a file, or the files in a folder; unlike a glob, raise OSError where it is locked."""
    if path.is_dir():
        for inner in sorted(path.iterdir()):
            yield from _below(inner)
    elif path.exists():
        yield path


def _copy(home: Path, target: Path, files: Iterable[Path]) -> None:
    """Fill a folder with copies."""
    shutil.rmtree(target)
    target.mkdir()
    for file in files:
        (target / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(home / file, target / file)
