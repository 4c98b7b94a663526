"""What can be done with the answers of a conversation: see, copy, share, judge and export them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import gradio as gr

from index.errors import PolicyQAError
from qa import render
from qa.chat import Conversation, Turn
from qa.ui import feedback, source
from qa.ui.asking import AskTab, Memory, known, remembered, shown
from qa.ui.shared import Shared, copied, linked, number, saved, warn, word

_NONE = gr.skip()


def wire(shared: Shared, tab: AskTab) -> None:
    """Let the buttons of the answers, of their source and of the conversation do what they say."""
    conversation = [tab.said, tab.memory]
    hidden: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}

    def open_quote(event: gr.EventData, said: Conversation, memory: Memory) -> Any:
        try:
            said = known(shared, said, memory)
            return shown(shared, said, number(event, "turn"), number(event, "cite"))
        except PolicyQAError as error:
            warn(error)
            return _NONE

    def carry(event: gr.EventData, said: Conversation, memory: Memory) -> tuple[Any, ...]:
        turn = _turn(known(shared, said, memory), event)
        if turn and word(event, "do") == "edit":
            return turn.resolved.question, _chosen(shared, turn), _NONE
        return _NONE, _NONE, _parcel(turn, word(event, "do")) if turn else _NONE

    tab.answers.select(open_quote, conversation, shared.source, api_visibility="private")
    shared.source.select(open_quote, conversation, shared.source, api_visibility="private")
    edited = [tab.question, tab.policies]
    tab.answers.click(carry, conversation, [*edited, shared.courier], **hidden)
    for name, press in tab.export.items():
        press.click(_exporter(shared, name), conversation, shared.courier, **hidden)
    _wire_feedback(shared, tab)


def _turn(said: Conversation, event: gr.EventData) -> Turn | None:
    at = number(event, "turn") - said.dropped
    return said.turns[at] if 0 <= at < len(said.turns) else None


def _chosen(shared: Shared, turn: Turn) -> Any:
    """Return what the picker shows of a turn: the policies that it was limited to, if still there."""
    try:
        here = {one.id for one in shared.desk.policies()}
    except PolicyQAError as error:
        warn(error)
        return _NONE
    return [one for one in turn.resolved.policies if one in here]


def _parcel(turn: Turn, do: str) -> Any:
    """Return what is put on the clipboard, if that is what is to be done."""
    if do == "copy":
        gr.Info("Copied, with its sources.")
        return copied(_turn_markdown(turn) + "\n")
    if do == "link":
        gr.Info("Copied. Whoever opens it here asks the same question.")
        return linked(turn.resolved.question, turn.resolved.policies)
    return _NONE


def _wire_feedback(shared: Shared, tab: AskTab) -> None:
    with gr.Column(visible=False, elem_id="comment", elem_classes="dialog") as more:
        comment = gr.Textbox(
            label="Thank you. What should it have said? (optional)", max_length=2000, lines=2
        )
        with gr.Row():
            keep = gr.Button("Save the comment", size="sm", variant="primary")
            leave = gr.Button("No comment", size="sm", elem_classes="no")
    given = gr.State(None)
    conversation = [tab.said, tab.memory]

    def judge(event: gr.EventData, said: Conversation, memory: Memory) -> tuple[Any, ...]:
        verdict = word(event, "verdict")
        if verdict not in feedback.VERDICTS:
            return (_NONE,) * 5
        try:
            said = known(shared, said, memory)
            if not (turn := _turn(said, event)):
                return (_NONE,) * 5
            made = feedback.about(turn, verdict)
            feedback.store(shared.home, made)
        except PolicyQAError as error:
            warn(error)
            return (_NONE,) * 5
        gr.Info("Thank you. Saved on this computer.")
        judged = said.with_verdict(said.turns.index(turn), verdict)
        return judged, remembered(judged), made, gr.update(visible=verdict != "right"), ""

    def save(made: feedback.Feedback | None, text: str) -> Any:
        if made:
            feedback.store(shared.home, replace(made, comment=" ".join(text.split())))
            gr.Info("Saved on this computer.")
        return gr.update(visible=False)

    hidden: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    changed = [*conversation, given, more, comment]
    tab.answers.click(judge, conversation, changed, **hidden)
    keep.click(save, [given, comment], more, **hidden)
    leave.click(lambda: gr.update(visible=False), None, more, **hidden)


def _exporter(shared: Shared, name: str) -> Any:
    def export(said: Conversation, memory: Memory) -> Any:
        said = known(shared, said, memory)
        if not said.turns:
            gr.Info("There is nothing to export yet: ask a question first.")
            return _NONE
        write = _as_json if name == "json" else _as_markdown
        return saved(f"conversation.{name}", write(said))

    return export


def _as_markdown(said: Conversation) -> str:
    return "\n\n".join(map(_turn_markdown, said.turns)) + "\n"


def _turn_markdown(turn: Turn) -> str:
    """Return a question, its answer and the versions of the files that are quoted, as Markdown."""
    parts = [f"## {render.escape_markdown(turn.resolved.asked)}"]
    if turn.resolved.is_changed:
        parts.append(f"Understood as: {render.escape_markdown(turn.resolved.question)}")
    parts.append(render.answer_markdown(turn.answer))
    quoted = {one.source: one.sha256 for _, one in source.citations(turn.answer)}
    parts += [f"{render.escape_markdown(f)}: sha256 `{digest}`" for f, digest in quoted.items()]
    return "\n\n".join(parts)


def _as_json(said: Conversation) -> str:
    turns = [
        {"asked": turn.resolved.asked, **render.answer_json(turn.answer)} for turn in said.turns
    ]
    return json.dumps({"turns": turns}, ensure_ascii=False, indent=1) + "\n"
