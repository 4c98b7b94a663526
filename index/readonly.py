"""A home that may only be read: a copy of it is opened, for SQLite and Chroma write to read."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from index.errors import HomeError

_TRIES, _PAUSE = 20, 0.1
_Files = dict[Path, tuple[int, int]]


def is_writable(*paths: Path) -> bool:
    """Whether all of these files and folders, as far as they exist, may be written to."""
    return all(os.access(path, os.W_OK) for path in paths if path.exists())


def copied(home: Path, *patterns: str) -> TemporaryDirectory[str]:
    """Return a copy of a home's files that match, all of one instant.

    Raises HomeError if they cannot be read, if there is no room for them, or if another process
    never stops writing to them.
    """
    copy = TemporaryDirectory(prefix="policyqa-")
    try:
        for _ in range(_TRIES):
            before = _files(home, patterns)
            if _copy(home, Path(copy.name), before) and _files(home, patterns) == before:
                return copy
            time.sleep(_PAUSE)
    except OSError as error:
        copy.cleanup()
        raise HomeError(
            f"the home {str(home)!r} may only be read, and cannot be copied to be opened: "
            f"{error.strerror} ({str(error.filename)!r})",
            hint="correct its permissions, or make room in the folder for temporary files (TMPDIR)",
        ) from error
    copy.cleanup()
    raise HomeError(
        f"another process is writing to {str(home)!r}", hint="wait until it has finished"
    )


def _files(home: Path, patterns: tuple[str, ...]) -> _Files:
    """Return size and time of each file by its path in the home."""
    found = {}
    for file in sorted(path for pattern in patterns for path in home.glob(pattern)):
        if file.is_file():
            state = file.stat()
            found[file.relative_to(home)] = state.st_size, state.st_mtime_ns
    return found


def _copy(home: Path, target: Path, files: _Files) -> bool:
    """Fill a folder with copies; False if a file vanished meanwhile."""
    shutil.rmtree(target)
    target.mkdir()
    for file in files:
        (target / file).parent.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copyfile(home / file, target / file)
        except FileNotFoundError:
            return False
    return True
