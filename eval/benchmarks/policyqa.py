"""PolicyQA, the data set: reading comprehension over policies' segments, in SQuAD's format.

Ahmad et al. 2020, "PolicyQA: A Reading Comprehension Dataset for Privacy Policies". It shares its
name with this program and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from eval.benchmarks import Benchmark, Case, Expected, read_bytes, reason, within
from index.errors import DocumentError
from index.types import Span

SPLITS = ("train", "dev", "test")
_HINT = (
    "Expected is <split>.json in SQuAD's format, as published at "
    "https://github.com/wasiahmad/PolicyQA."
)


class _Answer(BaseModel):
    text: str
    answer_start: int


class _Question(BaseModel):
    id: str
    question: str
    answers: tuple[_Answer, ...]
    type: str = ""


class _Paragraph(BaseModel):
    context: str
    qas: tuple[_Question, ...]


class _Article(BaseModel):
    title: str
    paragraphs: tuple[_Paragraph, ...]


class _File(BaseModel):
    model_config = ConfigDict(frozen=True)

    data: tuple[_Article, ...]


def load(folder: Path, split: str) -> Benchmark:
    """Read ``<split>.json``. A case's one policy is its passage; its kind is the practice asked for.

    Raises DocumentError for a missing or malformed file, an id that stands twice, and an answer
    that does not stand where it is said to.
    """
    path = folder / f"{split}.json"
    try:
        parsed = _File.model_validate_json(read_bytes(path, hint=_HINT))
    except ValidationError as exc:
        raise DocumentError(f"{str(path)!r}: {reason(exc)}", hint=_HINT) from exc
    texts: dict[str, str] = {}
    cases: dict[str, Case] = {}
    for title, passage, question in _questions(parsed):
        texts[title] = passage
        try:
            if question.id in cases:
                raise ValueError("the id stands twice")
            cases[question.id] = _case(question, title, passage, split)
        except ValueError as exc:
            message = f"{str(path)!r}, the question {question.id!r}: {exc}"
            raise DocumentError(message, hint=_HINT) from exc
    if not cases:
        raise DocumentError(f"{str(path)!r} holds no question", hint=_HINT)
    return Benchmark(f"policyqa/{split}", tuple(cases.values()), texts, task="read")


def _questions(parsed: _File) -> Iterator[tuple[str, str, _Question]]:
    for article in parsed.data:
        for number, paragraph in enumerate(article.paragraphs):
            for question in paragraph.qas:
                yield f"{article.title}#{number}", paragraph.context, question


def _case(question: _Question, title: str, passage: str, split: str) -> Case:
    answers = question.answers
    for answer in answers:
        end = answer.answer_start + len(answer.text)
        if answer.answer_start < 0 or passage[answer.answer_start : end] != answer.text:
            raise ValueError(f"the answer {answer.text!r} does not stand at {answer.answer_start}")
    spans = (Span(a.answer_start, a.answer_start + len(a.text)) for a in answers)
    gold = (within(spans, passage),) if answers else ()
    expected = {title: Expected(bool(gold), gold)}
    kind = question.type.partition("|")[0] or "unknown"
    return Case(question.id, question.question, kind, split, (title,), expected)
