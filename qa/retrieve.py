"""A question and a scope → evidence: dense and lexical search, fused by rank.

A small scope is searched policy by policy, so that a long one cannot crowd out the others. Beyond
that, one unfiltered search picks the policies that are then searched by themselves.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from index.catalog import IndexedPassage, match_any
from index.errors import StoreError
from index.home import Home
from index.types import Policy
from index.vectors import REPAIR, VECTOR_TOLERANCE
from qa.types import Evidence, Question

DEEP = 50
"""Policies in scope up to which each is searched by itself."""
_WIDE_HITS, _WIDE_POLICIES = 200, 10
_DEPTH = 2
_FUSION = 60.0
_WORD = re.compile(r"\w+(?:[-'’.@]\w+)*")
_STOP = frozenset(
    (
        "a an the and or of to in on for with by at from is are was were be been do does did "
        "can could will would shall should may might must have has had i you we they it its "
        "my your our their this that these those what which who whom whose when where why how "
        "if any there"
    ).split()
)


Key = TypeVar("Key")


@dataclass(frozen=True, slots=True)
class Retrieval:
    """Evidence by policy id, best first, and how many policies were not searched in depth."""

    evidence: Mapping[str, tuple[Evidence, ...]]
    omitted: int


def retrieve(home: Home, question: Question, scope: Sequence[Policy], *, top_k: int) -> Retrieval:
    """Return up to ``top_k`` passages of each policy in scope."""
    deep = scope if len(scope) <= DEEP else _promising(home, question, scope)
    evidence = {policy.id: _search(home, question, policy, top_k) for policy in deep}
    return Retrieval(evidence, len(scope) - len(deep))


def _promising(home: Home, question: Question, scope: Sequence[Policy]) -> list[Policy]:
    """Return the policies whose passages come first in one search over everything."""
    dense = [(hit.policy, hit.id) for hit in home.vectors.search(question.vector, None, _WIDE_HITS)]
    lexical = home.catalog.search(_query(question.text), None, _WIDE_HITS)
    by_id = {policy.id: policy for policy in scope}
    best: dict[str, float] = {}
    for (policy, _), score in fuse([dense, lexical]).items():
        best[policy] = max(best.get(policy, 0.0), score)
    ranked = sorted((id_ for id_ in best if id_ in by_id), key=lambda id_: -best[id_])
    return [by_id[id_] for id_ in ranked[:_WIDE_POLICIES]]


def _search(home: Home, question: Question, policy: Policy, top_k: int) -> tuple[Evidence, ...]:
    limit = _DEPTH * top_k
    stored = home.passages(policy)
    dense = _dense(home, question, policy, stored, limit)
    lexical = [id_ for _, id_ in home.catalog.search(_query(question.text), policy.id, limit)]
    scores = fuse([dense, lexical])
    ranked = [id_ for id_ in sorted(scores, key=lambda id_: -scores[id_]) if id_ in stored][:top_k]
    return tuple(
        Evidence(
            policy=policy.id,
            passage=stored[id_].passage,
            score=scores[id_],
            rank=rank,
            vector=stored[id_].vector,
            sentence_vectors=stored[id_].sentence_vectors,
        )
        for rank, id_ in enumerate(ranked, start=1)
    )


def _dense(
    home: Home,
    question: Question,
    policy: Policy,
    stored: Mapping[str, IndexedPassage],
    limit: int,
) -> list[str]:
    """Return the passages nearest to the question, best first."""
    hits = home.vectors.search(question.vector, policy.id, limit)
    near = {id_: float(one.vector @ question.vector) for id_, one in stored.items()}
    found = {hit.id: hit.similarity for hit in hits if hit.id in near}
    # An approximate search leaves out what lies behind many vectors that are nearly the same, and so
    # may a damaged one: whatever may belong here is held against what was written.
    lowest = min(found.values(), default=-1.0) if len(hits) >= limit else -1.0
    missed = [id_ for id_ in near if id_ not in found and near[id_] > lowest + VECTOR_TOLERANCE]
    _refuse_damage(home, question, policy, near, found, missed)
    return sorted((*found, *missed), key=lambda id_: -near[id_])[:limit]


def _refuse_damage(
    home: Home,
    question: Question,
    policy: Policy,
    near: Mapping[str, float],
    found: Mapping[str, float],
    missed: Sequence[str],
) -> None:
    """Raise StoreError where Chroma holds something else than the catalog says was written.

    Its damage is silent, and would end in a wrong "not stated". ``near`` is what the catalog's
    vectors come to, ``found`` what Chroma's did.
    """
    left_out = home.vectors.get(missed)
    seen = {**found, **{id_: float(own @ question.vector) for id_, own in left_out.items()}}
    # Written so that NaN is damage, too.
    far = [
        id_
        for id_ in (*found, *missed)
        if not abs(seen.get(id_, math.nan) - near[id_]) <= VECTOR_TOLERANCE
    ]
    if far:
        raise _damaged(policy, f"{len(far)} of {len(near)} are not what was written")


def _damaged(policy: Policy, what: str) -> StoreError:
    return StoreError(f"the vectors of the policy {policy.id!r} are damaged: {what}", hint=REPAIR)


def fuse(rankings: Iterable[Sequence[Key]]) -> dict[Key, float]:
    """Return each item's reciprocal rank, summed over rankings (Cormack et al. 2009, k = 60).

    >>> fused = fuse([["a", "b"], ["b"]])
    >>> max(fused, key=fused.get)
    'b'
    """
    scores: dict[Key, float] = {}
    for ranking in rankings:
        for rank, item in enumerate(ranking, start=1):
            scores[item] = scores.get(item, 0.0) + 1.0 / (_FUSION + rank)
    return scores


def _query(question: str) -> str:
    """Return the FTS5 expression for a question: its content words, or all words if none is."""
    words = list(dict.fromkeys(_WORD.findall(question.lower())))
    return match_any([word for word in words if word not in _STOP] or words or [""])
