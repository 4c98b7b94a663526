"""Answers, search results and lists on a terminal: rich where there is one, plain text in a pipe."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from index.types import Policy
from qa import render

if TYPE_CHECKING:  # they bring NumPy, which `policyqa --help` can do without
    from index.build import SyncReport
    from qa.llm.trial import Trial
    from qa.types import Answer, Citation, PolicyAnswer, SearchResults

_UNBOUNDED = 100_000


def out() -> Console:
    """Return the console for results; in a pipe a line is as long as it is."""
    return _console(stderr=False)


def err() -> Console:
    """Return the console for progress and errors."""
    return _console(stderr=True)


def _console(*, stderr: bool) -> Console:
    console = Console(stderr=stderr, highlight=False)
    if not console.is_terminal:
        console.width = _UNBOUNDED
    return console


def show_answer(console: Console, answer: Answer) -> None:
    """Print an answer: stated first with its numbered quotes, then the policies that are silent."""
    for one in render.stated(answer):
        _heading(console, one, "states this", "green")
        if one.engine != render.OWN_WORDS:
            for statement in one.statements:
                if statement.verified:
                    console.print(Padding.indent(Text(render.statement_line(statement)), 2))
        for citation in one.citations:
            _quote(console, citation)
        _unverified(console, one)
        console.print()
    for one in render.silent(answer):
        _heading(console, one, "does not state this", "yellow")
        _unverified(console, one)
        if one.nearest:
            closest = Text(render.closest_line(one.nearest[0]), "dim")
            console.print(Padding.indent(closest, 4))
        console.print()
    for sentence in render.summary(answer):
        console.print(Text(sentence))
    if answer.engine != render.OWN_WORDS:
        console.print(Text(render.spent(answer), "dim"))


def _heading(console: Console, one: PolicyAnswer, verdict: str, style: str) -> None:
    line = Text(render.printable(render.heading(one)), "bold")
    line.append(f"  {verdict} ({render.percent(one.confidence)} sure)", style)
    console.print(line)


def _unverified(console: Console, one: PolicyAnswer) -> None:
    for statement in one.statements:
        if not statement.verified:
            line = Text(render.statement_line(statement), "yellow")
            console.print(Padding.indent(line, 2))


def _quote(console: Console, citation: Citation) -> None:
    text = Text(f"[{citation.marker}] ", "bold cyan")
    text.append(render.quote_line(citation), "default")
    if words := render.emphasis(citation, text.plain):
        at = text.plain.index(words)
        text.stylize("bold", at, at + len(words))
    console.print(Padding.indent(text, 2))
    console.print(Padding.indent(Text(render.printable(render.place(citation)), "dim"), 6))
    if qualification := render.qualified(citation):
        console.print(Padding.indent(Text(qualification, "dim"), 6))


def show_results(console: Console, found: SearchResults) -> None:
    """Print search results, best first."""
    for result in found.results:
        place = f"{result.policy} {result.start}–{result.end}"
        section = f" · {render.printable(result.section)}" if result.section else ""
        console.print(Text(f"{result.rank}. {place}{section}  {result.score:.3f}", "bold"))
        console.print(Padding.indent(Text(render.printable(result.text)), 3))
    for sentence in render.unknown(found.unknown_names):
        console.print(Text(sentence))
    if not (found.results or found.unknown_names):
        console.print("Nothing was found.")


def show_policies(console: Console, policies: Sequence[Policy], counts: dict[str, int]) -> None:
    """Print a table of what is indexed."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("policy", "title", "names", "updated", "characters", "passages"):
        table.add_column(
            column, justify="right" if column in {"characters", "passages"} else "left"
        )
    for policy in policies:
        table.add_row(
            policy.id,
            Text(render.printable(policy.title)),
            Text(render.printable(", ".join(policy.names))),
            str(policy.updated or "—"),
            f"{len(policy.text):,}",
            str(counts.get(policy.id, 0)),
        )
    console.print(table)


def show_report(console: Console, report: SyncReport) -> None:
    """Print what a sync did."""
    done = {
        "added": report.added,
        "changed": report.changed,
        "unchanged": report.unchanged,
        "removed": report.removed,
    }
    counts = ", ".join(f"{len(ids)} {name}" for name, ids in done.items())
    console.print(f"{counts}, {len(report.failed)} failed, {len(report.skipped)} skipped")
    for name in ("added", "changed", "removed"):
        if done[name]:
            console.print(Text(f"{name}: {', '.join(done[name])}"))
    for path in report.skipped:
        console.print(Text(f"skipped {render.printable(path)}: not a format that is read", "dim"))


def show_findings(console: Console, found: Sequence[str]) -> None:
    """Print what is wrong with an index, or that it is whole."""
    for finding in found:
        console.print(Text(f"damaged: {render.printable(finding)}", "red"))
    if found:
        console.print("Repair it: policyqa doctor --repair")
    else:
        console.print("The index is whole.")


def show_trial(console: Console, trial: Trial) -> None:
    """Print whether the language model answers, and what to do if it does not."""
    console.print(Text(render.printable(trial.summary), "red" if trial.error else ""))
    if trial.hint:
        console.print(Text(f"hint: {render.printable(trial.hint)}"))


def show_text(console: Console, text: str) -> None:
    """Print a document's text as it is, tabs too; what could act on the terminal is replaced."""
    shown = ("\ufffd" if render.unprintable(c) and c not in "\n\t" else c for c in text)
    console.file.write("".join(shown).removesuffix("\n") + "\n")


def show_error(console: Console, message: str, hint: str) -> None:
    """Print one line that says what is wrong, and a hint that says what to do next."""
    console.print(Text(f"error: {render.printable(message)}", "red"), soft_wrap=True)
    if hint:
        console.print(Text(f"hint: {render.printable(hint)}"), soft_wrap=True)


@contextmanager
def progress_bar(console: Console) -> Iterator[Callable[[str, int, int], None]]:
    """Show a bar, from the first call on, of what is being done, how much is done, of how much.

    Where there is no terminal, one line says that it began.
    """
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
    bar = Progress(*columns, console=console, transient=True)
    task = bar.add_task("indexing", total=None)

    def update(what: str, done: int, total: int) -> None:
        if not console.is_terminal and done == 0:
            console.print(f"indexing {total} {'policy' if total == 1 else 'policies'} …")
        elif console.is_terminal:
            bar.start()
        bar.update(
            task, description=f"indexing {render.printable(what):.40}", completed=done, total=total
        )

    try:
        yield update
    finally:
        if console.is_terminal:  # elsewhere it was never started, and would leave an empty line
            bar.stop()
