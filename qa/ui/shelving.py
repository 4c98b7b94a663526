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
from qa.ui.library import Outcome
from qa.ui.shared import Shared, choices, own_html, word

_NONE = gr.skip()


@dataclass(frozen=True, slots=True)
class LibraryTab:
    """The parts of the tab that change with the library."""

    table: gr.HTML
    asking: gr.Group
    wanted: gr.HTML
    pending: gr.State
    result: gr.HTML


def make(shared: Shared, pickers: Sequence[gr.Dropdown]) -> LibraryTab:
    """Make the tab and say what its parts do; ``pickers`` offer what is in the library."""
    table = own_html("", "library")
    with gr.Group(visible=False, elem_id="remove-asking") as asking:
        wanted = own_html("", "remove-wanted")
        with gr.Row():
            yes = gr.Button("Remove it", variant="stop", elem_id="remove-yes")
            no = gr.Button("Keep it", elem_id="remove-no")
    files = gr.File(
        label=f"Add policies ({', '.join(PARSERS)})",
        file_count="multiple",
        elem_id="upload",
        height=140,
    )
    with gr.Row():
        replace = gr.Checkbox(
            False, label="Replace uploaded files of the same name", elem_id="replace"
        )
        again = gr.Button("Look for changed files", size="sm", elem_id="sync")
    tab = LibraryTab(table, asking, wanted, gr.State(""), own_html("", "upload-result"))
    changed = [tab.result, table, *pickers]
    options: dict[str, Any] = {"concurrency_limit": 1, "api_visibility": "private"}
    files.upload(_adder(shared, len(pickers)), [files, replace], [files, *changed], **options)
    again.click(_syncer(shared, len(pickers)), outputs=changed, **options)
    _wire_removal(shared, tab, yes, no, changed)

    def read(event: gr.EventData) -> Any:
        with shared.desk.assistant() as assistant:
            found = assistant.home.catalog.policy(word(event, "policy"))
        return source.plain(found) if found else _NONE

    table.select(read, None, shared.source, api_visibility="private")
    return tab


def listed(shared: Shared) -> list[Any]:
    """Return the table of policies, and what the pickers offer: one, for as many as there are."""
    with shared.desk.assistant() as assistant:
        policies, counts = assistant.policies, assistant.home.catalog.passage_counts()
    return [tables.library(policies, counts), gr.update(choices=choices(policies))]


def _everywhere(shared: Shared, result: str, pickers: int) -> tuple[Any, ...]:
    """Return what shows a changed library in every part of the page."""
    table, picker = listed(shared)
    return (result, table, *[picker] * pickers)


def _adder(shared: Shared, pickers: int) -> Callable[..., tuple[Any, ...]]:
    def add(
        files: list[str] | None,
        replace: bool,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> tuple[Any, ...]:
        def tell(name: str, done: int, total: int) -> None:
            progress((done, total), desc=f"Indexing {name}", unit="files")

        try:
            with shared.desk.assistant() as assistant:
                paths = [Path(file) for file in files or ()]
                found = library.add(assistant, paths, replace=replace, progress=tell)
            return (None, *_everywhere(shared, tables.outcomes(found), pickers))
        except PolicyQAError as error:
            return (None, html.error_line(error), *[_NONE] * (1 + pickers))

    return add


def _syncer(shared: Shared, pickers: int) -> Callable[[], tuple[Any, ...]]:
    def again() -> tuple[Any, ...]:
        try:
            with shared.desk.assistant() as assistant:
                report = build.refresh(assistant.home)
            return _everywhere(shared, tables.outcomes(library.told(report)), pickers)
        except PolicyQAError as error:
            return (html.error_line(error), *[_NONE] * (1 + pickers))

    return again


def _wire_removal(
    shared: Shared, tab: LibraryTab, yes: gr.Button, no: gr.Button, changed: Sequence[Any]
) -> None:
    def ask(event: gr.EventData) -> tuple[Any, ...]:
        policy = word(event, "policy")
        asked = (
            f"<p><strong>Remove {html.escape(policy)}?</strong> Its text, passages and vectors are "
            "deleted for everyone who uses this library.</p>"
        )
        return asked, policy, gr.update(visible=True)

    def remove(policy: str) -> tuple[Any, ...]:
        try:
            with shared.desk.assistant() as assistant:
                library.remove(assistant, policy)
            result = tables.outcomes([Outcome(policy, "removed")])
            return gr.update(visible=False), *_everywhere(shared, result, len(changed) - 2)
        except PolicyQAError as error:
            left = [_NONE] * (len(changed) - 1)
            return gr.update(visible=False), html.error_line(error), *left

    hidden: dict[str, Any] = {"api_visibility": "private"}
    tab.table.click(ask, None, [tab.wanted, tab.pending, tab.asking], **hidden)
    yes.click(remove, tab.pending, [tab.asking, *changed], concurrency_limit=1, **hidden)
    no.click(lambda: gr.update(visible=False), None, tab.asking, **hidden)
