"""OPP-115: what three experts marked in website policies, as practice questions.

Wilson et al. 2016, "The Creation and Analysis of a Website Privacy Policy Corpus". For research,
teaching and scholarship.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from eval.benchmarks import Benchmark, Case, PolicyRow, Texts, Words, read_cases, within
from index.types import Span

SPLITS = ("train", "dev")
_HINT = (
    "Expected are <split>/questions.jsonl and <split>/policies/<policy>.txt in one folder, "
    "built from the corpus that is published at https://usableprivacy.org/data."
)


class _Row(PolicyRow):
    kind: Words = Field(alias="practice")
    evidence: tuple[Span, ...]
    also_ok: tuple[Span, ...]


def load(folder: Path, split: str) -> Benchmark:
    """Read ``<split>/questions.jsonl`` and the policies it asks about.

    A case's kind is its practice. Its gold is one piece: what two experts marked and what only one
    did, for citing either is right. Raises DocumentError for a missing file, and with the line's
    number for a line that cannot be read, an id that stands twice, and a span outside its policy.
    """
    texts = Texts(folder / split / "policies", ".txt", hint=_HINT)

    def case(row: _Row) -> Case:
        marked = within((*row.evidence, *row.also_ok), texts[row.policy])
        return row.case((marked,) if marked else (), split)

    cases = read_cases(folder / split / "questions.jsonl", _Row, case, hint=_HINT)
    return Benchmark(f"opp115/{split}", cases, texts, texts.files)
