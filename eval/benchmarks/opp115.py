"""OPP-115: what three experts marked in website policies, as practice questions.

Wilson et al. 2016, "The Creation and Analysis of a Website Privacy Policy Corpus". For research,
teaching and scholarship.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from eval.benchmarks import Benchmark, Row, Words, read
from index.types import Span

_HINT = (
    "Expected are <split>/questions.jsonl and <split>/policies/<policy>.txt in one folder, "
    "built from the corpus that is published at https://usableprivacy.org/data."
)


class _Row(Row):
    kind: Words = Field(alias="practice")
    evidence: tuple[Span, ...]
    also_ok: tuple[Span, ...]

    def spans(self, text: str) -> set[Span]:
        """Return both kinds of spans; ValueError for one that does not lie in the text."""
        spans = {*self.evidence, *self.also_ok}
        for start, end in sorted(spans):
            if not 0 <= start < end <= len(text):
                raise ValueError(
                    f"the span [{start}, {end}) does not lie in the policy's {len(text)} characters"
                )
        return spans


def load(folder: Path, split: str) -> Benchmark:
    """Read ``<split>/questions.jsonl`` and the policies it asks about.

    A case's kind is its practice. Its gold is what two experts marked and what only one did:
    citing either is right. Raises DocumentError for a missing file, and with the line's number
    for a line that cannot be read, an id that stands twice, and a span outside its policy.
    """
    policies = folder / split / "policies"
    return read(
        f"OPP-115 {split}",
        folder / split / "questions.jsonl",
        lambda policy: policies / f"{policy}.txt",
        _Row,
        hint=_HINT,
    )
