"""policy-questions: questions written for this project, with verbatim minimal evidence."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from eval.benchmarks import Benchmark, Row, Words, read
from index.types import Span

_HINT = (
    "Expected are <split>.jsonl and policies/<policy>.md in one folder. The set is not part of "
    "the product: its policies are Open Terms Archive's public versions (opentermsarchive.org)."
)


class _Row(Row):
    quotes: tuple[Words, ...]

    def spans(self, text: str) -> set[Span]:
        """Return every place of every quote; ValueError for a quote that is not there."""
        return {span for quote in self.quotes for span in _places(quote, text)}


def load(folder: Path, split: str) -> Benchmark:
    """Read ``<split>.jsonl`` and the policies it asks about from ``policies/``.

    A case's gold is every place where one of its quotes stands: a policy may repeat itself.
    Raises DocumentError for a missing file, and with the line's number for a line that cannot be
    read, an id that stands twice, and a quote that is not in its policy.
    """
    policies = folder / "policies"
    return read(
        f"policy-questions {split}",
        folder / f"{split}.jsonl",
        lambda policy: policies / f"{policy}.md",
        _Row,
        hint=_HINT,
    )


def _places(quote: str, text: str) -> Iterator[Span]:
    start = text.find(quote)
    if start < 0:
        raise ValueError(f"the quote {quote!r} is not in its policy")
    while start >= 0:
        yield Span(start, start + len(quote))
        start = text.find(quote, start + 1)
