"""A run over the gold questions from end to end: kept, taken up again, reported, compared, gated."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from conftest import OpenLLM
from fakes import HOSTILE
from scripted import Act, Server

from eval import cli, page, report, systems
from eval import run as running
from eval.benchmarks import Benchmark, Case, Expected, gold
from eval.compare import compare
from eval.compare import system as part
from eval.judge import judge, read, summary, write
from eval.report import Report, dump, load, make, uncaught
from eval.responses import Prediction, Quoted, Response
from eval.systems.context import Context, System
from index.errors import DocumentError, UsageError
from index.settings import Settings
from index.types import Passage, Sentence, Span
from qa import cli as program
from qa import extract

Ask = Callable[[list[str]], int]


def nothing(*_: object) -> None:
    """Show no progress."""


@dataclass(frozen=True)
class Evaluated:
    """One run over the gold test questions, and what came of it."""

    folder: Path
    home: Path
    benchmark: Benchmark
    report: Report


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Evaluated:
    place = tmp_path_factory.mktemp("evaluated")
    benchmark = gold.load(gold.GOLD, "test")
    settings = Settings(home=place / "home")
    made = running.run(
        benchmark, ["policyqa", "similarity"], settings, place / "run", progress=nothing
    )
    found = make(made, benchmark, place / "run")
    (place / "run" / report.FILE_NAME).write_text(dump(found), encoding="utf-8")
    return Evaluated(place / "run", place / "home", benchmark, found)


@pytest.fixture
def ask(evaluated: Evaluated, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Run ``policyqa`` in this process over the evaluated home; return its exit status."""

    def asked(words: list[str]) -> int:
        monkeypatch.setattr(sys, "argv", ["policyqa", *words])
        monkeypatch.setenv("POLICYQA_HOME", str(evaluated.home))
        with pytest.raises(SystemExit) as ended:
            program.app()
        return int(ended.value.code or 0)

    return asked


def test_the_gold_is_hard_for_plain_similarity(evaluated: Evaluated) -> None:
    assert evaluated.report.systems["similarity"].figures["hit@1 unrefused"].value < 0.65


def test_every_quote_is_exact_and_every_control_is_caught(evaluated: Evaluated) -> None:
    exact = evaluated.report.systems["policyqa"].figures["quote exactness"]
    assert (exact.value, exact.low) == (1, 1)
    assert uncaught(evaluated.report) == []
    assert all(control.caught for control in evaluated.report.controls.values())
    assert len(evaluated.report.controls) == 6


def test_what_was_answered_is_not_asked_again(
    evaluated: Evaluated, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> System:
        raise AssertionError("a system was run again")

    monkeypatch.setattr(running, "system_of", refuse)
    again = running.run(
        evaluated.benchmark, ["policyqa"], Settings(home=evaluated.home), evaluated.folder,
        progress=nothing,
    )  # fmt: skip
    assert again.systems["policyqa"] == running.read_run(evaluated.folder).systems["policyqa"]
    # It is one system's run now; let the other tests find both.
    running.run(
        evaluated.benchmark, ["policyqa", "similarity"], Settings(home=evaluated.home),
        evaluated.folder, progress=nothing,
    )  # fmt: skip


def test_a_run_that_was_stopped_goes_on_where_it_was(
    evaluated: Evaluated, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def counting(stop_at: int) -> Callable[[Context], System]:
        def answer(case: Case) -> Response:
            if len(asked) == stop_at:
                raise KeyboardInterrupt
            asked.append(case.id)
            return Response(case.id, 0.1)

        return lambda _: answer

    few = replace(evaluated.benchmark, cases=evaluated.benchmark.cases[:6])
    settings = Settings(home=evaluated.home)
    monkeypatch.setitem(systems.SYSTEMS, "counting", counting(4))  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt):
        running.run(few, ["counting"], settings, tmp_path, progress=nothing)
    (kept,) = (tmp_path / "responses").iterdir()
    with kept.open("ab") as stream:
        stream.write(b'{"case": "half a li')  # killed while it wrote
    monkeypatch.setitem(systems.SYSTEMS, "counting", counting(99))  # type: ignore[arg-type]
    made = running.run(few, ["counting"], settings, tmp_path, progress=nothing)
    assert asked == [case.id for case in few.cases]
    assert len(running.responses(tmp_path, made.systems["counting"])) == 6


def test_another_question_is_another_fingerprint(evaluated: Evaluated, tmp_path: Path) -> None:
    few = replace(evaluated.benchmark, cases=evaluated.benchmark.cases[:1])
    other = replace(few, cases=(replace(few.cases[0], question="And now?"),))
    settings = Settings(home=evaluated.home)
    files = {
        running.run(one, ["bm25"], settings, tmp_path, progress=nothing).systems["bm25"]
        for one in (few, other, few)
    }
    assert len(files) == 2


def test_a_damaged_line_of_responses_is_named(tmp_path: Path) -> None:
    (tmp_path / "responses").mkdir()
    (tmp_path / "responses" / "x.jsonl").write_text('{"case": 3}\n')
    with pytest.raises(DocumentError, match=r"x\.jsonl', line 1 is no response"):
        running.responses(tmp_path, "x.jsonl")


def test_a_folder_without_a_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match="holds no evaluation that has ended"):
        running.read_run(tmp_path)


def test_a_report_is_the_same_after_it_was_written(evaluated: Evaluated) -> None:
    found = load(evaluated.folder)
    assert dump(found) == dump(evaluated.report)
    assert found.systems["policyqa"].figures == evaluated.report.systems["policyqa"].figures


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"systems": {"a": {"scores": 1}}}'])
def test_what_is_no_report_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "report.json").write_text(content)
    with pytest.raises(DocumentError, match="is no report of an evaluation"):
        load(tmp_path)
    with pytest.raises(DocumentError, match="there is no report"):
        load(tmp_path / "other.json")


def test_the_page_shows_every_plot_and_runs_nothing(evaluated: Evaluated) -> None:
    files = running.read_run(evaluated.folder).systems
    made = {name: running.responses(evaluated.folder, file) for name, file in files.items()}
    shown = page.html(evaluated.report, evaluated.benchmark, made, "policyqa")
    assert shown.count("<svg") == 4
    assert not re.search(
        r"<script|\bon\w+=|https?://(?!www\.w3\.org|purl\.org|creativecommons)", shown
    )
    for text in ("NOT CAUGHT", "nan", "None"):
        assert text not in shown
    for kind in {case.kind for case in evaluated.benchmark.cases}:
        assert kind in shown
    tables = page.markdown(evaluated.report)
    assert tables.count("| caught |") == 6
    assert "| hit@1 |" in tables


def test_what_is_hostile_reaches_neither_page_nor_table(evaluated: Evaluated) -> None:
    text = f"We keep {HOSTILE} for <img src=x onerror=alert(1)> 30 days."
    expect = {HOSTILE: Expected(stated=True, gold=((Span(0, 7),),))}
    case = Case(HOSTILE, HOSTILE, HOSTILE, HOSTILE, (HOSTILE,), expect)
    benchmark = Benchmark("gold/test", (case,), {HOSTILE: text}, clustered_by="case")
    cited = (Quoted(8, len(text), text[8:]),)
    ranked = (Span(8, len(text)),)
    response = Response(HOSTILE, 0.1, (Prediction(HOSTILE, 0.9, cited, ranked, text),))
    scored = report._system(benchmark, {HOSTILE: response})
    hostile = replace(
        evaluated.report, set=HOSTILE, systems={"policyqa": scored}, controls={},
        machine={"a": HOSTILE},
    )  # fmt: skip
    shown = page.html(hostile, benchmark, {"policyqa": {HOSTILE: response}}, "policyqa")
    tables = page.markdown(hostile)
    for danger in ("<img", "<script", "\x1b", "\u202e"):
        assert danger not in shown
        assert not re.search(rf"(?<!\\){re.escape(danger)}", tables)


def test_a_run_differs_in_nothing_from_itself(evaluated: Evaluated) -> None:
    one = part(evaluated.report, "policyqa")
    found = compare(one, one)
    assert not found.flips
    assert found.only == 0
    assert {difference.verdict for difference in found.differences} == {"same"}


def test_two_systems_differ_in_what_they_differ_in(evaluated: Evaluated) -> None:
    one, other = (part(evaluated.report, name) for name in ("policyqa", "similarity"))
    found = compare(one, other)
    worse = {difference.metric.name for difference in found.regressions}
    assert {"hit@1", "AUROC", "evidence recall"} <= worse
    better = {d.metric.name for d in compare(other, one).differences if d.verdict == "better"}
    assert worse <= better
    assert any(not flip.better for flip in found.flips)
    lone = replace(one, scores=one.scores[:3])
    with pytest.raises(UsageError, match="share no case"):
        compare(lone, replace(one, scores=one.scores[3:]))
    with pytest.raises(UsageError, match="no system 'oracle'"):
        part(evaluated.report, "oracle")


def neighbouring(passage: Passage, sentence: Sentence) -> Span:
    """Cite the sentence after the one that answers: the mistake that a gate has to see."""
    place = passage.sentences.index(sentence)
    other = passage.sentences[(place + 1) % len(passage.sentences)]
    return Span(other.start, other.end)


def test_the_gate_catches_an_extractor_that_cites_the_neighbour(
    evaluated: Evaluated,
    ask: Ask,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    baseline = str(evaluated.folder / report.FILE_NAME)
    same = ["eval", "gate", "--baseline", baseline, "--out"]
    assert ask([*same, str(evaluated.folder)]) == 0
    capsys.readouterr()
    monkeypatch.setattr(extract, "_span", neighbouring)
    assert ask([*same, str(tmp_path / "broken")]) == 1
    said = capsys.readouterr()
    assert "worse than the baseline" in said.err
    assert "hit@1" in said.err
    assert "--update" in said.err
    assert "now wrong" in said.out


def test_the_gate_wants_the_same_questions(
    evaluated: Evaluated, ask: Ask, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    system = evaluated.report.systems["policyqa"]
    fewer = replace(
        evaluated.report, systems={"policyqa": replace(system, scores=system.scores[9:])}
    )
    (tmp_path / "baseline.json").write_text(dump(fewer), encoding="utf-8")
    words = ["eval", "gate", "--baseline", str(tmp_path / "baseline.json")]
    assert ask([*words, "--out", str(evaluated.folder)]) == 1
    assert "9 rows are in one of the two runs only" in capsys.readouterr().err


def test_the_commands_report_and_compare(
    evaluated: Evaluated, ask: Ask, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = shutil.copytree(evaluated.folder, tmp_path / "run")
    assert ask(["eval", "report", str(folder)]) == 0
    shown = capsys.readouterr().out
    assert "hit@1" in shown
    assert "caught" in shown
    assert {"report.html", "report.md", "report.json"} <= {file.name for file in folder.iterdir()}
    assert ask(["eval", "compare", str(folder), str(evaluated.folder)]) == 0
    assert "same" in capsys.readouterr().out
    assert ask(["eval", "compare", str(folder), str(tmp_path / "none")]) == 1
    assert "there is no report" in capsys.readouterr().err


def test_a_missing_library_is_named_with_the_command(
    evaluated: Evaluated, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "find_spec", lambda _: None)
    with pytest.raises(UsageError, match="jinja2, which is not installed") as caught:
        page.html(evaluated.report, evaluated.benchmark, {}, "policyqa")
    assert "pip install 'policyqa[eval]'" in caught.value.hint


def test_wrong_usage_of_eval_is_said(ask: Ask, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(["eval", "run", "--set", "riddles"]) == 1
    assert "no set 'riddles'" in capsys.readouterr().err
    assert ask(["eval", "riddle"]) == 2
    assert ask(["eval", "--help"]) == 0
    listed = capsys.readouterr().out
    names = [
        command.name or getattr(command.callback, "__name__", "")
        for command in cli.app.registered_commands
    ]
    assert names == ["run", "report", "compare", "gate", "judge"]
    assert all(name in listed for name in names)


# The judge, on a real socket.


ACTS = (
    Act('{"faithful": true, "correct": false}'),
    Act("Sure! It is correct."),
    Act('{"faithful": "NOT_ATTEMPTED", "correct": true}'),
    Act(fault="empty choices"),
    Act(fault="html"),
    Act(fault="401"),
)


def few_answers(evaluated: Evaluated, count: int) -> tuple[Benchmark, Mapping[str, Response]]:
    files = running.read_run(evaluated.folder).systems
    made = running.responses(evaluated.folder, files["policyqa"])
    chosen = [case for case in evaluated.benchmark.cases if len(case.expect) == 1][:count]
    return replace(evaluated.benchmark, cases=tuple(chosen)), made


def test_what_a_judge_says_is_parsed_strictly_and_counted(
    evaluated: Evaluated, open_llm: OpenLLM, llm_server: Server, tmp_path: Path
) -> None:
    llm_server.acts = list(ACTS)
    benchmark, made = few_answers(evaluated, len(ACTS))
    said = list(judge(benchmark, made, open_llm("openai"), progress=nothing))
    prompts = [asked.user for asked in llm_server.asked]
    assert [one.outcome for one in said] == [
        "judged", "unparsed", "unparsed", "failed", "failed", "failed",
    ]  # fmt: skip
    write(tmp_path, "openai/m", "policyqa", said)
    found = read(tmp_path)
    assert found == summary("openai/m", "policyqa", said)
    assert found is not None
    assert found.outcomes == {"judged": 1, "unparsed": 2, "failed": 3}
    assert found.faithful is not None
    assert (found.faithful.value, found.faithful.n) == (1, 1)
    assert len({re.search(r"=== (\w{16}) ", prompt)[1] for prompt in prompts}) == len(prompts)  # type: ignore[index]
    shown = page.markdown(replace(evaluated.report, judged=found))
    assert "1 judged, 2 unparsed, 3 failed" in shown
    assert "not part of any gate" in shown


def test_a_judge_that_is_not_there_fails_every_answer(
    evaluated: Evaluated, open_llm: OpenLLM, tmp_path: Path
) -> None:
    llm = open_llm("openai", llm_base_url="http://127.0.0.1:1/v1", llm_total_seconds=0.1)
    said = list(judge(*few_answers(evaluated, 1), llm, progress=nothing))
    assert summary("m", "policyqa", said).correct is None


def test_a_key_is_not_shown(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, llm_api_key="sk-secret")  # type: ignore[arg-type]
    assert "sk-secret" not in repr(settings)


def test_damaged_judgements_are_named(tmp_path: Path) -> None:
    (tmp_path / "judgements.jsonl").write_text("{}\n")
    with pytest.raises(DocumentError, match="something else than judgements"):
        read(tmp_path)
