"""All sets by name: how each is read, its splits, and where it is if nothing is said."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from eval.benchmarks import (
    Benchmark,
    gold,
    legalbench_rag,
    opp115,
    policy_questions,
    policyqa,
    privacyqa,
)
from index.errors import UsageError


@dataclass(frozen=True, slots=True)
class QuestionSet:
    """A set that can be evaluated; ``split`` is taken where none is asked for."""

    load: Callable[[Path, str], Benchmark]
    splits: tuple[str, ...]
    split: str
    folder: Path | None = None


SETS: Mapping[str, QuestionSet] = {
    "gold": QuestionSet(gold.load, gold.SPLITS, "all", gold.GOLD),
    "policy-questions": QuestionSet(policy_questions.load, policy_questions.SPLITS, "dev"),
    "opp115": QuestionSet(opp115.load, opp115.SPLITS, "dev"),
    "policyqa": QuestionSet(policyqa.load, policyqa.SPLITS, "dev"),
    "legalbench-rag": QuestionSet(legalbench_rag.load, legalbench_rag.SPLITS, "privacy_qa"),
    "privacyqa": QuestionSet(privacyqa.load, privacyqa.SPLITS, "test"),
}


def load(name: str, split: str | None, folder: Path | None) -> Benchmark:
    """Read a set from its own folder.

    Raises UsageError for an unknown set or split and where a folder has to be given, DocumentError
    for what is wrong in its files.
    """
    known = SETS.get(name)
    if known is None:
        raise UsageError(f"there is no set {name!r}", hint=f"choose of: {', '.join(SETS)}")
    chosen = split or known.split
    if chosen not in known.splits:
        raise UsageError(
            f"the set {name!r} has no split {chosen!r}",
            hint=f"choose of: {', '.join(known.splits)}",
        )
    where = folder or known.folder
    if where is None:
        raise UsageError(
            f"the set {name!r} does not come with policyqa",
            hint=f"name its folder: policyqa eval run --set {name} --data DIR",
        )
    return known.load(where, chosen)
