"""The tab Compare: questions by policies, filled while one looks on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from threading import Event
from typing import Any

import gradio as gr

from index.errors import PolicyQAError
from qa.compare import (
    COMMON_QUESTIONS,
    Comparison,
    comparison_csv,
    comparison_markdown,
    comparisons,
)
from qa.ui import html, source, tables
from qa.ui.apart import apart
from qa.ui.shared import Shared, number, own_html, saved, warn

_NONE = gr.skip()


@dataclass(frozen=True, slots=True)
class CompareTab:
    """The part of the tab that the page fills when it is opened."""

    policies: gr.Dropdown


def make(shared: Shared) -> CompareTab:
    """Make the tab and say what its parts do."""
    with gr.Row():
        questions = gr.Textbox(
            "\n".join(COMMON_QUESTIONS), label="Questions, one a line", lines=5, max_lines=12,
            max_length=20_000, elem_id="compare-questions", scale=3,
        )  # fmt: skip
        with gr.Column(scale=2):
            policies = gr.Dropdown(
                [], multiselect=True, label="Policies (all, unless you choose some)",
                elem_id="compare-policies",
            )  # fmt: skip
            with gr.Row():
                start = gr.Button("Compare", variant="primary", elem_id="compare", min_width=80)
                stop = gr.Button("Stop", elem_id="compare-stop", min_width=80)
            with gr.Row():
                export = [
                    gr.Button(f"Export {n}", size="sm", min_width=80) for n in ("CSV", "Markdown")
                ]
    table = own_html(tables.comparison(None), "compare-table")
    made = gr.State(None, time_to_live=14_400)

    def fill(text: str, chosen: Sequence[str]) -> Iterator[tuple[Any, Any]]:
        try:
            ids = [*chosen] or shared.desk.ids()
            gone = Event()
            ask = partial(shared.desk.ask, policies=ids, is_wanted=lambda: not gone.is_set())
            growing = comparisons(ask, text.splitlines(), ids)
            take = partial(next, growing, None)
            while grown := (yield from apart((_NONE, _NONE), gone, take)):
                yield tables.comparison(grown), grown
        except PolicyQAError as error:
            yield html.error_line(error), None

    filling = start.click(
        fill, [questions, policies], [table, made],
        concurrency_limit=8, show_progress="hidden", api_visibility="private",
    )  # fmt: skip
    stop.click(None, cancels=filling, queue=False, api_visibility="private")

    def opened(event: gr.EventData, shown: Comparison | None) -> Any:
        return _opened(shared, number(event, "row"), number(event, "column"), shown)

    table.select(opened, made, shared.source, api_visibility="private")
    forms = (("csv", comparison_csv), ("md", comparison_markdown))
    for (ending, write), press in zip(forms, export, strict=True):
        press.click(_exporter(ending, write), made, shared.courier, api_visibility="private")
    return CompareTab(policies)


def _opened(shared: Shared, row: int, column: int, table: Comparison | None) -> Any:
    """Return the source view of a cell's first quote."""
    if not table or not (0 <= row < len(table.rows) and 0 <= column < len(table.policies)):
        return _NONE
    cell = table.rows[row].cells[column]
    if cell is None or not cell.citations:
        return _NONE
    try:
        known = {one.id: one for one in shared.desk.policies()}
    except PolicyQAError as error:
        warn(error)
        return _NONE
    if cell.policy not in known:
        return source.changed(cell.title)
    return source.alone(known[cell.policy], cell.citations[0])


def _exporter(
    ending: str, write: Callable[[Comparison], str]
) -> Callable[[Comparison | None], Any]:
    def export(table: Comparison | None) -> Any:
        if table is None:
            gr.Info("There is nothing to export yet: compare first.")
            return _NONE
        return saved(f"comparison.{ending}", write(table))

    return export
