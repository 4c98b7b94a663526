"""PrivacyQA: which sentences of a mobile app's policy answer a question that people asked.

Ravichander et al. 2019, "Question Answering for Privacy Policies: Combining Computational and
Legal Perspectives".
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path

from eval.benchmarks import Benchmark, Case, Expected, read_document
from index.errors import DocumentError
from index.types import Span

SPLITS = ("train", "test")
_HINT = (
    "Expected is policy_<split>_data.csv, separated by tabs, as published at "
    "https://github.com/AbhilashaRavichander/PrivacyQA_EMNLP."
)
_COLUMNS = ("DocID", "QueryID", "SentID", "Query", "Segment", "Any_Relevant")
_LABELS: Mapping[str, bool] = {"relevant": True, "irrelevant": False}
_Line = Mapping[str, str]


def load(folder: Path, split: str) -> Benchmark:
    """Read ``policy_<split>_data.csv``: a line for each question and sentence of its policy.

    A policy's text is its sentences, a line each. Raises DocumentError for a missing file, a
    missing column, and with the line's number for a label that is none.
    """
    path = folder / f"policy_{split}_data.csv"
    lines = read_document(path, hint=_HINT).splitlines(keepends=True)
    table = csv.DictReader(lines, delimiter="\t")
    if missing := [name for name in _COLUMNS if name not in (table.fieldnames or ())]:
        raise DocumentError(f"{str(path)!r} has no column {missing[0]!r}", hint=_HINT)
    sentences: dict[str, dict[str, str]] = {}
    asked: dict[str, tuple[str, str]] = {}
    relevant: dict[str, set[str]] = {}
    for row in table:
        label = _LABELS.get((row["Any_Relevant"] or "").strip().lower())
        if label is None:
            raise DocumentError(
                f"{str(path)!r}, line {table.line_num}: the label {row['Any_Relevant']!r} is "
                "neither 'Relevant' nor 'Irrelevant'",
                hint=_HINT,
            )
        sentences.setdefault(row["DocID"], {})[row["SentID"]] = " ".join(row["Segment"].split())
        asked[row["QueryID"]] = row["DocID"], row["Query"].strip()
        relevant.setdefault(row["QueryID"], set()).update([row["SentID"]] if label else ())
    if not asked:
        raise DocumentError(f"{str(path)!r} holds no question", hint=_HINT)
    units = {document: _units(own) for document, own in sentences.items()}
    cases = []
    for id_, (document, question) in asked.items():
        gold = tuple(
            (span,)
            for name, span in zip(sentences[document], units[document], strict=True)
            if name in relevant[id_] and span.end > span.start
        )
        expect = {document: Expected(bool(gold), gold)}
        cases.append(Case(id_, question, "question", split, (document,), expect))
    texts = {document: "\n".join(own.values()) for document, own in sentences.items()}
    return Benchmark(f"privacyqa/{split}", tuple(cases), texts, units=units)


def _units(sentences: Mapping[str, str]) -> tuple[Span, ...]:
    return tuple(_spans(sentences.values()))


def _spans(sentences: Iterable[str]) -> Iterable[Span]:
    start = 0
    for sentence in sentences:
        yield Span(start, start + len(sentence))
        start += len(sentence) + 1
