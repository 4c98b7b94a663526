"""Benchmarks: what the files say becomes cases, and a fault names its file, line and reason."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from eval.benchmarks import Benchmark, Case, opp115, policy_questions
from index.errors import DocumentError
from index.types import Span

Row = dict[str, object]
Load = Callable[[Path, str], Benchmark]

POLICY = "# Lemonade\n\nWe keep orders for 30 days.\nWe keep orders for 30 days.\nAsk café staff.\n"
STATED: Row = {
    "id": "lemonade-001",
    "policy": "lemonade",
    "kind": "factoid",
    "question": "How long are orders kept?",
    "answerable": True,
    "quotes": ["We keep orders for 30 days."],
    "answer": "30 days",
}
NOT_STATED: Row = {
    "id": "lemonade-002",
    "policy": "lemonade",
    "kind": "near_miss",
    "question": "How long are recipes kept?",
    "answerable": False,
    "quotes": [],
    "near": ["We keep orders for 30 days."],
    "answer": "",
}
MARKED: Row = {
    "id": "lemonade.com:retention",
    "policy": "lemonade.com",
    "practice": "retention",
    "question": "How long do you keep my data?",
    "answerable": True,
    "evidence": [[40, 67]],
    "also_ok": [[12, 39], [40, 67]],
}
UNMARKED: Row = {
    "id": "lemonade.com:children",
    "policy": "lemonade.com",
    "practice": "children",
    "question": "What does the policy say about children?",
    "answerable": False,
    "evidence": [],
    "also_ok": [],
}


def write(questions: Path, policy: Path, rows: list[Row]) -> None:
    policy.parent.mkdir(parents=True)
    policy.write_bytes(POLICY.encode())
    questions.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def write_policy_questions(folder: Path, *rows: Row) -> Path:
    write(folder / "dev.jsonl", folder / "policies" / "lemonade.md", list(rows))
    return folder


def write_opp115(folder: Path, *rows: Row) -> Path:
    split = folder / "dev"
    write(split / "questions.jsonl", split / "policies" / "lemonade.com.txt", list(rows))
    return folder


def test_a_verbatim_quote_is_gold_wherever_it_stands(tmp_path: Path) -> None:
    benchmark = policy_questions.load(write_policy_questions(tmp_path, STATED, NOT_STATED), "dev")
    stated, not_stated = benchmark.cases
    assert stated == Case(
        id="lemonade-001",
        policy="lemonade",
        question="How long are orders kept?",
        answerable=True,
        kind="factoid",
        gold=(Span(12, 39), Span(40, 67)),
    )
    assert {span.of(POLICY) for span in stated.gold} == {"We keep orders for 30 days."}
    assert (not_stated.kind, not_stated.answerable, not_stated.gold) == ("near_miss", False, ())
    assert benchmark.policies == {"lemonade": tmp_path / "policies" / "lemonade.md"}


def test_gold_is_what_two_experts_marked_and_what_one_did(tmp_path: Path) -> None:
    benchmark = opp115.load(write_opp115(tmp_path, MARKED, UNMARKED), "dev")
    marked, unmarked = benchmark.cases
    assert (marked.kind, marked.gold) == ("retention", (Span(12, 39), Span(40, 67)))
    assert (unmarked.kind, unmarked.answerable, unmarked.gold) == ("children", False, ())
    assert benchmark.policies == {
        "lemonade.com": tmp_path / "dev" / "policies" / "lemonade.com.txt"
    }


def test_places_of_a_quote_may_share_characters(tmp_path: Path) -> None:
    folder = write_policy_questions(tmp_path, {**STATED, "quotes": ["aXa"]})
    (folder / "policies" / "lemonade.md").write_text("aXaXa", encoding="utf-8")
    assert policy_questions.load(folder, "dev").cases[0].gold == (Span(0, 3), Span(2, 5))


@pytest.mark.parametrize("newline", ["\r\n", "\r"])
def test_offsets_are_of_the_text_with_normalised_newlines(tmp_path: Path, newline: str) -> None:
    folder = write_policy_questions(tmp_path, {**STATED, "quotes": ["30 days.\nAsk café"]})
    policy = folder / "policies" / "lemonade.md"
    policy.write_bytes(POLICY.replace("\n", newline).encode())
    (span,) = policy_questions.load(folder, "dev").cases[0].gold
    assert span.of(POLICY) == "30 days.\nAsk café"


def test_only_a_newline_ends_a_line(tmp_path: Path) -> None:
    question = "How long\u2028are orders kept?"
    folder = write_policy_questions(tmp_path, STATED)
    line = json.dumps({**STATED, "question": question}, ensure_ascii=False)
    (folder / "dev.jsonl").write_bytes(f"\r\n{line}\r\n\n".encode())
    assert [case.question for case in policy_questions.load(folder, "dev").cases] == [question]


def test_only_policies_that_are_asked_about_are_read(tmp_path: Path) -> None:
    folder = write_policy_questions(tmp_path, STATED)
    (folder / "policies" / "unasked.md").write_bytes(b"\xff")
    assert list(policy_questions.load(folder, "dev").policies) == ["lemonade"]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({**STATED, "quotes": ["We keep orders for 31 days."]}, "'We keep orders for 31 days.' is"),
        ({**STATED, "quotes": [" "]}, "quotes.0: "),
        ({**STATED, "quotes": []}, "answerable and has no evidence"),
        ({**NOT_STATED, "quotes": ["Ask café staff."]}, "not answerable and has evidence"),
        ({**STATED, "answerable": "yes"}, "answerable: Input should be a valid boolean"),
        ({"id": "lemonade-003"}, "policy: Field required"),
    ],
)
def test_a_bad_policy_question_is_named(tmp_path: Path, row: Row, reason: str) -> None:
    folder = write_policy_questions(tmp_path, NOT_STATED, {**row, "id": "lemonade-003"})
    assert_fault(policy_questions.load, folder, str(folder / "dev.jsonl"), "line 2", reason)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (
            {**MARKED, "evidence": [[40, 900]]},
            f"[40, 900) does not lie in the policy's {len(POLICY)}",
        ),
        ({**MARKED, "also_ok": [[-1, 9]]}, "[-1, 9) does not lie"),
        ({**MARKED, "also_ok": [[9, 9]]}, "[9, 9) does not lie"),
        ({**MARKED, "evidence": [[1, 2, 3]]}, "evidence.0"),
        ({**MARKED, "evidence": [[1, "2"]]}, "evidence.0.1: Input should be a valid integer"),
        ({**MARKED, "evidence": [], "also_ok": []}, "answerable and has no evidence"),
        ({**UNMARKED, "also_ok": [[0, 9]]}, "not answerable and has evidence"),
    ],
)
def test_a_bad_practice_question_is_named(tmp_path: Path, row: Row, reason: str) -> None:
    folder = write_opp115(tmp_path, {**UNMARKED, "id": "first"}, row)
    questions = str(folder / "dev" / "questions.jsonl")
    assert_fault(opp115.load, folder, questions, "line 2", reason)


@pytest.mark.parametrize(
    ("line", "reason"),
    [(b'{"id": ', "Invalid JSON"), (b"[]", "object"), (b'{"id": "\xff"}', "JSON")],
)
def test_an_unreadable_line_is_named(tmp_path: Path, line: bytes, reason: str) -> None:
    folder = write_policy_questions(tmp_path, STATED)
    with (folder / "dev.jsonl").open("ab") as file:
        file.write(b"\n" + line)
    assert_fault(policy_questions.load, folder, str(folder / "dev.jsonl"), "line 3", reason)


def test_an_id_that_stands_twice_is_named(tmp_path: Path) -> None:
    folder = write_policy_questions(tmp_path, STATED, STATED)
    assert_fault(policy_questions.load, folder, "line 2", "'lemonade-001' stands twice")


def test_a_missing_questions_file_is_named_with_the_layout(tmp_path: Path) -> None:
    missing = str(tmp_path / "dev.jsonl")
    hint = assert_fault(policy_questions.load, tmp_path, f"{missing!r} is missing")
    assert "policies/<policy>.md" in hint
    assert "opentermsarchive.org" in hint
    missing = str(tmp_path / "dev" / "questions.jsonl")
    hint = assert_fault(opp115.load, tmp_path, f"{missing!r} is missing")
    assert "<split>/policies/<policy>.txt" in hint
    assert "https://usableprivacy.org/data" in hint


def test_a_missing_policy_file_is_named(tmp_path: Path) -> None:
    folder = write_opp115(tmp_path, {**UNMARKED, "policy": "tea.com"})
    policy = str(folder / "dev" / "policies" / "tea.com.txt")
    assert_fault(opp115.load, folder, f"{policy!r} is missing")


def test_a_policy_that_is_not_text_is_named(tmp_path: Path) -> None:
    folder = write_policy_questions(tmp_path, STATED)
    policy = folder / "policies" / "lemonade.md"
    policy.write_bytes(b"caf\xe9")
    assert_fault(policy_questions.load, folder, f"{str(policy)!r} is not UTF-8")
    policy.unlink()
    policy.mkdir()
    assert_fault(policy_questions.load, folder, f"{str(policy)!r} cannot be read")


def test_a_set_without_questions_is_refused(tmp_path: Path) -> None:
    assert_fault(policy_questions.load, write_policy_questions(tmp_path), "holds no question")


def assert_fault(load: Load, folder: Path, *parts: str) -> str:
    """Check that loading fails with a message that holds all parts; return the error's hint."""
    with pytest.raises(DocumentError) as caught:
        load(folder, "dev")
    assert not [part for part in parts if part not in caught.value.message], caught.value.message
    return caught.value.hint
