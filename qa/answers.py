"""One policy's evidence and what was made of it → its answer, verified and in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from index.types import Passage, Policy, Sentence
from qa import extract
from qa.grounds import whole_sentences
from qa.types import Claim, PolicyAnswer, Reading, Statement
from qa.verify import Sections, Verifier

_JUST_BELOW = 0.49
STATED = 0.5
"""P(stated) from which an answer is one."""


@dataclass(frozen=True, slots=True)
class Material:
    """All that a policy's answer is made from, read from one state of the index.

    ``sentences`` are all of the policy's, in its order.
    """

    policy: Policy
    reading: Reading
    sections: Sections
    sentences: tuple[Sentence, ...]

    @property
    def passages(self) -> tuple[Passage, ...]:
        """The evidence, the passage with the most relevant sentence first."""
        first = {one.passage.id: one.passage for one in reversed(self.reading.candidates)}
        ranked = dict.fromkeys(one.passage.id for one in self.reading.candidates)
        return tuple(first[id_] for id_ in ranked)


def extracted(material: Material, verifier: Verifier) -> PolicyAnswer:
    """Return the answer in the policy's own sentences."""
    policy, reading = material.policy, material.reading
    drafted = extract.claims(policy, reading) if reading.p_stated >= STATED else ()
    statements, citations = verifier.verify(policy, drafted, material.sections)
    made = _answer(material, verifier, is_stated=bool(citations))
    return replace(
        made, statements=statements, citations=citations, text=_quoted(policy, statements)
    )


def composed(
    material: Material,
    claims: Sequence[Claim],
    verifier: Verifier,
    *,
    engine: str,
    others: Sequence[Policy] = (),
) -> PolicyAnswer:
    """Return the answer in a model's words, each statement with the sentences it rests on.

    Where none of its statements is verified, the policy's own sentences are the answer, and what
    the model said stands below them, marked.
    """
    find = partial(whole_sentences, sentences=material.sentences, others=others)
    statements, citations = verifier.verify(material.policy, claims, material.sections, find)
    if claims and not citations:
        own = extracted(material, verifier)
        both = (*own.statements, *statements)
        said = f"{own.text} {_said(statements)}"
        return replace(own, statements=both, text=said)
    made = _answer(material, verifier, is_stated=bool(citations))
    text = _said(statements) if citations else made.text
    return replace(made, statements=statements, citations=citations, text=text, engine=engine)


def _answer(material: Material, verifier: Verifier, *, is_stated: bool) -> PolicyAnswer:
    """Return an answer without its statements: its status, and what comes closest to one."""
    policy, reading = material.policy, material.reading
    closest = () if is_stated else extract.nearest(policy, reading)
    bound = max(reading.p_stated, STATED) if is_stated else min(reading.p_stated, _JUST_BELOW)
    return PolicyAnswer(
        policy=policy.id,
        name=policy.names[0],
        title=policy.title,
        status="stated" if is_stated else "not_stated",
        text=f"{policy.names[0]} does not state this.",
        p_stated=bound,
        statements=(),
        citations=(),
        nearest=verifier.verify(policy, closest, material.sections)[1],
    )


def _quoted(policy: Policy, statements: Sequence[Statement]) -> str:
    """Return sentences of a policy in words: between quotation marks, with their markers."""
    if not statements:
        return f"{policy.names[0]} does not state this."
    return " ".join(
        f"“{one.text}”{_marks(one)}" if one.verified else f"{one.text}{_marks(one)}"
        for one in statements
    )


def _said(statements: Sequence[Statement]) -> str:
    """Return a model's sentences in words, with their markers."""
    return " ".join(f"{one.text}{_marks(one)}" for one in statements)


def _marks(statement: Statement) -> str:
    marks = "".join(f" [{marker}]" for marker in statement.markers)
    return marks if statement.verified else " (unverified)"
