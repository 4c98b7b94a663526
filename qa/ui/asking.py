"""The tab Ask: a conversation, and the policies it is about."""

from __future__ import annotations

import json
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from functools import partial
from threading import Event
from typing import Any

import gradio as gr
from pydantic import TypeAdapter

from index.errors import PolicyQAError, UsageError
from qa import render, types
from qa.chat import MOST_TURNS, Conversation, Resolved, Turn, resolve
from qa.types import Answer, Draft, Preview, Problem
from qa.ui import html, source
from qa.ui.apart import PACE, apart
from qa.ui.library import Seen, versions
from qa.ui.shared import CLICKS, STORED, Shared, word

_ANSWERS = (
    CLICKS
    + """
const pane = document.getElementById('answers');
pane.setAttribute('role', 'region');
pane.setAttribute('aria-label', 'Conversation');
// The whole conversation is drawn anew with each answer; what is read out is what came.
const heard = document.createElement('div');
heard.className = 'heard';
heard.setAttribute('role', 'status');
pane.after(heard);
element.addEventListener('click', event => {
  const pressed = event.target.closest('[data-verdict]');
  pressed?.parentElement.querySelectorAll('[data-verdict]').forEach(
    one => one.setAttribute('aria-pressed', String(one === pressed)));
  const box = document.querySelector('#question :is(input, textarea)');
  if (event.target.closest('[data-on=submit]') && matchMedia('(pointer: fine)').matches) box.focus();
});
let seen;
watch('value', () => {
  const last = [...element.querySelectorAll('.turn')].at(-1);
  const told = last?.dataset.told ?? last?.querySelector('.fault').textContent ?? '';
  if (heard.textContent !== told) heard.textContent = told;
  // An answer that is drawn again as it comes does not take the place that one reads from one.
  const isSeen = last?.dataset.turn && last.dataset.turn === seen;
  seen = last?.dataset.turn;
  if (!last || isSeen) return;
  // Where the pane does not scroll, on a narrow window, the page does; for a first answer it need not.
  if (pane.scrollHeight > pane.clientHeight + 1) {
    pane.scrollTop += last.getBoundingClientRect().top - pane.getBoundingClientRect().top - 8;
  } else (last.previousElementSibling ? last : last.firstElementChild).scrollIntoView({block: 'nearest'});
});
"""
)
Memory = dict[str, Any]
"""What a browser remembers of a conversation: its turns, as JSON has them."""
MOST_KEPT = 300_000
"""Characters that a browser keeps of a conversation, so that what it sends stays small."""
_FORM = TypeAdapter(Conversation)
_CHANGED = "policy_changed"
_NONE = gr.skip()
# The question box is emptied by the answer to what is in it: what was stopped, or could not be
# answered, stays, and what is typed while an answer is on its way.
_CLEAR_ANSWERED = """question => {
  const turn = [...document.querySelectorAll('#answers .turn')].at(-1);
  const isAnswered = turn && !turn.querySelector(':scope > .fault')
    && turn.querySelector('.asked').textContent === question.trim().split(/\\s+/).join(' ');
  return isAnswered ? '' : question;
}"""


@dataclass(frozen=True, slots=True)
class AskTab:
    """The parts of the tab that the page fills when it is opened."""

    answers: gr.HTML
    said: gr.State
    memory: gr.BrowserState
    question: gr.Textbox
    policies: gr.Dropdown
    export: Mapping[str, gr.Button]

    @property
    def outputs(self) -> list[Any]:
        """What an answered question changes, without the source."""
        return [self.answers, self.said, self.memory]


def make(shared: Shared) -> AskTab:
    """Make the tab and say what its parts do."""
    answers = gr.HTML(
        html.welcome(), elem_id="answers", js_on_load=_ANSWERS, apply_default_css=False
    )
    with gr.Row(elem_id="ask-row"):
        question = gr.Textbox(
            label="Question", placeholder="Ask the policies, or follow up: and WebEngage?",
            elem_id="question", lines=1, max_lines=1, max_length=10_000, scale=6, autofocus=True,
            min_width=120,
            show_label=False, container=False,
        )  # fmt: skip
        send = gr.Button("Ask", elem_id="send", variant="primary", scale=1, min_width=64)
        stop = gr.Button("Stop", elem_id="stop", scale=1, min_width=64)
    with gr.Row(elem_id="after-row"):
        policies = gr.Dropdown(
            [], multiselect=True, label="Policies (all, unless you choose some)",
            elem_id="policies", scale=3, min_width=240,
        )  # fmt: skip
        small: dict[str, Any] = {"size": "sm", "min_width": 90, "scale": 1}
        export = [gr.Button(f"Export {name}", **small) for name in ("Markdown", "JSON")]
        clear = gr.Button("New conversation", elem_id="new", **small)
        if shared.desk.engine != render.OWN_WORDS:
            trial = gr.Button("Test connection", elem_id="trial", **small)
            trial.click(_try_model(shared), concurrency_limit=4, api_visibility="private")
    tab = AskTab(
        answers,
        gr.State(Conversation(), time_to_live=14_400),
        # A key that is made anew at every start would lose what was kept at the one before.
        gr.BrowserState({}, storage_key="policyqa-conversation", secret=STORED),
        question,
        policies,
        dict(zip(("md", "json"), export, strict=True)),
    )
    _wire_asking(shared, tab, send, stop)
    clear.click(
        lambda: (html.welcome(), Conversation(), {}, source.empty(), ""),
        outputs=[*tab.outputs, shared.source, tab.question],
        api_visibility="private",
    )
    return tab


def _wire_asking(shared: Shared, tab: AskTab, send: gr.Button, stop: gr.Button) -> None:
    inputs = [tab.question, tab.policies, tab.said, tab.memory]
    outputs = [*tab.outputs, shared.source]

    below = gr.State("")

    # When what a quick generator yields arrives at once, Gradio's client may show none of it (seen in
    # 6 of 100 answers on a busy machine, all sent in full; without generators in none). So there are
    # none where no language model writes; and where one does, what came last is drawn once more.
    def ask(
        text: str, chosen: Sequence[str], said: Conversation, memory: Memory
    ) -> tuple[Any, ...]:
        return answered(shared, text, chosen, known(shared, said, memory))

    def ask_example(
        event: gr.EventData, chosen: Sequence[str], said: Conversation, memory: Memory
    ) -> tuple[Any, ...]:
        return ask(word(event, "text"), chosen, said, memory)

    def hear(
        text: str, chosen: Sequence[str], said: Conversation, memory: Memory
    ) -> Iterator[tuple[Any, ...]]:
        yield (_NONE,) * len([*outputs, below])  # from here on, Gradio can stop it (see ``apart``)
        with closing(steps(shared, text, chosen, known(shared, said, memory))) as coming:
            for step in coming:
                yield *drawn(shared, step), "" if step.is_passing else step.below

    def hear_example(
        event: gr.EventData, chosen: Sequence[str], said: Conversation, memory: Memory
    ) -> Iterator[tuple[Any, ...]]:
        yield from hear(word(event, "text"), chosen, said, memory)

    def settle(said: Conversation, below: str) -> tuple[Any, ...]:
        return drawn(shared, Step(said, below=below))

    options: dict[str, Any] = {
        "concurrency_limit": 32, "api_visibility": "private",
        "show_progress": "minimal", "show_progress_on": tab.answers,
    }  # fmt: skip
    starts = [send.click, tab.question.submit]
    ending: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    if shared.desk.engine == render.OWN_WORDS:
        typed = gr.on(starts, ask, inputs, outputs, **options)
        asking = [typed, tab.answers.submit(ask_example, inputs[1:], outputs, **options)]
        stop.click(None, cancels=asking, queue=False, api_visibility="private")
    else:
        heard = [
            gr.on(starts, hear, inputs, [*outputs, below], **options),
            tab.answers.submit(hear_example, inputs[1:], [*outputs, below], **options),
        ]
        typed, _ = (one.then(settle, [tab.said, below], outputs, **ending) for one in heard)
        stop.click(settle, [tab.said, below], outputs, cancels=heard, **ending)
    typed.then(None, tab.question, tab.question, js=_CLEAR_ANSWERED, api_visibility="private")


@dataclass(frozen=True, slots=True)
class Step:
    """What a page shows of a conversation: its turns, and what stands at or below the last.

    What of it is new is only drawn, and not kept, if that ``is_passing``.
    """

    said: Conversation
    draft: str = ""
    below: str = ""
    is_passing: bool = False


def steps(
    shared: Shared, text: str, chosen: Sequence[str], said: Conversation
) -> Generator[Step, None, None]:
    """Yield what a page shows as an answer comes: quotes, drafts, the answer; or why there is none.

    The quotes are an answer, too: the one that stays if the language model is stopped.
    """
    try:
        if not text.strip():
            raise UsageError("the question is empty", hint="type one, or choose an example")
        resolved = yield from _resolved(shared, text, chosen, said)
        with closing(shared.desk.stream(resolved.question, resolved.policies)) as events:
            yield from _as_it_comes(events, shared.desk.engine, said, resolved)
    except PolicyQAError as error:
        yield Step(said, below=html.failed(text, error))


def _resolved(
    shared: Shared, text: str, chosen: Sequence[str], said: Conversation
) -> Generator[Step, None, Resolved]:
    """Return a question in full; while a language model words a follow-up, say so again and again."""
    before, desk = said.turns[-1].resolved if said.turns else None, shared.desk
    if before is None or desk.engine == render.OWN_WORDS:
        return resolve(text, before, desk.policies(), chosen)
    gone = Event()
    rewrite = partial(desk.rewrite, is_wanted=lambda: not gone.is_set())
    reading = Step(said, below=html.understanding(text, desk.engine), is_passing=True)
    work = partial(resolve, text, before, desk.policies(), chosen, rewrite)
    return (yield from apart(reading, gone, work))


def _as_it_comes(
    events: Iterator[types.Event], engine: str, said: Conversation, resolved: Resolved
) -> Iterator[Step]:
    quoted, words = said, dict[str, str]()
    due = 0.0
    for event in events:
        if isinstance(event, Answer):
            yield Step(said.with_turn(Turn(resolved, event)))
            return
        if isinstance(event, Preview):
            answer = event.answer
            stopped = Problem(
                "llm_stopped", f"{engine} was stopped; what is shown is the policies' own words"
            )
            kept = replace(answer, problems=(*answer.problems, stopped))
            quoted = said.with_turn(Turn(resolved, kept))
        elif event.text:
            words[event.policy] = words.get(event.policy, "") + event.text
        if time.monotonic() >= due:
            due = time.monotonic() + PACE
            yield Step(
                quoted, html.draft(answer, words, engine), is_passing=isinstance(event, Draft)
            )


def answered(
    shared: Shared, text: str, chosen: Sequence[str], said: Conversation
) -> tuple[Any, ...]:
    """Return what the page shows when a question is answered, or cannot be."""
    *_, last = steps(shared, text, chosen, said)
    return drawn(shared, last)


def drawn(shared: Shared, step: Step) -> tuple[Any, ...]:
    """Return what a step changes on the page."""
    said = step.said
    shown_now = html.conversation(said, step.below, step.draft)
    if step.below or step.is_passing or not said.turns:
        return shown_now, _NONE, _NONE, _NONE
    found = source.citations(said.turns[-1].answer)
    opened = shown(
        shared, said, len(said.turns) - 1 + said.dropped, found[0][1].marker if found else 0
    )
    return shown_now, said, remembered(said), opened


def shown(shared: Shared, said: Conversation, turn: int, marker: int) -> Any:
    """Return the source view of a citation of a conversation; nothing where there is none."""
    at = turn - said.dropped
    if not 0 <= at < len(said.turns):
        return _NONE
    answer = said.turns[at].answer
    found = source.citations(answer)
    for policy, citation in found:
        if citation.marker == marker:
            present = {one.id: one for one in shared.desk.policies()}
            if policy not in present:
                return source.changed(next(a.title for a in answer.answers if a.policy == policy))
            return source.cited(present[policy], citation, turn, [c.marker for _, c in found])
    return _NONE


def remembered(said: Conversation) -> Memory:
    """Return what the browser keeps of a conversation: as many of its latest turns as it may."""
    kept: Memory = _FORM.dump_python(said, mode="json")
    while len(kept["turns"]) > 1 and len(json.dumps(kept, ensure_ascii=False)) > MOST_KEPT:
        kept = {"turns": kept["turns"][1:], "dropped": kept["dropped"] + 1}
    return kept


def restored(shared: Shared, memory: Memory) -> Conversation:
    """Return the conversation that a browser remembers, word for word as it was answered.

    Where a policy is no longer the one that answered, a note at the answer says so. What is not of
    the form ``remembered`` gives is no conversation.
    """
    try:
        said = _FORM.validate_python(memory)
        html.conversation(said)
    except (ValueError, KeyError):
        return Conversation()
    if not said.turns:
        return said
    present: Seen | None = None
    # Where the library cannot be read, that is said elsewhere; a source is compared when it is opened.
    with suppress(PolicyQAError):
        present = versions(shared.desk.policies())
    turns = said.turns if present is None else tuple(_noted(turn, present) for turn in said.turns)
    return Conversation(turns[-MOST_TURNS:], said.dropped)


def _noted(turn: Turn, present: Seen) -> Turn:
    """Return a turn with a note for each policy that has changed since it was answered."""
    cited = source.citations(turn.answer)
    gone = {policy for policy, one in cited if present.get(policy) != one.sha256}
    notes = tuple(
        Problem(
            _CHANGED,
            f"the policy of {one.name} has changed or was removed since; this is what it said then",
            one.policy,
        )
        for one in turn.answer.answers
        if one.policy in gone
    )
    others = tuple(one for one in turn.answer.problems if one.code != _CHANGED)
    return replace(turn, answer=replace(turn.answer, problems=(*others, *notes)))


def known(shared: Shared, said: Conversation, memory: Memory) -> Conversation:
    """Return a page's conversation; a server that was started again has it from the browser."""
    return said if said.turns else restored(shared, memory)


def _try_model(shared: Shared) -> Any:
    def show() -> None:
        trial = shared.desk.trial()
        (gr.Warning if trial.error else gr.Info)(
            html.escape(f"{trial.summary} {trial.hint or ''}".strip())
        )

    return show
