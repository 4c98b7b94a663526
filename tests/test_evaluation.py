"""A run over the gold questions from end to end: kept, taken up again, reported, compared, gated."""

from __future__ import annotations

import json
import math
import re
import shutil
import sys
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from conftest import OpenLLM
from fakes import HOSTILE
from scripted import Act, Asked, Server, passages_of, policy_of, reply

from eval import cli, page, report, systems
from eval import run as running
from eval.benchmarks import Benchmark, Case, Expected, gold, sets
from eval.compare import compare
from eval.compare import system as part
from eval.judge import FILE_NAME, Complete, Judged, judge
from eval.judge import read as read_judged
from eval.report import Report, dump, load, make, uncaught
from eval.responses import Prediction, Quoted, Response
from eval.systems.context import Context, System
from index.errors import DocumentError, LLMError, UsageError
from index.home import Home
from index.settings import Settings
from index.types import Passage, Sentence, Span
from qa import cli as program
from qa import extract, prompts
from qa.llm import Prompt, Reply

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

    monkeypatch.setitem(systems.SYSTEMS, "policyqa", refuse)  # type: ignore[arg-type]
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
    assert len(running.responses(tmp_path, made.systems["counting"], few)) == 6


def test_another_question_is_another_fingerprint(evaluated: Evaluated, tmp_path: Path) -> None:
    few = replace(evaluated.benchmark, cases=evaluated.benchmark.cases[:1])
    other = replace(few, cases=(replace(few.cases[0], question="And now?"),))
    settings = Settings(home=evaluated.home)
    files = {
        running.run(one, ["bm25"], settings, tmp_path, progress=nothing).systems["bm25"]
        for one in (few, other, few)
    }
    assert len(files) == 2


def test_a_run_says_from_its_start_what_it_is_to_hold(
    evaluated: Evaluated, ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    def stopping(context: Context) -> System:
        answer, asked = systems.policyqa(context), iter(range(4))

        def four(case: Case) -> Response:
            if next(asked, None) is None:
                raise KeyboardInterrupt
            return answer(case)

        return four

    monkeypatch.setitem(systems.SYSTEMS, "policyqa", stopping)  # type: ignore[arg-type]
    assert ask(["eval", "run", "--split", "test", "--out", str(tmp_path)]) == 130
    stopped = capsys.readouterr().err
    assert "what is done is kept in" in stopped
    assert "give the same command again" in stopped
    assert ask(["eval", "report", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    missing = "policyqa has answered 4 of 123 questions"
    assert missing in shown
    assert shown.count("not told: has not answered yet") == 6
    for name in ("report.md", "report.html"):
        assert missing in (tmp_path / name).read_text("utf-8")


def test_a_question_that_cannot_be_answered_is_named(evaluated: Evaluated, tmp_path: Path) -> None:
    long = replace(evaluated.benchmark.cases[0], question="x" * 3000)
    few = replace(evaluated.benchmark, cases=(long,))
    with pytest.raises(UsageError, match=f"the question '{long.id}' cannot be answered: .* 3,000"):
        running.run(few, ["policyqa"], Settings(home=tmp_path), tmp_path, progress=nothing)


def test_the_index_and_the_answers_are_those_of_the_code_that_is_there(
    evaluated: Evaluated, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "root"
    for name in ("index/corpus/a.txt", "index/passages.py", "qa/extract.py", "eval/controls.py"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("1")
    monkeypatch.setattr(running, "ROOT", root)
    few = replace(evaluated.benchmark, cases=evaluated.benchmark.cases[:1])
    settings, out = Settings(home=tmp_path / "home"), tmp_path / "run"

    def made() -> tuple[str, str]:
        run = running.run(few, ["bm25"], settings, out, progress=nothing)
        (home,) = out.glob("index-*")
        return home.name, run.systems["bm25"]

    index, answers = made()
    assert made() == (index, answers)
    (root / "qa/extract.py").write_text("2")
    assert made()[0] == index
    assert made()[1] != answers
    (root / "index/passages.py").write_text("2")
    assert made()[0] != index


def test_answers_are_those_of_the_model_and_the_prompt_they_were_worded_by(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "ROOT", tmp_path / "root")  # no file of ours counts
    case = Case("1", "How long?", "made", "dev", ("tea",), {"tea": Expected(stated=False)})
    few = Benchmark("made/dev", (case,), {"tea": "We keep it."}, task="read")
    (tmp_path / "config.json").write_text("1")

    def made(llm: str, server: str | None = "http://127.0.0.1:1/v1") -> str:
        settings = Settings(home=tmp_path / "home", llm=llm, llm_base_url=server)
        run = running.run(few, ["similarity"], settings, tmp_path / "run", progress=nothing)
        return run.systems["similarity"]

    own, remote, local = made("none", None), made("openai/a"), made(f"hf/{tmp_path}", None)
    others = [made("openai/b"), made("openai/a", "http://127.0.0.1:2/v1")]
    assert len({own, remote, local, *others}) == 5
    assert made("openai/a") == remote
    (tmp_path / "config.json").write_text("2")
    assert made(f"hf/{tmp_path}", None) != local
    monkeypatch.setattr(prompts, "VERSION", "another")
    assert made("openai/a") != remote
    assert made("none") == own


def test_a_run_holds_no_policy_of_other_data(tmp_path: Path) -> None:
    def data(name: str, text: str) -> Benchmark:
        file = tmp_path / name / "tea.md"
        file.parent.mkdir()
        file.write_text(text, encoding="utf-8")
        expect = {"tea": Expected(stated=True, gold=((Span(0, 7),),))}
        case = Case("1", "How long?", "made", "dev", ("tea",), expect)
        return Benchmark("made/dev", (case,), {"tea": text}, {"tea": file})

    out, settings = tmp_path / "run", Settings(home=tmp_path / "home")
    for name, text in (("one", "We keep it for 30 days."), ("other", "We keep it for 60 days.")):
        running.run(data(name, text), ["policyqa"], settings, out, progress=nothing)
    (index,) = out.glob("index-*")
    with closing(Home(Settings(home=index))) as home:
        assert [policy.text for policy in home.catalog.policies()] == ["We keep it for 60 days."]


GOOD = {"case": "lemon", "seconds": 0.1, "predictions": [], "found": []}
TEA = {"policy": "tea", "p_stated": 0.5, "cited": [], "ranked": []}


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"case": 3}, "case: Input should be a valid string"),
        ({**GOOD, "case": "riddle"}, "has no case 'riddle'"),
        ({**GOOD, "seconds": -1}, "seconds: Input should be greater than or equal to 0"),
        ({**GOOD, "seconds": math.inf}, "seconds: "),
        ({**GOOD, "predictions": [{**TEA, "policy": "coffee"}]}, "has no policy 'coffee'"),
        ({**GOOD, "predictions": [{**TEA, "p_stated": 1.2}]}, "predictions.0.p_stated: "),
        ({**GOOD, "predictions": [{**TEA, "p_stated": math.nan}]}, "predictions.0.p_stated: "),
        ({**GOOD, "predictions": [{**TEA, "ranked": [[3, 2]]}]}, "[3, 2) is no place"),
        ({**GOOD, "predictions": [{**TEA, "ranked": [[0, 10**12]]}]}, "is no place"),
        ({**GOOD, "found": [{"policy": "tea", "span": [-4, 2]}]}, "[-4, 2) is no place"),
    ],
)
def test_a_damaged_line_of_responses_is_named(tmp_path: Path, value: object, reason: str) -> None:
    case = Case("lemon", "?", "made", "dev", ("tea",), {"tea": Expected(stated=False)})
    benchmark = Benchmark("made/dev", (case,), {"tea": "We keep it."})
    (tmp_path / "responses").mkdir()
    lines = f"{json.dumps(GOOD)}\n{json.dumps(value)}\n"
    (tmp_path / "responses" / "x.jsonl").write_text(lines, encoding="utf-8")
    with pytest.raises(DocumentError, match=r"x\.jsonl', line 2: ") as caught:
        running.responses(tmp_path, "x.jsonl", benchmark)
    assert reason in caught.value.message
    assert "\n" not in caught.value.message


def test_a_folder_without_a_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match="holds no evaluation"):
        running.read_run(tmp_path)
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(DocumentError, match=r"run\.json' is damaged: set: Field required"):
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
    made = {
        name: running.responses(evaluated.folder, file, evaluated.benchmark)
        for name, file in files.items()
    }
    shown = page.html(evaluated.report, evaluated.benchmark, made, "policyqa")
    assert shown.count("<svg") == 4
    assert not re.search(
        r"""<script|\bon\w+=|\b(src|href|url)\W{1,3}https?://(?!www\.w3\.org)""", shown
    )
    assert not re.search(r"NOT CAUGHT|\bnan\b|\bNone\b", shown)
    for kind in {case.kind for case in evaluated.benchmark.cases}:
        assert kind in shown
    tables = page.markdown(evaluated.report)
    assert tables.count("| caught |") == 6
    assert tables.count("\n| hit@1 |") == 2  # of the split, and of all


def test_what_is_hostile_reaches_neither_page_nor_table(evaluated: Evaluated) -> None:
    text = f"We keep {HOSTILE} for <img src=x onerror=alert(1)> 30 days."
    expect = {HOSTILE: Expected(stated=True, gold=((Span(0, 7),),))}
    case = Case(HOSTILE, HOSTILE, HOSTILE, HOSTILE, (HOSTILE,), expect)
    benchmark = Benchmark("gold/test", (case,), {HOSTILE: text}, clustered_by="case")
    cited = (Quoted(8, len(text), text[8:]),)
    ranked = (Span(8, len(text)),)
    response = Response(HOSTILE, 0.1, (Prediction(HOSTILE, 0.9, cited, ranked, text),))
    scored = report.system_report(benchmark, {HOSTILE: response})
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


def test_the_gate_shows_the_comparison_beside_an_uncaught_control(
    evaluated: Evaluated, ask: Ask, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(report, "uncaught", lambda _: ["never stated"])
    words = ["eval", "gate", "--baseline", str(evaluated.folder / report.FILE_NAME)]
    assert ask([*words, "--out", str(evaluated.folder)]) == 1
    said = capsys.readouterr()
    assert {"before", "after", "change"} <= set(said.out.split())
    assert "no metric shows that the control 'never stated' is wrong" in said.err


def test_the_published_tables_are_of_what_entered_each_figure(
    evaluated: Evaluated, ask: Ask, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "report.json").write_text(dump(evaluated.report), encoding="utf-8")
    assert ask(["eval", "tables", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(
        "gold, test: 123 questions, 5 policies\n\n| | n | policyqa | similarity |"
    )
    figures = {name: one.figures for name, one in evaluated.report.systems.items()}
    rows = {line.split(" | ")[0].strip("| "): line for line in shown.splitlines() if "|" in line}
    assert list(rows)[2:5] == ["hit@1", "evidence precision", "citation precision"]
    assert f"| hit@1 | {figures['policyqa']['hit@1'].n} |" in rows["hit@1"]
    for name in figures:
        assert f"(n {figures[name]['citation precision'].n})" in rows["citation precision"]
    assert shown.strip() in page.markdown(evaluated.report)


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


def test_a_baseline_that_is_missing_is_answered_with_how_to_make_it(
    ask: Ask, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = str(tmp_path / "baseline.json")
    assert ask(["eval", "gate", "--baseline", missing, "--out", str(tmp_path / "out")]) == 1
    said = " ".join(capsys.readouterr().err.split())
    assert "there is no baseline" in said
    assert "--update" in said
    assert not (tmp_path / "out").exists()


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
    assert names == ["run", "report", "tables", "compare", "gate", "judge"]
    assert all(name in listed for name in names)


# The judge, on a real socket.


ACTS = (
    Act('{"reason": "it quotes", "faithful": true, "correct": false}'),
    Act("Sure! It is correct."),
    Act('{"reason": "x", "faithful": "NOT_ATTEMPTED", "correct": true}'),
    Act(fault="empty choices"),
    Act(fault="html"),
    Act(fault="401"),
)


def few_answers(evaluated: Evaluated, count: int) -> tuple[Benchmark, Mapping[str, Response]]:
    files = running.read_run(evaluated.folder).systems
    made = running.responses(evaluated.folder, files["policyqa"], evaluated.benchmark)
    chosen = [case for case in evaluated.benchmark.cases if len(case.expect) == 1][:count]
    return replace(evaluated.benchmark, cases=tuple(chosen)), made


def judged(
    evaluated: Evaluated, out: Path, complete: Complete, count: int, model: str = "m"
) -> tuple[Judged, ...]:
    benchmark, made = few_answers(evaluated, count)
    judge(benchmark, made, complete, out, model=model, system="policyqa", progress=nothing)
    return read_judged(out, benchmark, {"policyqa": made})


def verdict() -> Reply:
    return Reply(json.dumps({"reason": "it does", "faithful": True, "correct": False}))


def test_what_a_judge_says_is_parsed_strictly_and_counted(
    evaluated: Evaluated, open_llm: OpenLLM, llm_server: Server, tmp_path: Path
) -> None:
    llm_server.acts = list(ACTS)
    complete = open_llm("openai").complete
    (found,) = judged(evaluated, tmp_path, complete, len(ACTS))
    shown = [asked.user for asked in llm_server.asked]
    kept = [json.loads(line) for line in (tmp_path / FILE_NAME).read_text("utf-8").splitlines()]
    assert [one["outcome"] for one in kept] == [
        "judged", "unparsed", "unparsed", "failed", "failed", "failed",
    ]  # fmt: skip
    assert [one["reason"] for one in kept[:2]] == ["it quotes", "Sure! It is correct."]
    assert found.outcomes == {"judged": 1, "unparsed": 2, "failed": 3}
    assert found.answers == 6
    assert found.faithful is not None
    assert (found.faithful.value, found.faithful.n) == (1, 1)
    assert len({re.search(r"=== (\w{16}) ", prompt)[1] for prompt in shown}) == len(shown)  # type: ignore[index]
    written = page.markdown(replace(evaluated.report, judges=(found,)))
    assert "of 6 answers: 1 judged, 2 unparsed, 3 failed" in written
    assert "not part of any gate" in written


def test_a_judge_goes_on_where_it_was_stopped(evaluated: Evaluated, tmp_path: Path) -> None:
    asked: list[Prompt] = []

    def stopping_at(last: int) -> Complete:
        def complete(prompt: Prompt) -> Reply:
            if len(asked) == last:
                raise KeyboardInterrupt
            asked.append(prompt)
            if len(asked) == 1:
                raise LLMError("overloaded")
            return verdict()

        return complete

    with pytest.raises(KeyboardInterrupt):
        judged(evaluated, tmp_path, stopping_at(3), 5)
    (found,) = judged(evaluated, tmp_path, stopping_at(99), 5)
    assert found.outcomes == {"judged": 5}
    assert len(asked) == 6  # the one that failed, twice


def test_a_verdict_counts_for_the_very_answer_it_was_given_on(
    evaluated: Evaluated, tmp_path: Path
) -> None:
    benchmark, made = few_answers(evaluated, 3)
    judged(evaluated, tmp_path, lambda _: verdict(), 3)
    first, second, third = (case.id for case in benchmark.cases)
    (one,) = made[first].predictions
    other = replace(made[first], predictions=(replace(one, p_stated=0.9, text="Another answer."),))
    (found,) = read_judged(tmp_path, benchmark, {"policyqa": {**made, first: other}})
    assert found.outcomes == {"judged": 2}
    assert found.answers == 3
    (found,) = read_judged(tmp_path, benchmark, {"policyqa": {third: made[third]}})
    assert (found.outcomes, found.answers) == ({"judged": 1}, 1)
    assert read_judged(tmp_path, benchmark, {"policyqa": {}}) == ()
    assert read_judged(tmp_path, benchmark, {}) == ()
    del second


def test_two_judges_stand_side_by_side(evaluated: Evaluated, tmp_path: Path) -> None:
    for model in ("one", "other"):
        found = judged(evaluated, tmp_path, lambda _: verdict(), 2, model=model)
    assert [one.model for one in found] == ["one", "other"]


def test_a_judge_that_is_not_there_fails_every_answer(
    evaluated: Evaluated, open_llm: OpenLLM, tmp_path: Path
) -> None:
    llm = open_llm("openai", llm_base_url="http://127.0.0.1:1/v1", llm_total_seconds=0.1)
    (found,) = judged(evaluated, tmp_path, llm.complete, 1)
    assert (found.correct, found.outcomes) == (None, {"failed": 1})


def test_answers_in_a_models_words_are_evaluated(
    evaluated: Evaluated, ask: Ask, llm_server: Server, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def script(asked: Asked) -> Act:
        if policy_of(asked) == "Wepos":
            return Act(fault="401")
        line = max(passages_of(asked)[1].splitlines(), key=len)
        invented = ("It costs 4711 euros.", [(1, "We charge 4711 euros.")])
        return Act(reply(("It says so.", [(1, line)]), invented))

    few = replace(evaluated.benchmark, cases=evaluated.benchmark.cases[:12])
    monkeypatch.setattr(sets, "load", lambda *_: few)
    monkeypatch.setenv("POLICYQA_LLM_BASE_URL", llm_server.base("openai"))
    llm_server.script = script
    words = ["eval", "run", "--system", "policyqa", "--llm", "openai/x", "--out", str(tmp_path)]
    ask(words)
    found = load(tmp_path).systems["policyqa"]
    assert {"openai/x", "extractive (llm_auth)"} <= set(found.engines)
    assert found.engines["openai/x"]["unverified statements"].value == 1
    assert found.engines["extractive (llm_auth)"]["unverified statements"].value == 0
    assert found.figures["quote exactness"].value == 1
    shown = (tmp_path / "report.html").read_text("utf-8")
    assert "engine: openai/x" in shown
    assert "unverified statements" in shown
    asked = len(llm_server.asked)
    ask(words)
    assert len(llm_server.asked) == asked
    words[words.index("openai/x")] = "openai/y"
    ask(words)
    assert len(llm_server.asked) == 2 * asked


def test_a_key_is_not_shown(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, llm_api_key="sk-secret")  # type: ignore[arg-type]
    assert "sk-secret" not in repr(settings)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{}", "model: Field required"),
        (
            '{"model": "m", "system": "s", "case": "c", "policy": "p", "of": "", "reason": "",'
            ' "outcome": "judged", "faithful": true}',
            "the outcome 'judged' does not go with the verdicts",
        ),
    ],
)
def test_damaged_judgements_are_named(
    evaluated: Evaluated, tmp_path: Path, line: str, reason: str
) -> None:
    (tmp_path / FILE_NAME).write_text(f"{line}\n", encoding="utf-8")
    with pytest.raises(DocumentError, match=rf"judgements\.jsonl', line 1: {reason}"):
        read_judged(tmp_path, evaluated.benchmark, {})
