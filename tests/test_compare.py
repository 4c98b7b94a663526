"""Comparisons: a table of answers whose cells show and never act."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from fakes import ANY_TEXT, an_answer
from hypothesis import given
from typer.testing import CliRunner

from index.errors import UsageError
from qa.assistant import Assistant
from qa.cli import app
from qa.compare import (
    COMMON_QUESTIONS,
    NOT_READ,
    NOT_STATED,
    Comparison,
    compare,
    comparison_csv,
    comparison_markdown,
    defused,
    read_questions,
)
from qa.types import Answer

FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "＝1"]


def table_of(*said: str, question: str = "what?", name: str = "Acme") -> Comparison:
    answer = replace(an_answer(*said, name=name), question=question)
    return compare(lambda _: answer, [question], ["acme"])


def test_every_question_is_asked_once_and_every_policy_has_a_cell() -> None:
    asked: list[str] = []

    def ask(question: str) -> Answer:
        asked.append(question)
        return replace(an_answer("We do."), question=question)

    table = compare(ask, ["a?", " b? ", "a?", ""], ["acme", "other"])
    assert asked == ["a?", "b?"]
    assert [(row.question, len(row.cells)) for row in table.rows] == [("a?", 2), ("b?", 2)]
    assert NOT_READ in comparison_csv(table)


def test_what_is_not_stated_is_said_to_be_so() -> None:
    table = compare(lambda _: an_answer("Far away.", p_stated=0.2), ["a?"], ["acme"])
    assert NOT_STATED in comparison_csv(table)
    assert "Far away" not in comparison_csv(table)


def test_progress_is_told() -> None:
    told: list[tuple[str, int, int]] = []
    compare(
        lambda q: replace(an_answer("x"), question=q), ["a?", "b?"], ["acme"],
        progress=lambda *step: told.append(step),
    )  # fmt: skip
    assert told == [("a?", 1, 2), ("b?", 2, 2)]


@pytest.mark.parametrize(
    ("questions", "policies"), [([], ["a"]), (["", " "], ["a"]), (["a?"], []), (["a?"], ["a"] * 51)]
)
def test_too_few_and_too_many_are_refused(questions: list[str], policies: list[str]) -> None:
    with pytest.raises(UsageError):
        compare(lambda _: an_answer("x"), questions, policies)


@pytest.mark.parametrize("formula", FORMULAS)
def test_a_formula_is_defused_in_every_cell(formula: str) -> None:
    table = table_of(formula, question=formula, name=formula)
    for cell in next(csv.reader(io.StringIO(comparison_csv(table)))):
        assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert defused(formula).startswith("'")


@given(text=ANY_TEXT)
def test_no_text_adds_a_row_a_column_or_a_formula(text: str) -> None:
    table = table_of(text, name=f"A {text}")
    rows = list(csv.reader(io.StringIO(comparison_csv(table))))
    assert [len(row) for row in rows] == [2, 2]
    assert not any(
        cell.startswith(("=", "+", "-", "@", "\t", "\r")) for row in rows for cell in row
    )
    assert len(comparison_markdown(table).splitlines()) == 3


def test_questions_are_read_one_a_line(tmp_path: Path) -> None:
    file = tmp_path / "questions.txt"
    file.write_text("\ufeff# common\nis data sold?\n\n  where?  \n", encoding="utf-8")
    assert read_questions(file) == ("is data sold?", "  where?  ")


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00x"])
def test_a_file_of_questions_that_cannot_be_read_is_an_error(
    tmp_path: Path, content: bytes | None
) -> None:
    file = tmp_path / "questions.txt"
    if content:
        file.write_bytes(content)
    with pytest.raises(UsageError):
        read_questions(file)


def test_the_assistant_compares_by_names_and_by_all(indexed_home: Path) -> None:
    assistant = Assistant.open(indexed_home)
    try:
        two = assistant.compare(["is my data sold?"], ["Webee", "wepos"])
        everything = assistant.compare(COMMON_QUESTIONS[:2])
    finally:
        assistant.close()
    assert two.policies == ("webee", "wepos")
    assert [cell.policy for cell in two.rows[0].cells if cell] == ["webee", "wepos"]
    assert len(everything.policies) == 5
    retention = dict(zip(everything.policies, everything.rows[0].cells, strict=True))
    cell = retention["web1on1"]
    assert cell
    assert "90 days" in cell.text


def test_the_command_prints_csv_json_and_markdown(indexed_home: Path, tmp_path: Path) -> None:
    file = tmp_path / "questions.txt"
    file.write_text("how long is data retained?\nis data sold?\n", encoding="utf-8")

    def run(*args: str) -> str:
        command = ["compare", "--questions", str(file), "--home", str(indexed_home), *args]
        result = CliRunner().invoke(app, command, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.stdout

    rows = list(csv.reader(io.StringIO(run("--csv"))))
    assert len(rows) == 3
    assert {len(row) for row in rows} == {6}
    cells = json.loads(run("--json", "--policy", "webee"))["rows"][0]["cells"]
    assert cells[0]["policy"] == "webee"
    assert run().startswith("| Question |")
    wrong = CliRunner().invoke(app, ["compare", "--csv", "--json"])
    assert wrong.exit_code == 2
