"""LegalBench-RAG: retrieval of the very characters that answer, over a corpus of documents.

Pipitone and Alami 2024, "LegalBench-RAG: A Benchmark for Retrieval-Augmented Generation in the
Legal Domain".
"""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from eval.benchmarks import Asked, Benchmark, Case, Expected, Texts, read_bytes, reason, within
from eval.metrics import Gold
from index.errors import DocumentError
from index.types import Span

SPLITS = ("privacy_qa", "contractnli", "cuad", "maud")
_HINT = (
    "Expected are benchmarks/<split>.json and corpus/<file_path>, as published at "
    "https://github.com/zeroentropy-ai/legalbenchrag."
)


class _Snippet(BaseModel):
    file_path: str
    span: Span


class _Test(BaseModel):
    query: Asked
    snippets: tuple[_Snippet, ...]


class _File(BaseModel):
    model_config = ConfigDict(frozen=True)

    tests: tuple[_Test, ...]


def load(folder: Path, split: str) -> Benchmark:
    """Read ``benchmarks/<split>.json`` and the documents that its snippets are from.

    Each query is put to all documents. Raises DocumentError for a missing or malformed file, a
    path that leads out of the corpus, and a snippet that does not lie in its document.
    """
    path = folder / "benchmarks" / f"{split}.json"
    try:
        parsed = _File.model_validate_json(read_bytes(path, hint=_HINT))
    except ValidationError as exc:
        raise DocumentError(f"{str(path)!r}: {reason(exc)}", hint=_HINT) from exc
    texts = Texts(folder / "corpus", hint=_HINT)
    cases = []
    for number, test in enumerate(parsed.tests, start=1):
        try:
            expect = _expected(test, texts)
        except ValueError as exc:
            message = f"{str(path)!r}, test {number}: {exc}"
            raise DocumentError(message, hint=_HINT) from exc
        cases.append(Case(f"{split}-{number}", test.query, split, split, (), expect))
    if not cases:
        raise DocumentError(f"{str(path)!r} holds no test", hint=_HINT)
    name = f"legalbench-rag/{split}"
    return Benchmark(name, tuple(cases), texts, texts.files, task="search", clustered_by="case")


def _expected(test: _Test, texts: Texts) -> dict[str, Expected]:
    if not test.snippets:
        raise ValueError("it has no snippet")
    gold: dict[str, Gold] = {}
    for snippet in test.snippets:
        name = snippet.file_path
        gold[name] = (*gold.get(name, ()), within([snippet.span], texts[name]))
    return {name: Expected(True, spans) for name, spans in gold.items()}
