"""The tab Library: what is indexed, with uploads, replacements and removals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from index import build
from index.errors import PolicyQAError
from index.parse import PARSERS
from qa.ui import html, library, source, tables
from qa.ui.library import MOST_BYTES, MOST_FILES, Outcome, Seen, news, versions
from qa.ui.shared import STORED, Shared, choices, own_html, warn, word

_NONE = gr.skip()


@dataclass(frozen=True, slots=True)
class LibraryTab:
    """The parts of the tab that change with the library."""

    table: gr.HTML
    asking: gr.Column
    wanted: gr.HTML
    pending: gr.State
    result: gr.HTML
    seen: gr.BrowserState


def make(shared: Shared, pickers: Sequence[gr.Dropdown]) -> LibraryTab:
    """Make the tab and say what its parts do; ``pickers`` offer what is in the library."""
    with gr.Column(visible=False, elem_id="remove-asking", elem_classes="dialog") as asking:
        wanted = own_html("", "remove-wanted")
        with gr.Row():
            yes = gr.Button("Remove it", variant="stop", elem_id="remove-yes")
            no = gr.Button("Keep it", elem_id="remove-no", elem_classes="no")
    files = gr.File(
        label=(
            f"Add policies ({', '.join(PARSERS)}; up to {MOST_FILES} files at a time, "
            f"{MOST_BYTES // 2**20} MB each)"
        ),
        file_count="multiple",
        elem_id="upload",
        height=140,
    )
    with gr.Row():
        replace = gr.Checkbox(
            False, label="Replace uploaded files of the same name", elem_id="replace"
        )
        again = gr.Button("Look for changed files", size="sm", elem_id="sync")
    result = own_html("", "upload-result")
    table = own_html("", "library")
    tab = LibraryTab(
        table, asking, wanted, gr.State(""), result,
        gr.BrowserState({}, storage_key="policyqa-library", secret=STORED),
    )  # fmt: skip
    changed = [tab.result, table, *pickers]
    options: dict[str, Any] = {"concurrency_limit": 1, "api_visibility": "private"}
    files.upload(
        _adder(shared, len(pickers)), [files, replace, tab.seen], [files, *changed], **options
    )
    again.click(_syncer(shared, len(pickers)), tab.seen, changed, **options)
    _wire_removal(shared, tab, yes, no, changed)

    def read(event: gr.EventData) -> Any:
        try:
            with shared.desk.assistant() as assistant:
                found = assistant.home.catalog.policy(word(event, "policy"))
        except PolicyQAError as error:
            warn(error)
            return _NONE
        return source.plain(found) if found else source.changed(word(event, "policy"))

    table.select(read, None, shared.source, api_visibility="private")
    return tab


def wire_news(
    shared: Shared, opened: gr.Tab, tab: LibraryTab, pickers: Sequence[gr.Dropdown]
) -> None:
    """Whenever the tab is opened, bring it up to date and mark what has changed since before."""

    def look(seen: Seen) -> tuple[Any, ...]:
        try:
            table, picker = listed(shared, seen)
            return table, versions(shared.desk.policies()), *[picker] * len(pickers)
        except PolicyQAError as error:
            return html.error_line(error), *[_NONE] * (1 + len(pickers))

    opened.select(
        look, tab.seen, [tab.table, tab.seen, *pickers],
        show_progress="hidden", api_visibility="private",
    )  # fmt: skip


def listed(shared: Shared, seen: Seen | None = None) -> list[Any]:
    """Return the table of policies, marked by what was seen before, and what a picker offers."""
    with shared.desk.assistant() as assistant:
        policies, counts = assistant.policies, assistant.home.catalog.passage_counts()
    table = tables.library(policies, counts, news(seen or {}, versions(policies)))
    return [table, gr.update(choices=choices(policies))]


def _everywhere(shared: Shared, result: str, seen: Seen, pickers: int) -> tuple[Any, ...]:
    """Return what shows a changed library in every part of the page."""
    table, picker = listed(shared, seen)
    return (result, table, *[picker] * pickers)


def _adder(shared: Shared, pickers: int) -> Callable[..., tuple[Any, ...]]:
    def add(
        files: list[str] | None,
        replace: bool,
        seen: Seen,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> tuple[Any, ...]:
        def tell(name: str, done: int, total: int) -> None:
            progress((done, total), desc=f"Indexing {name}", unit="files")

        try:
            paths = [Path(file) for file in files or ()]
            found = library.add(shared.desk.assistant, paths, replace=replace, progress=tell)
            return (None, *_everywhere(shared, tables.outcomes(found), seen, pickers))
        except PolicyQAError as error:
            return (None, html.error_line(error), *[_NONE] * (1 + pickers))

    return add


def _syncer(shared: Shared, pickers: int) -> Callable[[Seen], tuple[Any, ...]]:
    def again(seen: Seen) -> tuple[Any, ...]:
        try:
            with shared.desk.assistant() as assistant:
                report = build.refresh(assistant.home)
            return _everywhere(shared, tables.outcomes(library.told(report)), seen, pickers)
        except PolicyQAError as error:
            return (html.error_line(error), *[_NONE] * (1 + pickers))

    return again


def _wire_removal(
    shared: Shared, tab: LibraryTab, yes: gr.Button, no: gr.Button, changed: Sequence[Any]
) -> None:
    def ask(event: gr.EventData) -> tuple[Any, ...]:
        policy = word(event, "policy")
        asked = (
            f"<p><strong>Remove {html.escape(word(event, 'title') or policy)}?</strong> It and all "
            "that was made from it are deleted for everyone who uses this library. A file outside "
            "the library stays.</p>"
        )
        return asked, policy, gr.update(visible=True)

    def remove(policy: str, seen: Seen) -> tuple[Any, ...]:
        try:
            with shared.desk.assistant() as assistant:
                library.remove(assistant, policy)
            result = tables.outcomes([Outcome(policy, "removed")])
            return gr.update(visible=False), *_everywhere(shared, result, seen, len(changed) - 2)
        except PolicyQAError as error:
            left = [_NONE] * (len(changed) - 1)
            return gr.update(visible=False), html.error_line(error), *left

    hidden: dict[str, Any] = {"api_visibility": "private"}
    tab.table.click(ask, None, [tab.wanted, tab.pending, tab.asking], **hidden)
    yes.click(
        remove, [tab.pending, tab.seen], [tab.asking, *changed], concurrency_limit=1, **hidden
    )
    no.click(lambda: gr.update(visible=False), None, tab.asking, **hidden)
