"""Replies of a language model to the very same question over the very same evidence, kept on disk.

They stand in the home with what is derived from each policy, and go when it changes or is removed.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from index.home import Home
from index.types import Policy

_MOST = 200
"""Replies kept for each policy; the one least recently used goes first."""


class Replies:
    """The replies of a home; none is kept or found if ``is_on`` is False."""

    def __init__(self, home: Home, *, is_on: bool) -> None:
        self._home = home
        self._is_on = is_on

    def get(self, policy: str, key: str) -> str | None:
        """Return a reply that was kept, or None. A file that was damaged counts as none."""
        if not self._is_on:
            return None
        try:
            kept = json.loads(self._file(policy, key).read_text("utf-8"))
        except (OSError, ValueError):
            return None
        return kept if isinstance(kept, str) else None

    def put(self, policy: Policy, key: str, reply: str) -> None:
        """Keep a reply. A home that cannot be written, or a full disk, only makes it slower."""
        if not self._is_on:
            return
        file = self._file(policy.id, key)
        with suppress(OSError):
            file.parent.mkdir(parents=True, exist_ok=True)
            written = file.with_name(f"{uuid4().hex}.part")
            written.write_text(json.dumps(reply), "utf-8")
            written.replace(file)
            if self._home.catalog.hashes().get(policy.id) != policy.sha256:
                # Removed or changed while it was asked about: nothing of it may stay.
                file.unlink()
                return
            for old in sorted(file.parent.iterdir(), key=os.path.getmtime)[:-_MOST]:
                old.unlink()

    def _file(self, policy: str, key: str) -> Path:
        return self._home.derived(policy) / f"{key}.json"
