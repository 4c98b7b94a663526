"""The command line: results on stdout, the rest on stderr, and an exit status that tells."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from threading import Timer
from typing import Any

import pytest
from fakes import HOSTILE
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from index.build import CORPUS
from index.catalog import FILE_NAME
from qa import render
from qa.cli import app

Json = dict[str, Any]

BUNDLED = ["web1on1", "webee", "webengage", "wecloudit", "wepos"]
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
QUESTION = "how long is data retained?"
QUESTIONS = [
    QUESTION,
    "Who gets my data?",
    "which cookies are set, and for how long?",
    "What rights do I have?",
    "Does WeCloudit sell my personal information?",
    "What is the capital of France?",
    "asdf qwer",
    "How long does Spotify keep my history?",
]
CITATION = [
    "marker",
    "quote",
    "start",
    "end",
    "section",
    "page",
    "source",
    "sha256",
    "context",
    "emphasis",
    "hedges",
]
TOO_LONG = f"/tmp/{'a' * 300}"


def policyqa(home: Path | str, *args: str, stdin: str | bytes = b"", **env: str) -> Result:
    """Run the program in this process; an exception that it does not handle fails the test."""
    outside = {name: None for name in os.environ if name.upper().startswith("POLICYQA_")}
    settings = {**outside, "POLICYQA_HOME": str(home), **env}
    return CliRunner().invoke(app, list(args), input=stdin, env=settings, catch_exceptions=False)


def done(home: Path, *args: str, stdin: str | bytes = b"") -> Json:
    """Return the JSON that a run printed, which must have gone well."""
    result = policyqa(home, *args, "--json", stdin=stdin)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert isinstance(found, dict)
    return found


def batch(
    home: Path, *lines: object, command: str = "ask", options: tuple[str, ...] = ()
) -> Result:
    """Run a batch over lines: bytes and text as they are, all else as JSON."""
    raw = [
        line
        if isinstance(line, bytes)
        else (line if isinstance(line, str) else json.dumps(line)).encode()
        for line in lines
    ]
    return policyqa(home, command, "--batch", "-", "--json", *options, stdin=b"\n".join(raw))


def results(result: Result) -> list[Json]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def refused(home: Path | str, *args: str, says: str, hint: str, status: int = 1) -> Json:
    """Check that a call is refused, to a person and to a program; return the error."""
    plain = policyqa(home, *args)
    assert plain.exit_code == status
    assert plain.stdout == ""
    said, advice = plain.stderr.splitlines()
    assert re.match(f"error: .*{says}", said)
    assert re.match(f"hint: .*{hint}", advice)
    result = policyqa(home, *args, "--json")
    assert result.exit_code == status
    assert result.stderr == ""
    found = json.loads(result.stdout)
    assert list(found) == ["error"]
    error: Json = found["error"]
    assert list(error) == ["code", "message", "hint"]
    assert render.printable(f"error: {error['message']}") == said
    assert render.printable(f"hint: {error['hint']}") == advice
    return error


def misused(home: Path, *args: str, says: str) -> None:
    """Check that a call is wrong usage, which is said plainly on stderr."""
    result = policyqa(home, *args)
    assert (result.exit_code, result.stdout) == (2, "")
    lines = result.stderr.splitlines()
    assert lines[0].startswith("Usage: ")
    assert " -h' for help" in lines[1]
    assert re.match(f"Error: .*{says}", lines[-1])


def words(company: str, *, days: int = 90) -> str:
    return (
        f"# {company} Privacy Policy\n\n{company} collects the name of each customer.\n\n"
        f"# Storage\n\n{company} keeps the data of each customer for {days} days.\n"
    )


def write(file: Path, content: str | bytes) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


@pytest.fixture
def home(indexed_home: Path) -> Path:
    """A home of the five policies, shared by all tests: to be read only."""
    return indexed_home


@pytest.fixture
def new_home(tmp_path: Path) -> Path:
    """A home that does not exist yet."""
    return tmp_path / "new" / "home"


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    """A folder with two policies, ``acme.txt`` and ``zeta.md``."""
    write(tmp_path / "docs" / "acme.txt", words("Acme"))
    write(tmp_path / "docs" / "zeta.md", words("Zeta"))
    return tmp_path / "docs"


@pytest.fixture(scope="module")
def answers(indexed_home: Path) -> dict[str, Json]:
    """Answers to real questions over the five policies, by question."""
    result = batch(indexed_home, *({"question": question} for question in QUESTIONS))
    assert result.exit_code == 0
    return dict(zip(QUESTIONS, results(result), strict=True))


@pytest.fixture(scope="module")
def shown(indexed_home: Path) -> dict[str, Json]:
    """What ``show --json`` says of each policy."""
    return {id_: done(indexed_home, "show", id_) for id_ in BUNDLED}


# What a program reads


@pytest.mark.parametrize("question", QUESTIONS)
def test_an_answer_has_the_fields_of_the_contract(answers: dict[str, Json], question: str) -> None:
    answer = answers[question]
    assert list(answer) == [
        "id", "question", "policies", "answers", "unknown_names", "omitted", "text", "engine",
        "problems", "seconds", "tokens_in", "tokens_out",
    ]  # fmt: skip
    assert answer["question"] == question
    assert answer["engine"] == "extractive"
    assert answer["omitted"] == 0
    codes = [problem["code"] for problem in answer["problems"]]
    assert codes == (["question_not_understood"] if question == "asdf qwer" else [])
    assert 0 < answer["seconds"] < 60
    for one in answer["answers"]:
        assert list(one) == [
            "policy", "name", "title", "status", "text", "p_stated", "confidence", "engine",
        "statements",
            "citations", "nearest",
        ]  # fmt: skip
        assert all(list(said) == ["text", "markers", "verified"] for said in one["statements"])
        assert all(list(cited) == CITATION for cited in [*one["citations"], *one["nearest"]])


@pytest.mark.parametrize("question", QUESTIONS)
def test_the_status_is_stated_exactly_when_it_is_likelier(
    answers: dict[str, Json], question: str
) -> None:
    sure = []
    for one in answers[question]["answers"]:
        assert one["status"] == ("stated" if one["p_stated"] >= 0.5 else "not_stated")
        assert one["confidence"] == pytest.approx(
            max(one["p_stated"], 1 - one["p_stated"]), abs=1e-4
        )
        assert bool(one["citations"]) == bool(one["statements"]) == (one["status"] == "stated")
        assert bool(one["nearest"]) == (one["status"] == "not_stated")
        sure.append(one["p_stated"])
    assert sure == sorted(sure, reverse=True)


@pytest.mark.parametrize("question", QUESTIONS)
def test_every_quote_stands_in_the_text_that_show_prints(
    answers: dict[str, Json], shown: dict[str, Json], question: str
) -> None:
    for one in answers[question]["answers"]:
        policy = shown[one["policy"]]
        for cited in [*one["citations"], *one["nearest"]]:
            assert policy["text"][cited["start"] : cited["end"]] == cited["quote"] != ""
            assert (cited["source"], cited["sha256"]) == (policy["source"], policy["sha256"])


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_marker_is_used_once_in_a_response(answers: dict[str, Json], question: str) -> None:
    all_markers: list[int] = []
    for one in answers[question]["answers"]:
        cited = [citation["marker"] for citation in one["citations"]]
        assert [marker for said in one["statements"] for marker in said["markers"]] == cited
        assert all(f"[{marker}]" in one["text"] for marker in cited)
        assert all(f"[{marker}]" in answers[question]["text"] for marker in cited)
        all_markers += cited + [citation["marker"] for citation in one["nearest"]]
    assert len(set(all_markers)) == len(all_markers)


@pytest.mark.parametrize("question", ["What is the capital of France?", "asdf qwer"])
def test_what_no_policy_is_about_is_not_cited(answers: dict[str, Json], question: str) -> None:
    answer = answers[question]
    assert [one["status"] for one in answer["answers"]] == ["not_stated"] * 5
    assert not any(one["citations"] for one in answer["answers"])


def test_an_unknown_company_is_said_to_be_unknown(answers: dict[str, Json], home: Path) -> None:
    question = "How long does Spotify keep my history?"
    answer = answers[question]
    assert answer["unknown_names"] == ["Spotify"]
    assert answer["answers"] == answer["policies"] == []
    assert answer["text"] == "No policy of Spotify is indexed."
    plain = policyqa(home, "ask", question)
    assert (plain.exit_code, plain.stdout) == (0, "No policy of Spotify is indexed.\n")


def test_one_question_is_answered_like_a_batch_of_it(answers: dict[str, Json], home: Path) -> None:
    alone = done(home, "ask", QUESTION)
    together = dict(answers[QUESTION])
    assert together.pop("id") is None
    assert {**alone, "seconds": 0} == {**together, "seconds": 0}


def test_show_gives_the_text_its_place_and_its_sections(shown: dict[str, Json]) -> None:
    for id_, policy in shown.items():
        file = CORPUS / f"{id_}.txt"
        assert list(policy) == [
            "policy", "title", "names", "source", "sources", "sha256", "updated", "characters",
            "passages", "text", "sections",
        ]  # fmt: skip
        assert policy["policy"] == id_
        assert policy["sha256"] == sha256(file.read_bytes()).hexdigest()
        assert policy["text"].encode() == file.read_bytes()
        assert policy["characters"] == len(policy["text"])
        assert (policy["source"], policy["sources"]) == (file.name, [str(file)])
        assert policy["sections"][0]["start"] == 0
        assert list(policy["sections"][0]) == ["start", "end", "number", "title", "path", "parent"]


def test_show_prints_the_text_as_it_is(home: Path, bundled: dict[str, str]) -> None:
    for id_, text in bundled.items():
        assert policyqa(home, "show", id_).stdout == text.removesuffix("\n") + "\n"


def test_policies_lists_what_show_shows(home: Path, shown: dict[str, Json]) -> None:
    found = done(home, "policies")
    assert list(found) == ["policies"]
    assert [row["policy"] for row in found["policies"]] == BUNDLED
    for row in found["policies"]:
        policy = shown[row["policy"]]
        assert row == {key: policy[key] for key in policy if key not in {"text", "sections"}}
        assert row["passages"] > 0


def test_search_ranks_evidence_over_all_policies(home: Path, shown: dict[str, Json]) -> None:
    found = done(home, "search", QUESTION, "--top-k", "7")
    assert list(found) == ["question", "results", "unknown_names"]
    assert found["question"] == QUESTION
    assert [result["rank"] for result in found["results"]] == [1, 2, 3, 4, 5, 6, 7]
    scores = [result["score"] for result in found["results"]]
    assert scores == sorted(scores, reverse=True)
    for result in found["results"]:
        assert list(result) == ["policy", "start", "end", "text", "section", "score", "rank"]
        text = shown[result["policy"]]["text"]
        assert text[result["start"] : result["end"]] == result["text"]


def test_search_takes_a_scope_and_a_batch(home: Path) -> None:
    alone = done(home, "search", QUESTION, "--policy", "wepos", "--policy", "Webee", "--top-k", "4")
    assert {result["policy"] for result in alone["results"]} <= {"wepos", "webee"}
    line = {"id": "x", "question": QUESTION, "policies": ["wepos", "Webee"]}
    result = batch(home, line, command="search", options=("--top-k", "4"))
    assert results(result) == [{"id": "x", **alone}]


def test_every_passage_can_be_found(home: Path, shown: dict[str, Json]) -> None:
    found = done(home, "search", QUESTION, "--top-k", "1000")
    assert len(found["results"]) == sum(policy["passages"] for policy in shown.values())


# Batches


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)  # fmt: skip


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ids=st.lists(JSON_VALUES, min_size=1, max_size=20))
def test_any_json_value_is_echoed_as_id(home: Path, ids: list[Any]) -> None:
    result = batch(home, *({"id": id_, "question": ""} for id_ in ids))
    assert [one["id"] for one in results(result)] == ids
    assert result.exit_code == 1


@pytest.mark.parametrize(
    ("line", "id_", "says"),
    [
        ("{not json", None, "line 1 is not valid JSON"),
        ("[1, 2]", None, "line 1 is not a JSON object"),
        ('"text"', None, "not a JSON object"),
        ("null", None, "not a JSON object"),
        ("{}", None, "no question"),
        ({"id": 3}, 3, "no question"),
        ({"id": "x", "question": None}, "x", "no question"),
        ({"id": [1], "question": 5}, [1], "no question"),
        ({"id": 1, "question": ["who?"]}, 1, "no question"),
        ({"id": 1, "question": "  "}, 1, "empty"),
        ({"id": 1, "question": "a" * 2001}, 1, "2,000"),
        ({"id": 1, "question": "a\x00b"}, 1, "NUL"),
        ({"id": 1, "question": "a\ud800b"}, 1, "cannot be shown"),
        ({"id": 1, "question": "who?", "policies": "webee"}, 1, "not a list of strings"),
        ({"id": 1, "question": "who?", "policies": [1]}, 1, "not a list of strings"),
        ({"id": 1, "question": "who?", "policies": False}, 1, "not a list of strings"),
        ({"id": 1, "question": "who?", "policies": ""}, 1, "not a list of strings"),
        ({"id": 1, "question": "who?", "policies": {}}, 1, "not a list of strings"),
        ({"id": 1, "question": "who?", "policies": ["webe"]}, 1, "no policy 'webe'"),
        ({"id": 1, "question": "who?", "policies": ["\x00\ud800"]}, 1, "no policy"),
        ('{"id": NaN, "question": "who?"}', None, "NaN"),
        ('{"question": ' + "[" * 100_000, None, "not valid JSON"),
        ('{"id": 1, "question": ' + "[" * 100_000 + "]" * 100_000 + "}", None, "not valid JSON"),
        ('{"id": ' + "9" * 5000 + "}", None, "not valid JSON"),
        (b'{"id": 1, "question": "\xff\xfe"}', None, "not valid JSON"),
        (b"\x00\x00\x00", None, "not valid JSON"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("command", ["ask", "search"])
def test_a_bad_line_is_an_error_of_its_own(
    home: Path, line: object, id_: object, says: str, command: str
) -> None:
    result = batch(home, line, {"id": "next", "question": "", "more": 1}, command=command)
    assert result.exit_code == 1
    assert result.stderr == ""
    first, second = results(result)
    assert list(first) == ["id", "error"]
    assert first["id"] == id_
    assert says in first["error"]["message"]
    assert first["error"]["hint"]
    assert (second["id"], list(second)) == ("next", ["id", "error"])


def test_good_lines_are_answered_among_bad_ones_in_order(home: Path) -> None:
    result = batch(
        home,
        b"\xef\xbb\xbf" + json.dumps({"id": 1, "question": QUESTION, "policies": ["webee"]}).encode(),
        "",
        "  \t\r",
        "oops",
        {"id": 2, "question": QUESTION, "policies": []},
        {"id": 3, "question": QUESTION, "policies": None, "note": "ignored"},
        {"id": 4, "question": QUESTION, "policies": ["Wepos", "webee"]},
    )  # fmt: skip
    assert result.exit_code == 1
    found = results(result)
    assert [one["id"] for one in found] == [1, None, 2, 3, 4]
    assert "line 4" in found[1]["error"]["message"]
    assert [one.get("policies") for one in found] == [
        ["webee"], None, BUNDLED, BUNDLED, ["wepos", "webee"]
    ]  # fmt: skip


def test_a_batch_comes_from_a_file_too(home: Path, tmp_path: Path) -> None:
    lines = [{"id": n, "question": "who?", "policies": ["webee"]} for n in range(3)]
    file = write(tmp_path / "questions.jsonl", "\r\n".join(json.dumps(line) for line in lines))
    result = policyqa(home, "ask", "--batch", str(file), "--json")
    assert result.exit_code == 0
    assert [one["id"] for one in results(result)] == [0, 1, 2]


def test_an_empty_batch_is_done_at_once(home: Path) -> None:
    for stdin in ("", "\n \n"):
        result = policyqa(home, "ask", "--batch", "-", "--json", stdin=stdin)
        assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")


def test_the_scope_of_a_batch_is_that_of_lines_without_one(home: Path) -> None:
    lines = ({"question": QUESTION}, {"question": QUESTION, "policies": ["webee"]})
    for command, places in (("ask", "answers"), ("search", "results")):
        first, second = results(batch(home, *lines, command=command, options=("--policy", "Wepos")))
        assert {one["policy"] for one in first[places]} == {"wepos"}
        assert {one["policy"] for one in second[places]} == {"webee"}


def test_a_batch_file_that_cannot_be_read_is_an_error(home: Path, tmp_path: Path) -> None:
    for file in (tmp_path / "nowhere.jsonl", tmp_path):
        result = policyqa(home, "ask", "--batch", str(file), "--json")
        assert result.exit_code == 1
        error = json.loads(result.stdout)["error"]
        assert str(file) in error["message"]
        assert "standard input" in error["hint"]


# Bad input


@pytest.mark.parametrize("command", ["ask", "search"])
@pytest.mark.parametrize(
    ("question", "says"),
    [
        ("", "the question is empty"),
        (" \n\t ", "the question is empty"),
        ("a" * 2001, "2,001 characters; the limit is 2,000"),
        ("a" * 100_000, "100,000 characters; the limit is 2,000"),
        ("a\x00b", "characters that cannot be shown"),
        ("a\x1b[31mb", "characters that cannot be shown"),
        ("a\u202eb", "characters that cannot be shown"),
        ("a\udcffb", "characters that cannot be shown"),
    ],
)
def test_a_question_that_cannot_be_asked_is_refused(
    home: Path, command: str, question: str, says: str
) -> None:
    assert refused(home, command, question, says=says, hint=".")["code"] == "usage"


@pytest.mark.parametrize(
    "args", [("ask", "who?", "--policy"), ("search", "who?", "--policy"), ("show",), ("remove",)]
)
def test_an_unknown_policy_is_refused_with_those_like_it(home: Path, args: tuple[str, ...]) -> None:
    error = refused(
        home, *args, "webengege", says="no policy 'webengege'", hint="did you mean webengage\\?"
    )
    assert error["code"] == "unknown_policy"
    refused(home, *args, "nothing like it", says="no policy", hint="see what is indexed: policyqa")
    refused(home, *args, "\x1b[31m\udcff", says=r"no policy '\\x1b\[31m\\udcff'", hint="see what")


def test_an_ambiguous_name_is_refused_with_all_it_names(new_home: Path, tmp_path: Path) -> None:
    write(tmp_path / "a" / "acme.txt", words("Acme"))
    write(tmp_path / "b" / "acme.txt", words("Acme", days=30))
    args = ("index", "--no-bundled", str(tmp_path / "a"), str(tmp_path / "b"))
    assert done(new_home, *args)["added"] == ["acme", "acme-2"]
    error = refused(
        new_home, "ask", "how long?", "--policy", "Acme",
        says="'Acme' names 2 policies: acme, acme-2", hint="say which: --policy acme",
    )  # fmt: skip
    assert error["code"] == "ambiguous_name"
    for id_, days in (("acme", "90"), ("acme-2", "30")):
        answer = done(new_home, "ask", "how long?", "--policy", id_)
        assert answer["policies"] == [id_]
        assert f"{days} days" in done(new_home, "show", id_)["text"]


@pytest.mark.parametrize("command", [("ask", "who?"), ("policies",), ("index",), ("show", "x")])
def test_a_home_that_cannot_be_made_is_an_error(tmp_path: Path, command: tuple[str, ...]) -> None:
    file = write(tmp_path / "file", "not a folder")
    for path in (file, file / "below"):
        error = refused(path, *command, says="cannot be created", hint="set POLICYQA_HOME")
        assert error["code"] == "home"
    refused("~no-such-user/x", *command, says="user", hint="set POLICYQA_HOME")
    refused(TOO_LONG, *command, says="File name too long", hint=".*set POLICYQA_HOME")
    assert file.read_text() == "not a folder"


def test_a_damaged_catalog_is_an_error(tmp_path: Path) -> None:
    write(tmp_path / "damaged" / FILE_NAME, b"\x01 not a database " * 500)
    error = refused(tmp_path / "damaged", "ask", "who?", says="damaged", hint="move the folder")
    assert error["code"] == "index"
    (tmp_path / "folder" / FILE_NAME).mkdir(parents=True)
    refused(tmp_path / "folder", "ask", "who?", says="cannot open the catalog", hint="check")


def test_a_configuration_file_that_is_not_there_is_an_error(home: Path, tmp_path: Path) -> None:
    missing = str(tmp_path / "none.toml")
    refused(home, "ask", "who?", "--config", missing, says="does not exist", hint="create it")
    refused(home, "ask", "who?", "--config", TOO_LONG, says="File name too long", hint="correct")


def test_an_encoder_that_is_not_there_is_an_error(home: Path, tmp_path: Path) -> None:
    nowhere = str(tmp_path / "nowhere")
    refused(home, "ask", "who?", "--encoder", nowhere, says="cannot load the encoder", hint="give")


@pytest.mark.parametrize("command", ["ask", "search"])
def test_wrong_usage_is_told_from_an_error(home: Path, command: str) -> None:
    misused(home, command, says="give a question in quotes, or")
    misused(home, command, "who?", "--batch", "-", "--json", says="give a question in quotes, or")
    misused(home, command, "--batch", "-", says="--batch prints JSON: add --json")
    misused(home, command, "who", "gets", "it", says="unexpected extra argument")
    misused(home, command, "who?", "--nothing", says="No such option")


@pytest.mark.parametrize("top_k", ["0", "-1", "1001", "many"])
def test_a_top_k_out_of_range_is_wrong_usage(home: Path, top_k: str) -> None:
    misused(home, "search", "who?", "--top-k", top_k, says="--top-k")


# Indexing


def test_the_first_question_indexes_the_bundled_policies(new_home: Path) -> None:
    result = policyqa(new_home, "ask", QUESTION, "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["policies"] == BUNDLED
    assert result.stderr == "indexing 5 policies …\n"
    again = policyqa(new_home, "ask", QUESTION, "--json")
    assert (again.exit_code, again.stderr) == (0, "")
    assert json.loads(again.stdout)["answers"] == json.loads(result.stdout)["answers"]


def test_index_adds_to_the_bundled_policies(own_home: Path, docs: Path) -> None:
    report = done(own_home, "index", str(docs))
    assert report == {
        "added": ["acme", "zeta"], "changed": [], "unchanged": [], "removed": [], "failed": [],
        "skipped": [],
    }  # fmt: skip
    listed = done(own_home, "policies")["policies"]
    assert [row["policy"] for row in listed] == sorted(["acme", "zeta", *BUNDLED])


def test_no_bundled_leaves_them_out_for_good(new_home: Path, docs: Path) -> None:
    report = done(new_home, "index", "--no-bundled", str(docs))
    assert report["added"] == ["acme", "zeta"]
    assert done(new_home, "ask", "how long?")["policies"] == ["acme", "zeta"]
    assert done(new_home, "index")["unchanged"] == ["acme", "zeta"]
    assert done(new_home, "index", str(docs))["unchanged"] == ["acme", "zeta"]
    listed = done(new_home, "policies")["policies"]
    assert [row["policy"] for row in listed] == ["acme", "zeta"]


def test_without_any_policy_there_is_nothing_to_ask(new_home: Path) -> None:
    assert done(new_home, "index", "--no-bundled")["added"] == []
    refused(new_home, "ask", "who?", says="no policy is indexed", hint="index some: policyqa index")
    assert done(new_home, "policies") == {"policies": []}


def test_index_without_paths_looks_at_the_known_ones(new_home: Path, docs: Path) -> None:
    single = write(docs.parent / "single.txt", words("Single"))
    done(new_home, "index", "--no-bundled", str(docs), str(single))
    write(docs / "acme.txt", words("Acme", days=30))
    write(docs / "newco.txt", words("Newco"))
    (docs / "zeta.md").unlink()
    report = done(new_home, "index")
    assert (report["added"], report["changed"]) == (["newco"], ["acme"])
    assert (report["unchanged"], report["removed"]) == (["single"], ["zeta"])
    assert "for 30 days" in done(new_home, "show", "acme")["text"]


def test_a_root_that_vanished_removes_nothing(new_home: Path, docs: Path) -> None:
    done(new_home, "index", "--no-bundled", str(docs))
    docs.rename(docs.with_name("elsewhere"))
    result = policyqa(new_home, "index", "--json")
    assert result.exit_code == 1
    report = json.loads(result.stdout)
    assert (report["removed"], [one["path"] for one in report["failed"]]) == ([], [str(docs)])
    assert done(new_home, "ask", "how long?")["policies"] == ["acme", "zeta"]


def test_a_rebuild_changes_no_answer(own_home: Path) -> None:
    before = done(own_home, "ask", QUESTION)["answers"]
    report = done(own_home, "index", "--rebuild")
    assert report["unchanged"] == BUNDLED
    assert done(own_home, "ask", QUESTION)["answers"] == before


def test_a_rebuild_mends_lost_vectors(new_home: Path, docs: Path) -> None:
    done(new_home, "index", "--no-bundled", str(docs))
    before = done(new_home, "search", "how long?")
    broken = new_home.with_name("broken")
    shutil.copytree(new_home, broken, ignore=shutil.ignore_patterns("chroma"))
    says, hint = "the vectors .* are missing", ".*policyqa doctor --repair"
    refused(broken, "ask", "how long?", says=says, hint=hint)
    done(broken, "index", "--rebuild")
    assert done(broken, "search", "how long?") == before


def test_a_removed_policy_is_gone_until_its_file_is_indexed_again(
    own_home: Path, docs: Path
) -> None:
    done(own_home, "index", str(docs))
    assert done(own_home, "remove", "Acme") == {"removed": ["acme"]}
    plain = policyqa(own_home, "remove", "webee")
    assert (plain.exit_code, plain.stdout, plain.stderr) == (0, "removed webee\n", "")
    left = ["web1on1", "webengage", "wecloudit", "wepos", "zeta"]
    for _ in range(2):
        answer = done(own_home, "ask", "how long is data kept?")
        assert answer["policies"] == left
        found = done(own_home, "search", "Acme keeps data for 90 days", "--top-k", "1000")
        assert {result["policy"] for result in found["results"]} == set(left)
    refused(own_home, "show", "acme", says="no policy 'acme'", hint=".")
    assert (docs / "acme.txt").exists()
    assert done(own_home, "index", str(docs))["added"] == ["acme"]


def test_a_path_that_does_not_exist_is_an_error_and_the_others_are_indexed(
    new_home: Path, docs: Path
) -> None:
    nowhere = docs / "nowhere.txt"
    args = ("index", "--no-bundled", str(nowhere), str(docs))
    result = policyqa(new_home, *args)
    assert result.exit_code == 1
    assert result.stdout.splitlines()[0].startswith("2 added, 0 changed")
    assert result.stderr.splitlines() == [
        "indexing 2 policies …",
        f"error: {nowhere}: there is no such file or folder",
        "hint: check the path; what was indexed from it is kept until it is removed: "
        "policyqa remove POLICY",
    ]
    result = policyqa(new_home, *args, "--json")
    assert result.exit_code == 1
    report = json.loads(result.stdout)
    assert report["unchanged"] == ["acme", "zeta"]
    assert [list(failure) for failure in report["failed"]] == [["path", "message", "hint"]]


def test_a_folder_with_nothing_readable_is_an_error(new_home: Path, docs: Path) -> None:
    write(docs / "images" / "logo.png", PNG)
    for folder in (docs / "images", docs / "empty"):
        folder.mkdir(exist_ok=True)
        result = policyqa(new_home, "index", "--no-bundled", str(folder))
        assert result.exit_code == 1
        assert result.stderr.splitlines() == [
            f"error: {folder}: the folder holds no file that can be read",
            "hint: supported formats: .txt, .text, .md, .markdown",
        ]


@pytest.mark.parametrize("content", [PNG * 50, b"", b" \n\n "])
def test_a_bad_file_does_not_stop_the_good_ones(new_home: Path, docs: Path, content: bytes) -> None:
    bad = write(docs / "bad.txt", content)
    result = policyqa(new_home, "index", "--no-bundled", str(docs), "--json")
    assert result.exit_code == 1
    report = json.loads(result.stdout)
    assert report["added"] == ["acme", "zeta"]
    assert [failure["path"] for failure in report["failed"]] == [str(bad)]
    assert report["failed"][0]["hint"]
    assert done(new_home, "ask", "how long?")["policies"] == ["acme", "zeta"]


def test_the_same_bytes_under_two_names_are_one_policy(new_home: Path, docs: Path) -> None:
    write(docs / "copy.txt", words("Acme"))
    report = done(new_home, "index", "--no-bundled", str(docs))
    assert (report["added"], report["unchanged"]) == (["acme", "zeta"], ["acme"])
    policy = done(new_home, "show", "acme")
    assert policy["sources"] == [str(docs / "acme.txt"), str(docs / "copy.txt")]


@pytest.mark.parametrize("path", [TOO_LONG, "~no-such-user/x"])
def test_a_path_that_cannot_exist_is_an_error(new_home: Path, path: str) -> None:
    result = policyqa(new_home, "index", "--no-bundled", path)
    assert result.exit_code == 1
    assert result.stderr.startswith("error: ")


def test_a_file_whose_name_is_not_text_does_not_stop_the_others(new_home: Path, docs: Path) -> None:
    write(docs / "b\udcff.txt", words("Bad"))
    assert policyqa(new_home, "index", "--no-bundled", str(docs)).exit_code in {0, 1}
    assert "acme" in done(new_home, "ask", "how long?")["policies"]


# Text somebody else wrote


@pytest.fixture(scope="module")
def hostile_home() -> Iterator[Path]:
    """A home of one policy whose title, sections, text and file name are full of commands."""
    with tempfile.TemporaryDirectory() as folder:
        name = HOSTILE.replace("/", "∕")[:80]
        text = (
            f"{HOSTILE} Privacy Policy\n\n# {HOSTILE}\n\n"
            f"We keep your data for 90 days {HOSTILE}. We share your data with nobody.\n\n"
            f"We keep the following data:\n\n- your name {HOSTILE};\n- your address.\n"
        )
        write(Path(folder) / "docs" / f"{name}.txt", text)
        write(Path(folder) / "docs" / "[bold]acme[∕].txt", f"Acme [/] Privacy Policy\n\n{text}")
        write(Path(folder) / "docs" / f"{name}.png", PNG)
        home = Path(folder) / "home"
        result = policyqa(home, "index", "--no-bundled", f"{folder}/docs", FORCE_COLOR="1")
        assert result.exit_code == 0, result.output
        assert render.printable(f"{name}.png") in " ".join(unstyled(result.stdout).split())
        yield home


def unstyled(text: str) -> str:
    """Return a text without the colours that rich gives it."""
    return re.sub(r"\x1b\[[\d;]*m", "", text)


@pytest.mark.parametrize(
    "args",
    [
        ("ask", "how long do you keep my data?"),
        ("ask", "What is the capital of France?"),
        ("search", "how long do you keep my data?"),
        ("policies",),
        ("show", "bold-acme"),
    ],
)
def test_a_hostile_policy_does_not_act_on_the_terminal(
    hostile_home: Path, args: tuple[str, ...]
) -> None:
    pipe = policyqa(hostile_home, *args)
    screen = policyqa(hostile_home, *args, FORCE_COLOR="1", COLUMNS="80", TERM="xterm-256color")
    assert pipe.exit_code == screen.exit_code == 0
    for text in (pipe.stdout, unstyled(screen.stdout)):
        assert not any(render.unprintable(character) for character in text.replace("\n", ""))
        assert "[/]" in text
    program = policyqa(hostile_home, *args, "--json").stdout
    assert program.isascii()
    assert program.isprintable() or program.removesuffix("\n").isprintable()


def test_a_hostile_policy_is_cited_by_its_own_words(hostile_home: Path) -> None:
    answer = done(hostile_home, "ask", "how long do you keep my data?")
    assert answer["answers"]
    for one in answer["answers"]:
        text = done(hostile_home, "show", one["policy"])["text"]
        for cited in [*one["citations"], *one["nearest"]]:
            assert text[cited["start"] : cited["end"]] == cited["quote"]
    assert "<script" not in answer["text"].replace("\\<script", "")


# Pipes and screens


@pytest.mark.parametrize("args", [("ask", QUESTION), ("search", QUESTION), ("policies",)])
def test_a_pipe_gets_plain_unbroken_lines(home: Path, args: tuple[str, ...]) -> None:
    result = policyqa(home, *args, COLUMNS="40")
    assert (result.exit_code, result.stderr) == (0, "")
    assert not any(render.unprintable(c) for c in result.stdout.replace("\n", ""))
    assert all(line == line.rstrip() for line in result.stdout.splitlines())
    assert max(map(len, result.stdout.splitlines())) > 120


def test_a_pipe_gets_each_quote_on_one_line(home: Path, answers: dict[str, Json]) -> None:
    lines = policyqa(home, "ask", QUESTION).stdout.splitlines()
    cited = [cited for one in answers[QUESTION]["answers"] for cited in one["citations"]]
    assert cited
    for citation in cited:
        assert any(line.startswith(f"  [{citation['marker']}] ") for line in lines)
        place = f"{citation['source']} {citation['start']}–{citation['end']}"
        assert any(line.endswith(place) for line in lines)


@pytest.mark.parametrize("args", [("ask", QUESTION), ("search", QUESTION), ("policies",)])
def test_a_screen_gets_colours_and_its_width(home: Path, args: tuple[str, ...]) -> None:
    result = policyqa(home, *args, FORCE_COLOR="1", COLUMNS="60", TERM="xterm-256color")
    assert result.exit_code == 0
    assert "\x1b[1m" in result.stdout
    assert max(map(len, unstyled(result.stdout).splitlines())) <= 60


def test_help_and_version_are_printed(home: Path) -> None:
    shown = policyqa(home, "--help")
    assert shown.exit_code == 0
    for command in ("ask", "search", "index", "policies", "show", "remove"):
        assert f"\n  {command} " in shown.stdout
        assert policyqa(home, command, "-h").exit_code == 0
    assert shown.stdout.count("...") == 1, "a command's first sentence is too long for its line"
    assert policyqa(home, "--version").stdout == f"{version('policyqa')}\n"


# Processes

ROOT = Path(__file__).parent.parent


def run(home: Path, *args: str, **more: Any) -> subprocess.CompletedProcess[str]:
    """Run the program in a process of its own."""
    env = {**os.environ, "POLICYQA_HOME": str(home), **more.pop("env", {})}
    return subprocess.run(
        [sys.executable, "-m", "qa.cli", *args],
        env=env, text=True, encoding="utf-8", capture_output=True, timeout=120, **more,
    )  # fmt: skip


def test_a_batch_answers_a_line_before_the_next_is_written(home: Path) -> None:
    command = [sys.executable, "-m", "qa.cli", "ask", "--batch", "-", "--json"]
    env = {**os.environ, "POLICYQA_HOME": str(home)}
    with subprocess.Popen(
        command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin
        assert process.stdout
        watchdog = Timer(60, process.kill)
        watchdog.start()
        for id_ in (1, "two", None):
            line = {"id": id_, "question": QUESTION, "policies": ["webee"]}
            process.stdin.write(json.dumps(line) + "\n")
            process.stdin.flush()
            answer = json.loads(process.stdout.readline())
            assert (answer["id"], answer["policies"]) == (id_, ["webee"])
        process.stdin.close()
        assert process.stdout.read() == ""
        assert process.wait() == 0
        watchdog.cancel()


def test_nothing_is_written_outside_of_the_home(home: Path, tmp_path: Path) -> None:
    (user := tmp_path / "user").mkdir()
    # Where libraries keep device ids, caches and the reports they mean to send.
    env = {"HOME": str(user), "XDG_CACHE_HOME": "", "XDG_CONFIG_HOME": "", "XDG_DATA_HOME": ""}
    assert run(home, "ask", QUESTION, env=env).returncode == 0
    assert list(user.rglob("*")) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_disk_is_one_line(home: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "qa.cli", "ask", QUESTION, "--json"],
            env={**os.environ, "POLICYQA_HOME": str(home)}, stdout=full, stderr=subprocess.PIPE,
            text=True, timeout=120,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.splitlines()[0].endswith("No space left on device")
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(not shutil.which("make"), reason="there is no make")
def test_make_passes_a_question_on_as_it_is_typed() -> None:
    question = """what's "$HOME" `id` $(id) $$1?"""
    recipe = 'include Makefile\nshow: ; @printf %s "$$Q"\n'
    done = subprocess.run(
        ["make", "--no-print-directory", "-f", "-", "show", f"Q={question}"],
        input=recipe, cwd=ROOT, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.stdout == question


def modules_after(home: Path, *args: str) -> set[str]:
    """Return the packages that are loaded when the program has done its work."""
    code = (
        "import atexit, sys\n"
        "atexit.register(lambda: print(*{m.split('.')[0] for m in sys.modules}, file=sys.stderr))\n"
        "from qa.cli import run\n"
        "run()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *args],
        env={**os.environ, "POLICYQA_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout
    return set(done.stderr.split())


HEAVY = {"torch", "sentence_transformers", "transformers", "llama_index", "gradio", "sklearn"}


# Where a heavy library may be imported: files and folders. In eval/ all may be.
ALLOWED = {
    "chromadb": {"index/vectors.py"},
    "gradio": {"qa/ui"},
    "llama_index": {"index/llamaindex.py", "qa/llamaindex.py", "qa/llm"},
    "sentence_transformers": {"index/encode.py", "index/model/export.py"},
    "sklearn": set(),
    "torch": {"index/model/export.py"},
    "transformers": {"index/model/export.py", "qa/llm/huggingface.py"},
}


@pytest.mark.parametrize("library", ALLOWED)
def test_a_heavy_library_is_imported_where_it_was_agreed(library: str) -> None:
    statement = re.compile(rf"^\s*(?:from|import) {library}\b", re.MULTILINE)
    importing = {
        file.relative_to(ROOT)
        for package in ("index", "qa")
        for file in (ROOT / package).rglob("*.py")
        if statement.search(file.read_text("utf-8"))
    }
    allowed = {Path(place) for place in ALLOWED[library]}
    assert {file for file in importing if allowed.isdisjoint((file, *file.parents))} == set()


def test_help_loads_nothing_that_answers(home: Path) -> None:
    loaded = modules_after(home, "--help")
    assert "typer" in loaded
    assert loaded.isdisjoint({*HEAVY, "chromadb", "onnxruntime", "numpy", "nupunkt", "pydantic"})


def test_a_plain_question_loads_nothing_heavy(home: Path) -> None:
    loaded = modules_after(home, "ask", QUESTION)
    assert {"chromadb", "onnxruntime"} <= loaded
    assert loaded.isdisjoint(HEAVY)


def test_an_output_without_our_characters_is_no_failure(home: Path) -> None:
    done = run(home, "ask", QUESTION, env={"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"})
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.isascii()
    assert "sure)" in done.stdout


def test_a_reader_that_leaves_early_hears_no_complaint(home: Path) -> None:
    for args in (["show", "web1on1"], ["search", QUESTION, "--json", "--top-k", "200"]):
        with subprocess.Popen(
            [sys.executable, "-m", "qa.cli", *args],
            env={**os.environ, "POLICYQA_HOME": str(home)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            assert process.stdout
            assert process.stderr
            process.stdout.close()
            assert process.stderr.read() == b""
            assert process.wait() != 0


def test_arguments_that_are_not_text_are_refused(home: Path) -> None:
    done = run(home, "ask", os.fsdecode(b"a\xffb"))
    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.splitlines()) == 2
