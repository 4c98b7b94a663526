"""policy-questions: questions written for this project, with verbatim minimal evidence."""

from __future__ import annotations

from pathlib import Path

from eval.benchmarks import Benchmark, Case, PolicyRow, Texts, Words, places, read_cases

SPLITS = ("train", "dev")
_HINT = (
    "Expected are <split>.jsonl and policies/<policy>.md in one folder. The set is not part of "
    "the product: its policies are Open Terms Archive's public versions (opentermsarchive.org)."
)


class _Row(PolicyRow):
    quotes: tuple[Words, ...]


def load(folder: Path, split: str) -> Benchmark:
    """Read ``<split>.jsonl`` and the policies it asks about from ``policies/``.

    All of a case's quotes are needed; every place where one stands will do, for a policy may
    repeat itself. Raises DocumentError for a missing file, and with the line's number for a line
    that cannot be read, an id that stands twice, and a quote that is not in its policy.
    """
    texts = Texts(folder / "policies", ".md", hint=_HINT)

    def case(row: _Row) -> Case:
        text = texts[row.policy]
        return row.case(tuple(places(quote, text) for quote in row.quotes), split)

    cases = read_cases(folder / f"{split}.jsonl", _Row, case, hint=_HINT)
    return Benchmark(f"policy-questions/{split}", cases, texts, texts.files)
