"""The terminal: plain lines in a pipe, the window's width on a screen, and nothing that acts."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from io import StringIO

import pytest
from fakes import ANY_TEXT, HOSTILE, an_answer
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from index.build import Failure, SyncReport
from index.types import Policy
from qa import render, terminal
from qa.types import Answer, Problem, SearchResult, SearchResults, Statement

STYLE = re.compile(r"\x1b\[[\d;]*m")
LONG = "We keep the data of each customer for as long as the law of the land says. " * 5


def printed(show: Callable[[Console], None], *, width: int | None = None) -> str:
    """Return what is printed: on a screen of a width, or in a pipe."""
    file = StringIO()
    console = Console(
        file=file, force_terminal=width is not None, width=width or 100_000, highlight=False,
        color_system="standard" if width else None, legacy_windows=False,
    )  # fmt: skip
    show(console)
    return file.getvalue()


def in_a_pipe(show: Callable[[Console], None]) -> str:
    return printed(show)


def on_a_screen(show: Callable[[Console], None], *, width: int = 80) -> str:
    """Return what a screen shows, without colours; nothing else may be among it."""
    plain = STYLE.sub("", printed(show, width=width))
    assert "\x1b" not in plain
    return plain


def answer(answer: Answer) -> Callable[[Console], None]:
    return lambda console: terminal.show_answer(console, answer)


def hostile_everywhere(text: str) -> list[Callable[[Console], None]]:
    """Return everything that prints a text somebody else wrote, with that text everywhere."""
    stated = an_answer(text, title=text, name=text, section=text, source=text, unknown=[text])
    said = Statement(text, (), verified=False)
    one = replace(stated.answers[0], statements=(said,))
    stated = replace(stated, answers=(one,), problems=(Problem("x", text),))
    silent = an_answer(text, title=text, name=text, section=text, source=text, p_stated=0.1)
    nearest = replace(silent.answers[0].nearest[0], context=text)
    silent = replace(silent, answers=(replace(silent.answers[0], nearest=(nearest,)),))
    found = SearchResults(text, (SearchResult("acme", 0, 1, text, text, 0.5, 1),), (text,))
    policy = Policy("acme", text, (text,), (), text, "0" * 64, None, (text,))
    report = SyncReport(failed=(Failure(text, text, text),), skipped=(text,))
    return [
        answer(stated),
        answer(silent),
        lambda console: terminal.show_results(console, found),
        lambda console: terminal.show_policies(console, [policy], {}),
        lambda console: terminal.show_report(console, report),
        lambda console: terminal.show_error(console, text, text),
    ]


def is_harmless(text: str) -> bool:
    return not any(render.unprintable(c) for c in text.replace("\n", ""))


@given(text=ANY_TEXT)
def test_no_text_acts_on_a_pipe(text: str) -> None:
    for show in hostile_everywhere(text):
        assert is_harmless(in_a_pipe(show))


@given(text=ANY_TEXT)
def test_no_text_acts_on_a_screen(text: str) -> None:
    for show in hostile_everywhere(text):
        assert is_harmless(on_a_screen(show))


def test_markup_is_shown_literally() -> None:
    for show in hostile_everywhere(HOSTILE):
        shown = in_a_pipe(show)
        assert "[bold red]x[/] [/] [link=http://e.example]y[/link] :smile: **b**" in shown


@given(text=ANY_TEXT)
def test_a_shown_document_keeps_its_lines_tabs_and_offsets(text: str) -> None:
    text = text.replace("\r", "\n")
    shown = in_a_pipe(lambda console: terminal.show_text(console, text))
    assert len(shown) == len(text.removesuffix("\n")) + 1
    assert is_harmless(shown.replace("\t", ""))
    changed = {old for old, new in zip(text, shown, strict=False) if old != new}
    assert all(render.unprintable(character) for character in changed)


def test_a_document_is_shown_as_it_is() -> None:
    text = "# [bold]Acme[/]\n\n\tWe keep  it. \n" + LONG + "\n\n"
    assert in_a_pipe(lambda console: terminal.show_text(console, text)) == text


def test_an_answer_in_a_pipe_is_plain_lines() -> None:
    shown = in_a_pipe(answer(an_answer("We keep it for 90 days.", LONG)))
    assert shown.splitlines() == [
        "Acme Privacy Policy  states this (90 % sure)",
        "  [1] “We keep it for 90 days.”",
        "      1. Data · acme.txt 0–23",
        f"  [2] “{LONG.strip()}”",
        f"      1. Data · acme.txt 0–{len(LONG)}",
        "",
    ]


def test_a_silent_policy_shows_what_comes_closest() -> None:
    shown = in_a_pipe(answer(an_answer("We keep it.", "We sell it.", p_stated=0.1)))
    assert shown.splitlines() == [
        "Acme Privacy Policy  does not state this (90 % sure)",
        "    closest: “We keep it.” — 1. Data · acme.txt 0–11",
        "",
    ]


def test_an_unverified_statement_is_shown_as_such() -> None:
    stated = an_answer("We keep it.")
    said = Statement("We sell it.", (), verified=False)
    one = replace(stated.answers[0], statements=(*stated.answers[0].statements, said))
    assert "  unverified: We sell it.\n" in in_a_pipe(answer(replace(stated, answers=(one,))))


def test_what_concerns_the_whole_answer_is_said_last() -> None:
    whole = replace(an_answer("x", unknown=["Spotify"]), omitted=2, answers=())
    lines = in_a_pipe(answer(whole)).splitlines()
    assert lines == list(render.summary(whole))


@given(text=st.text("We keep it 個人 \u0301", min_size=1, max_size=400), width=st.integers(40, 120))
def test_a_screen_is_never_overrun(text: str, width: int) -> None:
    for show in hostile_everywhere(text)[:5]:
        lines = on_a_screen(show, width=width).splitlines()
        assert max(map(cell_len, lines)) <= width


def test_nothing_is_lost_where_a_screen_wraps() -> None:
    shown = on_a_screen(answer(an_answer(LONG)), width=40)
    assert " ".join(shown.split()).count("as long as the law of the land says.") == 5


@pytest.mark.parametrize("text", [LONG, "x"])
def test_no_line_in_a_pipe_ends_with_a_space(text: str) -> None:
    for show in hostile_everywhere(text)[:5]:
        assert all(line == line.rstrip() for line in in_a_pipe(show).splitlines())


def found_in_a_pipe(found: SearchResults) -> str:
    return in_a_pipe(lambda console: terminal.show_results(console, found))


def test_search_results_are_numbered_and_placed() -> None:
    results = (
        SearchResult("acme", 5, 16, "We keep\nit.", "2. Storage", 0.75, 1),
        SearchResult("zeta", 0, 3, "No.", "", 0.25, 2),
    )
    shown = found_in_a_pipe(SearchResults("how long?", results, ()))
    assert shown.splitlines() == [
        "1. acme 5–16 · 2. Storage  0.750",
        "   We keep it.",
        "2. zeta 0–3  0.250",
        "   No.",
    ]


def test_no_search_result_is_said_too() -> None:
    assert found_in_a_pipe(SearchResults("how long?", (), ())) == "Nothing was found.\n"
    unknown = found_in_a_pipe(SearchResults("how long does Spotify keep it?", (), ("Spotify",)))
    assert unknown == "No policy of Spotify is indexed.\n"


def test_policies_are_a_table() -> None:
    one = Policy("acme", "Acme", ("Acme", "Acme Inc"), (), "x" * 1234, "", date(2024, 2, 1), ())
    two = Policy("zeta", "Zeta", ("Zeta",), (), "x", "", None, ())
    lines = in_a_pipe(
        lambda console: terminal.show_policies(console, [one, two], {"acme": 7})
    ).splitlines()
    cells = [re.split(r"\s{2,}", line) for line in lines]
    assert cells == [
        ["policy", "title", "names", "updated", "characters", "passages"],
        ["acme", "Acme", "Acme, Acme Inc", "2024-02-01", "1,234", "7"],
        ["zeta", "Zeta", "Zeta", "—", "1", "0"],
    ]


def test_a_report_counts_and_names() -> None:
    report = SyncReport(
        added=("a", "b"), unchanged=("c",), removed=("d",), skipped=("/x/[b]logo.png",)
    )
    shown = in_a_pipe(lambda console: terminal.show_report(console, report))
    assert shown.splitlines() == [
        "2 added, 0 changed, 1 unchanged, 1 removed, 0 failed, 1 skipped",
        "added: a, b",
        "removed: d",
        "skipped /x/[b]logo.png: not a format that is read",
    ]


def test_an_error_is_one_line_and_a_hint() -> None:
    shown = in_a_pipe(lambda console: terminal.show_error(console, "it\nbroke", f"do {LONG}"))
    assert shown.splitlines() == ["error: it broke", f"hint: do {LONG.strip()}"]
    assert in_a_pipe(lambda console: terminal.show_error(console, "no", "")) == "error: no\n"


def progress(*steps: tuple[str, int, int]) -> Callable[[Console], None]:
    def show(console: Console) -> None:
        with terminal.progress_bar(console) as update:
            for step in steps:
                update(*step)

    return show


def test_without_progress_nothing_is_printed_in_a_pipe() -> None:
    assert in_a_pipe(progress()) == ""


def test_progress_in_a_pipe_is_one_line() -> None:
    assert (
        in_a_pipe(progress(("a", 0, 2), ("b", 1, 2), ("done", 2, 2))) == "indexing 2 policies …\n"
    )
    assert in_a_pipe(progress(("a", 0, 1), ("done", 1, 1))) == "indexing 1 policy …\n"


def test_progress_on_a_screen_names_the_file() -> None:
    assert "indexing acme.txt" in printed(progress(("acme.txt", 0, 2)), width=80)


@given(name=ANY_TEXT)
def test_progress_shows_any_file_name_literally(name: str) -> None:
    shown = printed(progress((name, 0, 1), ("[/]", 0, 1), ("[bold]x", 1, 1)), width=200)
    assert "[bold]x" in shown
    # Only what moves the cursor and colours the bar is left.
    assert is_harmless(re.sub(r"\x1b\[[?\d;]*[A-Za-z]|\r", "", shown))


def test_progress_is_taken_off_the_screen_after_an_error() -> None:
    def failing(console: Console) -> None:
        with terminal.progress_bar(console) as update:
            update("acme.txt", 0, 2)
            raise RuntimeError

    file = StringIO()
    with pytest.raises(RuntimeError):
        failing(Console(file=file, force_terminal=True, width=80))
    assert file.getvalue().endswith("\x1b[2K")


def test_a_pipe_has_no_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", StringIO())
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    assert terminal.out().width > 10_000
    assert not terminal.out().is_terminal
