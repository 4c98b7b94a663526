"""The reader finds the sentences that answer in a policy's evidence, or that there are none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from qa.types import Evidence, Question, Reading


class Reader(Protocol):
    """Reads one policy's evidence for one question."""

    def read(self, question: Question, evidence: Sequence[Evidence]) -> Reading:
        """Return the candidates, best first, and P(stated); a function of its input alone."""
