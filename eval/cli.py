"""``policyqa eval``: run, report, compare and gate. Loaded by name, only when it is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from index.errors import UsageError
from index.settings import Settings
from qa import terminal
from qa.cli import ConfigOption, HomeOption, LLMOption, handled

if TYPE_CHECKING:
    from eval.benchmarks import Benchmark
    from eval.compare import Comparison
    from eval.report import Report
    from eval.run import Run
    from index.build import Progress

app = typer.Typer(
    help="Measure: is it right, and did this change make it better?",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_DISTRUST = "the questions are too few or too easy for it: do not trust these figures"

SetOption = Annotated[str, typer.Option("--set", help="The questions: gold, policy-questions, …")]
SplitOption = Annotated[str | None, typer.Option("--split", help="A part of the set.")]
DataOption = Annotated[
    Path | None, typer.Option("--data", help="The folder of a set that is not part of policyqa.")
]
OutOption = Annotated[
    Path | None, typer.Option("--out", help="Where the run is kept; the same one goes on.")
]
SystemsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--system",
        help="policyqa, obvious, similarity, minilm, bm25 or question-only; repeatable.",
    ),
]
BaselineOption = Annotated[Path, typer.Option("--baseline", help="A report to hold against.")]
SystemOption = Annotated[str, typer.Option("--system", help="The system that is compared.")]


@app.command()
def run(
    set_name: SetOption = "gold",
    split: SplitOption = None,
    systems: SystemsOption = None,
    data: DataOption = None,
    out: OutOption = None,
    home: HomeOption = None,
    config: ConfigOption = None,
    llm: LLMOption = None,
) -> None:
    """Ask a set's questions, print the figures beside controls and write the report.

    What is answered is kept: after Ctrl-C the same command goes on where it stopped.
    """
    with handled(as_json=False):
        settings = Settings.load(config=config, home=home, llm=llm)
        made = _run(settings, set_name, split, systems or ["policyqa"], data, out)
        _refuse(_uncaught(made), hint=_DISTRUST)


def _run(
    settings: Settings,
    set_name: str,
    split: str | None,
    systems: list[str],
    data: Path | None,
    out: Path | None,
) -> Report:
    from eval import run as running
    from eval.benchmarks import sets

    benchmark = sets.load(set_name, split, data)
    folder = out or settings.home / running.FOLDER / benchmark.name.replace("/", "-")
    with _kept_in(folder) as progress:
        made = running.run(benchmark, systems, settings, folder, progress=progress)
    return _write(made, benchmark, folder)


@contextmanager
def _kept_in(folder: Path) -> Iterator[Progress]:
    """Show progress; where it is stopped, say what is kept and how to go on."""
    try:
        with terminal.progress_bar(terminal.err()) as progress:
            yield progress
    except KeyboardInterrupt:
        terminal.show_error(
            terminal.err(),
            f"stopped; what is done is kept in {str(folder)!r}",
            "give the same command again to go on",
        )
        raise


def _uncaught(report: Report) -> list[str]:
    from eval.report import uncaught

    return [f"no metric shows that the control {name!r} is wrong" for name in uncaught(report)]


def _refuse(faults: Sequence[str], *, hint: str) -> None:
    """Raise UsageError for all faults at once, if there are any."""
    if faults:
        raise UsageError("; ".join(faults), hint=hint)


def _write(made: Run, benchmark: Benchmark, folder: Path) -> Report:
    """Write the report in its three forms and show it.

    The page comes last: where it cannot be drawn, no figure is lost.
    """
    from eval import page
    from eval.report import FILE_NAME, dump, make
    from eval.run import responses

    report = make(made, benchmark, folder)
    (folder / FILE_NAME).write_text(dump(report), encoding="utf-8")
    (folder / "report.md").write_text(page.markdown(report), encoding="utf-8")
    _show(report)
    answers = {name: responses(folder, file, benchmark) for name, file in made.systems.items()}
    drawn = page.html(report, benchmark, answers, next(iter(made.systems)))
    (folder / "report.html").write_text(drawn, encoding="utf-8")
    terminal.out().print(Text(f"report: {folder / 'report.html'}"))
    return report


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(help="The folder of a run.")],
    data: DataOption = None,
) -> None:
    """Score a run again and write its report."""
    with handled(as_json=False):
        from eval.benchmarks import sets
        from eval.run import read_run

        made = read_run(folder)
        name, _, split = made.set.partition("/")
        _write(made, sets.load(name, split, data), folder)


@app.command()
def tables(
    runs: Annotated[list[Path], typer.Argument(help="Folders of runs, or their report.json.")],
) -> None:
    """Print the figures that are published of each run as Markdown, ready to be pasted."""
    with handled(as_json=False):
        from eval import page
        from eval.report import load

        print("\n\n".join(page.published(load(path)) for path in runs))


@app.command()
def compare(
    before: Annotated[Path, typer.Argument(help="The folder of a run, or its report.json.")],
    after: Annotated[Path, typer.Argument(help="Another one of the same set.")],
    system: SystemOption = "policyqa",
) -> None:
    """Print what differs between two runs beyond chance, and the cases that flipped."""
    with handled(as_json=False):
        from eval import compare as comparing
        from eval.report import load

        first, second = (comparing.system(load(path), system) for path in (before, after))
        _show_comparison(comparing.compare(first, second))


@app.command()
def gate(
    baseline: BaselineOption,
    update: Annotated[
        bool, typer.Option("--update", help="Make this run the baseline, whatever it came to.")
    ] = False,
    data: DataOption = None,
    out: OutOption = None,
    home: HomeOption = None,
    config: ConfigOption = None,
) -> None:
    """Run the baseline's questions again; exit with 1 if a metric is worse beyond its interval."""
    with handled(as_json=False):
        from eval.report import dump, load

        if not update and not baseline.exists():
            raise UsageError(
                f"there is no baseline {str(baseline)!r}",
                hint=f"make one: policyqa eval gate --baseline {baseline} --update",
            )
        before = None if update else load(baseline)
        name, _, split = (before.set if before else "gold/all").partition("/")
        settings = Settings.load(config=config, home=home, llm="none")
        now = _run(settings, name, split, ["policyqa"], data, out)
        if before is None:
            baseline.write_text(dump(now), encoding="utf-8")
            return
        hint = f"if that is meant: policyqa eval gate --baseline {baseline} --update"
        regressed, uncaught = _regressions(before, now), _uncaught(now)
        _refuse([*regressed, *uncaught], hint=hint if regressed else _DISTRUST)


def _regressions(before: Report, now: Report) -> list[str]:
    """Show the two side by side; return what is wrong with the second."""
    from eval import compare as comparing

    found = comparing.compare(
        comparing.system(before, "policyqa"), comparing.system(now, "policyqa")
    )
    _show_comparison(found)
    if found.only:
        return [f"{found.only} rows are in one of the two runs only"]
    names = ", ".join(one.metric.name for one in found.regressions)
    return [f"worse than the baseline: {names}"] if names else []


@app.command()
def judge(
    folder: Annotated[Path, typer.Argument(help="The folder of a run.")],
    llm: Annotated[str, typer.Option("--llm", help="The judge, such as openai/qwen3.")],
    system: SystemOption = "policyqa",
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Let a language model judge a run's answers, and write the report again with what it said.

    What is judged is kept: after Ctrl-C the same command goes on where it stopped.
    """
    with handled(as_json=False):
        from eval import judge as judging
        from eval.benchmarks import sets
        from eval.run import read_run, responses
        from qa.llm import load_llm

        made = read_run(folder)
        if system not in made.systems:
            raise UsageError(
                f"the run has no system {system!r}", hint=f"it has: {', '.join(made.systems)}"
            )
        name, _, split = made.set.partition("/")
        benchmark = sets.load(name, split, data)
        judge_llm = load_llm(Settings.load(config=config, llm=llm))
        if judge_llm is None:
            raise UsageError("no language model is named", hint="name one: --llm openai/qwen3")
        answers = responses(folder, made.systems[system], benchmark)
        with _kept_in(folder) as progress, closing(judge_llm):
            judging.judge(
                benchmark, answers, judge_llm.complete, folder, model=llm, system=system,
                progress=progress,
            )  # fmt: skip
        _write(made, benchmark, folder)
        terminal.out().print(Text(f"what was said of each answer: {folder / judging.FILE_NAME}"))


def _show(report: Report) -> None:
    from eval import page

    out = terminal.out()
    out.print(Text(page.headline(report), "bold"))
    for line in page.unanswered(report):
        out.print(Text(line, "yellow"))
    out.print(_table(["", "n", *report.systems], page.figure_rows(report)))
    if report.controls:
        head = ["control", "caught by", "its figure", "policyqa's", ""]
        out.print(_table(head, page.control_rows(report)))
    for line in page.judge_lines(report):
        out.print(Text(line))


def _show_comparison(found: Comparison) -> None:
    out = terminal.out()
    rows = [
        [
            one.metric.name,
            f"{one.before:.3f}",
            f"{one.after:.3f}",
            f"{one.change.value:+.3f} [{one.change.low:+.3f}, {one.change.high:+.3f}]",
            f"{one.change.n:,}",
            one.verdict if one.metric.better else "",
        ]
        for one in found.differences
    ]
    out.print(_table(["", "before", "after", "change", "n", ""], rows))
    for flip in found.flips:
        verdict = "now right" if flip.better else "now wrong"
        out.print(Text(f"{flip.case} · {flip.policy} · {flip.what}: {verdict}"))
    if found.only:
        out.print(
            Text(f"{found.only} rows are in one of the two only; {found.shared} were compared")
        )


def _table(head: list[str], rows: list[list[str]]) -> Table:
    table = Table(*head, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return table
