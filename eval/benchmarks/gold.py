"""The gold questions over the five policies that come with the package; see ``eval/gold``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from eval.benchmarks import Benchmark, Case, Expected, Row, Texts, Words, places, read_cases
from index.build import CORPUS

GOLD = Path(__file__).parents[1] / "gold"
SPLITS = ("all", "train", "test")
_HINT = "the form of a line is described in eval/gold/README.md"

Kind = Literal[
    "factoid", "yesno", "list", "table", "definition", "whole_corpus", "paraphrase", "noisy",
    "false_premise", "near_miss", "wrong_company", "out_of_domain", "compound", "contradiction",
]  # fmt: skip


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as exc:
        raise ValueError(f"{text!r} is no regular expression: {exc}") from exc
    return text


class _Expected(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    status: Literal["stated", "not_stated"]
    quotes: tuple[Annotated[tuple[Words, ...], Field(min_length=1)], ...] = ()
    facts: tuple[Annotated[str, AfterValidator(_pattern)], ...] = ()

    def over(self, text: str) -> Expected:
        """Return it with the quotes' places; ValueError for a quote that is not in the text."""
        stated = self.status == "stated"
        if stated != bool(self.quotes):
            raise ValueError("a policy has quotes exactly when its status is 'stated'")
        if self.facts and not stated:
            raise ValueError("a policy that does not state an answer has no facts")
        gold = tuple(
            tuple(place for quote in alternatives for place in places(quote, text))
            for alternatives in self.quotes
        )
        return Expected(stated, gold, self.facts)


class _Row(Row):
    policies: tuple[Words, ...] = ()
    kind: Kind
    split: Literal["train", "test"]
    expect: Annotated[dict[str, _Expected], Field(min_length=1)]


def load(folder: Path, split: str) -> Benchmark:
    """Read every ``*.jsonl`` of a folder: one split, or ``all``.

    Raises DocumentError with file, line and reason for a line that is malformed, an id that stands
    twice, a policy that is not one of the five, and a quote that is not in its policy.
    """
    known = sorted(file.stem for file in CORPUS.glob("*.txt"))
    texts = Texts(CORPUS, ".txt", hint=_HINT)
    ids: set[str] = set()

    def case(row: _Row) -> Case:
        for policy in (*row.policies, *row.expect):
            if policy not in known:
                raise ValueError(f"the policy {policy!r} is none of {', '.join(known)}")
        if row.policies and set(row.policies) != set(row.expect):
            raise ValueError("'expect' does not name the very policies that 'policies' names")
        if row.id in ids:
            raise ValueError(f"the id {row.id!r} stands twice")
        ids.add(row.id)
        expect = {policy: expected.over(texts[policy]) for policy, expected in row.expect.items()}
        return Case(row.id, row.question, row.kind, row.split, row.policies, expect)

    files = sorted(folder.glob("*.jsonl")) or [folder / "*.jsonl"]
    cases = [case_ for file in files for case_ in read_cases(file, _Row, case, hint=_HINT)]
    for policy in known:  # questions about companies that are not there are put to all
        _ = texts[policy]
    chosen = tuple(case_ for case_ in cases if split in ("all", case_.split))
    return Benchmark(f"gold/{split}", chosen, texts, texts.files, clustered_by="case")
