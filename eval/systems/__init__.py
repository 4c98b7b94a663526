"""The systems that are evaluated, by name: policyqa, and what it is compared with."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from eval.systems.context import Context, System
from eval.systems.obvious import obvious
from eval.systems.ours import policyqa
from eval.systems.sentences import bm25, minilm, question_only, similarity
from index.errors import UsageError

SYSTEMS: Mapping[str, Callable[[Context], System]] = {
    "policyqa": policyqa,
    "obvious": obvious,
    "similarity": similarity,
    "minilm": minilm,
    "bm25": bm25,
    "question-only": question_only,
}


def builder(name: str) -> Callable[[Context], System]:
    """Return what makes a system, by its name. Raises UsageError for one that is unknown."""
    if name not in SYSTEMS:
        raise UsageError(
            f"there is no system {name!r}", hint=f"choose of: {', '.join(sorted(SYSTEMS))}"
        )
    return SYSTEMS[name]
