"""Benchmarks: what the files say becomes cases, and a fault names its file, line and reason."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from eval.benchmarks import (
    Benchmark,
    Case,
    Expected,
    gold,
    legalbench_rag,
    opp115,
    policy_questions,
    policyqa,
    privacyqa,
    sets,
)
from index.errors import DocumentError, UsageError
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
    places = (Span(12, 39), Span(40, 67))
    assert stated == Case(
        id="lemonade-001",
        question="How long are orders kept?",
        kind="factoid",
        split="dev",
        policies=("lemonade",),
        expect={"lemonade": Expected(stated=True, gold=(places,))},
    )
    assert {span.of(POLICY) for span in places} == {"We keep orders for 30 days."}
    assert not_stated.kind == "near_miss"
    assert not_stated.expect == {"lemonade": Expected(stated=False)}
    assert benchmark.files == {"lemonade": tmp_path / "policies" / "lemonade.md"}
    assert benchmark.texts == {"lemonade": POLICY}


def test_gold_is_what_two_experts_marked_and_what_one_did(tmp_path: Path) -> None:
    benchmark = opp115.load(write_opp115(tmp_path, MARKED, UNMARKED), "dev")
    marked, unmarked = benchmark.cases
    assert marked.kind == "retention"
    assert marked.expect["lemonade.com"] == Expected(True, ((Span(12, 39), Span(40, 67)),))
    assert unmarked.kind == "children"
    assert unmarked.expect["lemonade.com"] == Expected(stated=False)
    assert benchmark.files == {"lemonade.com": tmp_path / "dev" / "policies" / "lemonade.com.txt"}


def test_places_of_a_quote_may_share_characters(tmp_path: Path) -> None:
    folder = write_policy_questions(tmp_path, {**STATED, "quotes": ["aXa"]})
    (folder / "policies" / "lemonade.md").write_text("aXaXa", encoding="utf-8")
    case = policy_questions.load(folder, "dev").cases[0]
    assert case.expect["lemonade"].gold == ((Span(0, 3), Span(2, 5)),)


@pytest.mark.parametrize("newline", ["\r\n", "\r"])
def test_offsets_are_of_the_text_with_normalised_newlines(tmp_path: Path, newline: str) -> None:
    folder = write_policy_questions(tmp_path, {**STATED, "quotes": ["30 days.\nAsk café"]})
    policy = folder / "policies" / "lemonade.md"
    policy.write_bytes(POLICY.replace("\n", newline).encode())
    case = policy_questions.load(folder, "dev").cases[0]
    ((span,),) = case.expect["lemonade"].gold
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
    assert list(policy_questions.load(folder, "dev").texts) == ["lemonade"]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({**STATED, "quotes": ["We keep orders for 31 days."]}, "'We keep orders for 31 days.' is"),
        ({**STATED, "quotes": [" "]}, "quotes.0: "),
        ({**STATED, "quotes": []}, "answerable and has no evidence"),
        ({**NOT_STATED, "quotes": ["Ask café staff."]}, "not answerable and has evidence"),
        ({**STATED, "answerable": "yes"}, "answerable: Input should be a valid boolean"),
        ({"id": "lemonade-003"}, "question: Field required"),
        ({**STATED, "question": "x" * 2001}, "question: the question has 2,001"),
        ({**STATED, "question": " "}, "question: the question is empty"),
        ({**STATED, "question": "Who\x00?"}, "characters that cannot be shown"),
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


@pytest.mark.parametrize("name", ["../secret", "/etc/secret"])
def test_a_policy_name_is_no_way_out_of_the_folder(tmp_path: Path, name: str) -> None:
    folder = write_policy_questions(tmp_path, {**STATED, "policy": name})
    (tmp_path / "secret.md").write_text(POLICY, encoding="utf-8")
    assert_fault(policy_questions.load, folder, f"{name!r} leads out of")


# The gold questions, over the policies that come with the package.

QUOTE = "We retain your usage data for a period of 90 days after your trial"
CASE: Row = {
    "id": "trial",
    "question": "When is it gone?",
    "policies": ["web1on1"],
    "kind": "factoid",
    "split": "train",
    "expect": {"web1on1": {"status": "stated", "quotes": [[QUOTE, "90 days"]], "facts": ["90"]}},
}
SILENT: Row = {
    "id": "weather",
    "question": "Will it rain?",
    "kind": "out_of_domain",
    "split": "test",
    "expect": {"webee": {"status": "not_stated"}},
}


def write_gold(folder: Path, *rows: Row) -> Path:
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "cases.jsonl").write_text(text, encoding="utf-8")
    return folder


def expecting(**changes: object) -> Row:
    return {**CASE, "expect": {"web1on1": {"status": "stated", "quotes": [[QUOTE]], **changes}}}


def test_gold_is_read_with_its_splits(tmp_path: Path) -> None:
    folder = write_gold(tmp_path, CASE, SILENT)
    both = gold.load(folder, "all")
    assert [case.id for case in both.cases] == ["trial", "weather"]
    assert both.cases[0].policies == ("web1on1",)
    assert both.cases[1].policies == ()
    expected = both.cases[0].expect["web1on1"]
    assert {place.of(both.texts["web1on1"]) for place in expected.gold[0]} == {QUOTE, "90 days"}
    assert expected.facts == ("90",)
    for split in ("train", "test"):
        assert {case.split for case in gold.load(folder, split).cases} == {split}


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (expecting(quotes=[["We retain it for 91 days"]]), "'We retain it for 91 days' is not in"),
        (expecting(quotes=[[]]), "quotes.0"),
        (expecting(quotes=[]), "quotes exactly when its status is 'stated'"),
        (expecting(status="not_stated"), "quotes exactly when its status is 'stated'"),
        (expecting(facts=["("]), "'(' is no regular expression"),
        (expecting(passage=3), "expect.web1on1.passage: Extra"),
        (
            {**CASE, "expect": {"acme": {"status": "not_stated"}}, "policies": []},
            "'acme' is none of",
        ),
        ({**CASE, "policies": ["webee"]}, "'expect' does not name the very policies"),
        ({**CASE, "expect": {}}, "expect: "),
        ({**CASE, "kind": "riddle"}, "kind: "),
        ({**CASE, "split": "dev"}, "split: "),
        ({**SILENT, "id": "first"}, "'first' stands twice"),
    ],
)
def test_a_bad_gold_case_is_named(tmp_path: Path, row: Row, reason: str) -> None:
    folder = write_gold(tmp_path, {**SILENT, "id": "first"}, {**row, "id": row["id"]})
    load: Load = lambda where, _: gold.load(where, "all")  # noqa: E731
    hint = assert_fault(load, folder, str(folder / "cases.jsonl"), "line 2", reason)
    assert "eval/gold/README.md" in hint


def test_an_id_may_not_stand_in_two_files(tmp_path: Path) -> None:
    write_gold(tmp_path, CASE)
    (tmp_path / "more.jsonl").write_text(json.dumps(CASE), encoding="utf-8")
    with pytest.raises(DocumentError, match=r"more\.jsonl', line 1: the id 'trial' stands twice"):
        gold.load(tmp_path, "all")


def test_the_projects_own_gold_is_large_varied_and_split_in_half() -> None:
    cases = gold.load(gold.GOLD, "all").cases
    kinds = {case.kind for case in cases}
    assert len(cases) >= 150
    assert len(kinds) == 14
    for kind in kinds:
        splits = [case.split for case in cases if case.kind == kind]
        assert len(splits) >= 8
        assert abs(splits.count("train") - splits.count("test")) <= 1
    unanswerable = [c for c in cases if not any(e.stated for e in c.expect.values())]
    assert 0.28 < len(unanswerable) / len(cases) < 0.4
    whole = [case for case in cases if case.kind == "whole_corpus"]
    assert all(len(case.expect) == 5 and not case.policies for case in whole)


# Published sets: a little of each format, written for this test.

SQUAD = {
    "data": [
        {
            "title": "tea.com",
            "paragraphs": [
                {
                    "context": "We keep orders. We keep them for 30 days.",
                    "qas": [
                        {
                            "id": "q1",
                            "question": "How long?",
                            "type": "Data Retention|||Period",
                            "answers": [{"text": "30 days", "answer_start": 33}],
                        }
                    ],
                }
            ],
        }
    ]
}


def test_reading_comprehension_is_read(tmp_path: Path) -> None:
    (tmp_path / "dev.json").write_text(json.dumps(SQUAD), encoding="utf-8")
    benchmark = policyqa.load(tmp_path, "dev")
    (case,) = benchmark.cases
    assert (benchmark.task, case.kind, case.policy) == ("read", "Data Retention", "tea.com#0")
    assert case.expect["tea.com#0"].gold[0][0].of(benchmark.texts["tea.com#0"]) == "30 days"


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('"answer_start": 33', '"answer_start": 32', "'30 days' does not stand at 32"),
        ('"answer_start": 33', '"answer_start": -8', "does not stand at -8"),
        ('"context": ', '"passage": ', "context: Field required"),
        ("{", "", "Invalid JSON"),
    ],
)
def test_a_bad_reading_question_is_named(tmp_path: Path, old: str, new: str, reason: str) -> None:
    (tmp_path / "dev.json").write_text(json.dumps(SQUAD).replace(old, new, 1), encoding="utf-8")
    hint = assert_fault(policyqa.load, tmp_path, str(tmp_path / "dev.json"), reason)
    assert "github.com/wasiahmad/PolicyQA" in hint


def write_legalbench(folder: Path, *snippets: Row) -> Path:
    for name in ("benchmarks", "corpus/apps"):
        (folder / name).mkdir(parents=True)
    (folder / "corpus" / "apps" / "Tea: To Drink.txt").write_text(POLICY, encoding="utf-8")
    tests = [{"query": "Consider Tea's privacy policy; how long?", "snippets": snippets}]
    (folder / "benchmarks" / "privacy_qa.json").write_text(json.dumps({"tests": tests}))
    return folder


def load_legalbench(folder: Path, _: str) -> Benchmark:
    return legalbench_rag.load(folder, "privacy_qa")


def test_retrieval_tests_are_read_with_their_corpus(tmp_path: Path) -> None:
    name = "apps/Tea: To Drink.txt"
    spans = ([12, 39], [68, 83])
    folder = write_legalbench(tmp_path, *({"file_path": name, "span": span} for span in spans))
    benchmark = load_legalbench(folder, "")
    (case,) = benchmark.cases
    assert (benchmark.task, case.policies) == ("search", ())
    assert case.expect[name].gold == ((Span(12, 39),), (Span(68, 83),))
    assert benchmark.files == {name: folder / "corpus" / name}


@pytest.mark.parametrize(
    ("snippet", "reason"),
    [
        ({"file_path": "apps/Tea: To Drink.txt", "span": [0, 999]}, "test 1: the span [0, 999)"),
        ({"file_path": "../benchmarks/privacy_qa.json", "span": [0, 1]}, "leads out of"),
        ({"file_path": "apps/coffee.txt", "span": [0, 1]}, "coffee.txt' is missing"),
        ({"file_path": "apps/coffee.txt"}, "tests.0.snippets.0.span: Field required"),
    ],
)
def test_a_bad_retrieval_test_is_named(tmp_path: Path, snippet: Row, reason: str) -> None:
    hint = assert_fault(load_legalbench, write_legalbench(tmp_path, snippet), reason)
    assert "zeroentropy-ai/legalbenchrag" in hint


LABELLED = """DocID\tQueryID\tSentID\tSplit\tQuery\tSegment\tAny_Relevant
tea\tq1\ts1\ttest\thow long?\tWe keep  orders for 30 days.\tRelevant
tea\tq1\ts2\ttest\thow long?\tAsk café staff.\tIrrelevant
tea\tq2\ts1\ttest\twho?\tWe keep  orders for 30 days.\tIrrelevant
tea\tq2\ts2\ttest\twho?\tAsk café staff.\tIrrelevant
"""


def load_privacyqa(folder: Path, _: str) -> Benchmark:
    return privacyqa.load(folder, "test")


def test_labelled_sentences_are_read(tmp_path: Path) -> None:
    (tmp_path / "policy_test_data.csv").write_text(LABELLED, encoding="utf-8")
    benchmark = load_privacyqa(tmp_path, "")
    text = benchmark.texts["tea"]
    assert text == "We keep orders for 30 days.\nAsk café staff."
    assert [unit.of(text) for unit in benchmark.units["tea"]] == text.splitlines()
    one, other = benchmark.cases
    assert one.expect["tea"] == Expected(True, ((Span(0, 27),),))
    assert other.expect["tea"] == Expected(stated=False)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("\tAny_Relevant", "", "no column 'Any_Relevant'"),
        ("Irrelevant", "perhaps", "line 3: the label 'perhaps'"),
    ],
)
def test_a_bad_label_is_named(tmp_path: Path, old: str, new: str, reason: str) -> None:
    file = tmp_path / "policy_test_data.csv"
    file.write_text(LABELLED.replace(old, new, 1), encoding="utf-8")
    hint = assert_fault(load_privacyqa, tmp_path, reason)
    assert "PrivacyQA_EMNLP" in hint


def test_every_set_says_what_is_missing(tmp_path: Path) -> None:
    for name, known in sets.SETS.items():
        for split in known.splits:
            with pytest.raises(DocumentError) as caught:
                sets.load(name, split, tmp_path / "nothing")
            assert str(tmp_path / "nothing") in caught.value.message
            assert caught.value.hint
        if known.folder is None:
            with pytest.raises(UsageError, match="does not come with policyqa"):
                sets.load(name, None, None)


def test_an_unknown_set_or_split_is_refused() -> None:
    with pytest.raises(UsageError, match="no set 'riddles'"):
        sets.load("riddles", None, None)
    with pytest.raises(UsageError, match="'gold' has no split 'dev'"):
        sets.load("gold", "dev", None)
