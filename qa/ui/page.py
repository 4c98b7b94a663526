"""The page: its tabs, the source beside them, and what it does when it is opened."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
from gradio.data_classes import BlocksConfigDict

from index.errors import PolicyQAError
from qa.assistant import Assistant
from qa.render import OWN_WORDS
from qa.ui import acting, asking, comparing, evaluation, feedback, html, shelving, tables
from qa.ui.asking import AskTab, Memory
from qa.ui.desk import Desk
from qa.ui.library import MOST_BYTES
from qa.ui.shared import Shared, make_courier, make_source, own_html, saved

MOST_PAGES = 1000
"""Pages whose conversations the server keeps; others are told again by their browsers."""
TABS = ("ask", "compare", "library", "evaluation")
HEAD = f"<script>window.mostBytes = {MOST_BYTES};</script>" + "".join(
    f"<{tag}>{Path(__file__).with_name(name).read_text('utf-8')}</{tag}>"
    for tag, name in (("script", "stream.js"), ("script", "dialogs.js"), ("style", "style.css"))
)
THEME = gr.themes.Default(
    primary_hue="teal", neutral_hue="slate", radius_size="md",
    font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"],
)  # fmt: skip
_MODE = "<span>{engine}</span><span>{proof}</span><span>{place}</span>"
_STAYS = "nothing leaves this computer"
# The address names the tab that is open, and holds a question only until it is asked.
_OPEN_TAB = """() => {
  document.getElementById('right').style.display = '%s';
  if (!window.isOpened) return;
  const here = new URL(location);
  here.searchParams.set('tab', '%s');
  history.replaceState(null, '', here);
}"""
# What is still to be asked, because a language model words the answer as it comes, is sent from here.
_CONSUME_LINK = """() => {
  window.isOpened = true;
  const here = new URL(location);
  const isToAsk = %s && here.searchParams.get('q')?.trim();
  here.searchParams.delete('q');
  history.replaceState(null, '', here);
  if (isToAsk) document.getElementById('send').click();
}"""
_NONE = gr.skip()


class Page(gr.Blocks):
    """A page that holds no connection while nothing happens on it.

    Gradio's would hold one to tell when it is closed, and a browser opens no more than six to a
    server: a sixth page would not open. What a page leaves behind here goes when it is out of use.
    """

    def get_config_file(self) -> BlocksConfigDict:
        """Return what the browser is told of the page."""
        config: BlocksConfigDict = super().get_config_file()
        return {**config, "connect_heartbeat": False}


def build(desk: Desk, home: Path) -> gr.Blocks:
    """Make the page over an assistant; ``home`` is where feedback and reports are."""
    page = Page(title="policyqa", analytics_enabled=False, fill_width=True)
    page.state_session_capacity = MOST_PAGES
    with page:
        with gr.Row(elem_id="top"):
            gr.HTML("<h1>policyqa</h1>", apply_default_css=False)
            gr.HTML(_mode(desk), elem_id="mode", apply_default_css=False)
        with gr.Row(elem_id="main"):
            with gr.Column(scale=7, min_width=320, elem_id="left"):
                tabs = gr.Tabs(elem_id="tabs")
            with gr.Column(scale=5, min_width=320, elem_id="right"):
                shared = Shared(desk, home, make_source(), make_courier())
        with tabs:
            with gr.Tab("Ask", id="ask") as asked:
                ask = asking.make(shared)
                acting.wire(shared, ask)
            with gr.Tab("Compare", id="compare") as compared:
                compare = comparing.make(shared)
            with gr.Tab("Library", id="library") as kept:
                library = shelving.make(shared, [ask.policies, compare.policies])
            with gr.Tab("Evaluation", id="evaluation") as measured:
                report = own_html("", "evaluation")
                drafts = gr.Button(
                    "Export feedback as draft gold questions", size="sm", elem_id="export-feedback"
                )
        _wire_opening(
            page, shared, ask, [tabs, ask.policies, compare.policies, library.table, report]
        )
        shelving.wire_news(shared, kept, library, [ask.policies, compare.policies])
        drafts.click(
            lambda: saved("feedback-drafts.jsonl", feedback.drafts(home)),
            None, shared.courier, api_visibility="private",
        )  # fmt: skip
        for tab in (asked, compared, kept, measured):
            tab.select(None, js=_OPEN_TAB % ("none" if tab is measured else "", tab.id))
    page.queue(max_size=96, default_concurrency_limit=16, api_open=False)
    return page


def _mode(desk: Desk) -> str:
    """Return who words the answers, what proves them, and where questions go."""
    if desk.engine == OWN_WORDS:
        return _MODE.format(
            engine="Mode: extractive, no language model",
            proof="answers are the policies’ own words, each quote verified",
            place=_STAYS,
        )
    sent = f"questions and passages are sent to {html.escape(desk.server)}"
    return _MODE.format(
        engine=f"Mode: {html.escape(desk.engine)}",
        proof="it words the answers, each quote verified",
        place=sent if desk.server else _STAYS,
    )


def _wire_opening(page: gr.Blocks, shared: Shared, ask: AskTab, parts: list[Any]) -> None:
    is_streamed = shared.desk.engine != OWN_WORDS

    # One event: of several at once, Gradio's client may lose the answer to one.
    def opened(memory: Memory, request: gr.Request) -> tuple[Any, ...]:
        *filled, chosen = _filled(shared, request)
        said = asking.restored(shared, memory)
        # Where there is nothing to restore, a first question may be on its way already.
        found = (html.conversation(said), said) if said.turns else (_NONE, _NONE)
        question = request.query_params.get("q", "")
        if is_streamed or not question.strip():
            return *filled, *found, _NONE, _NONE, question or _NONE
        shown = asking.answered(shared, question, chosen, said)
        return *filled, *shown, question if shown[1] == _NONE else _NONE

    page.load(
        opened, ask.memory, [*parts, *ask.outputs, shared.source, ask.question],
        concurrency_limit=32, show_progress="hidden", api_visibility="private",
    ).then(None, js=_CONSUME_LINK % str(is_streamed).lower(), api_visibility="private")  # fmt: skip


def _filled(shared: Shared, request: gr.Request) -> tuple[Any, ...]:
    """Return a link's tab, the pickers, the library, the newest evaluation, and a link's policies.

    Of those it is the ids, and as it is what is no policy's name.
    """
    tab = request.query_params.get("tab")
    selected = gr.Tabs(selected=tab) if tab in TABS else _NONE
    found = tables.evaluation(evaluation.load(shared.home))
    named = [
        name
        for given in request.query_params.getlist("policy")
        for name in given.split(",")
        if name.strip()
    ]
    try:
        table, picker = shelving.listed(shared)
        with shared.desk.assistant() as assistant:
            chosen = [_id(assistant, name) for name in named]
    except PolicyQAError as error:
        return selected, _NONE, _NONE, html.error_line(error), found, named
    ids = {id_ for _, id_ in picker["choices"]}
    picked = gr.update(choices=picker["choices"], value=[one for one in chosen if one in ids])
    return selected, picked, picker, table, found, chosen


def _id(assistant: Assistant, name: str) -> str:
    try:
        return assistant.policy(name).id
    except PolicyQAError:  # said when it is asked
        return name
