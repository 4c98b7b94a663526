"""What the tabs share: the desk, the source view, and the parts that carry text out of the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import gradio as gr

from index.errors import PolicyQAError
from index.types import Policy
from qa.ui import source
from qa.ui.desk import Desk
from qa.ui.html import escape

# Buttons in our HTML name their event and carry what it is about.
CLICKS = """
element.addEventListener('click', event => {
  const button = event.target.closest('[data-on]');
  if (!button || button.disabled) return;
  trigger(button.dataset.on, {...button.dataset});
  if (button.dataset.on !== 'select') return;
  document.dispatchEvent(new CustomEvent('reveal-source', {detail: button}));
});
"""
_SOURCE = (
    CLICKS
    + """
let from = null;
const light = () => {
  const quote = element.querySelector('#source-quote');
  const text = element.querySelector('.text');
  if (text) text.scrollTop = 0;
  if (!quote) return;
  const box = text.getBoundingClientRect(), at = quote.getBoundingClientRect();
  text.scrollTop += at.top - box.top - Math.max(24, (box.height - at.height) / 3);
};
watch('value', light);
element.addEventListener('click', event => {
  if (!event.target.closest('.back')) return;
  const back = from?.isConnected ? from : document.getElementById('left');
  back.scrollIntoView({block: 'center'});
  back.focus();
});
document.addEventListener('reveal-source', event => {
  light();
  if (!element.contains(event.detail)) from = event.detail;
  document.getElementById('right').classList.add('awaited');
  if (window.innerWidth <= 900) document.getElementById('source').scrollIntoView({block: 'start'});
});
"""
)
_COURIER = """
const copy = async text => {
  if (navigator.clipboard) { await navigator.clipboard.writeText(text); return; }
  // Browsers have no clipboard for a page that comes from another computer without HTTPS.
  const area = document.body.appendChild(document.createElement('textarea'));
  area.value = text;
  area.select();
  document.execCommand('copy');
  area.remove();
};
watch('value', () => {
  const parcel = props.value;
  if (!parcel || !parcel.text) return;
  if (parcel.do === 'copy') { copy(parcel.text); return; }
  if (parcel.do === 'link') { copy(new URL(parcel.text, location).href); return; }
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([parcel.text], {type: 'text/plain;charset=utf-8'}));
  link.download = parcel.name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
});
"""
STORED = "policyqa"
"""The key of what a browser stores; it hides nothing from whoever uses that browser."""
_parcels = count(1)


@dataclass(frozen=True, slots=True)
class Shared:
    """The one assistant's desk, the home's folder, and the parts every tab writes to."""

    desk: Desk
    home: Path
    source: gr.HTML
    courier: gr.HTML


def make_source() -> gr.HTML:
    """Make the pane that shows a policy's text."""
    return gr.HTML(
        source.empty(), elem_id="source", js_on_load=_SOURCE, apply_default_css=False, padding=False
    )


def make_courier() -> gr.HTML:
    """Make the hidden part that copies and saves what it is given."""
    return gr.HTML(
        None, elem_id="courier", html_template="", js_on_load=_COURIER, visible="hidden",
        apply_default_css=False,
    )  # fmt: skip


def own_html(value: str, elem_id: str) -> gr.HTML:
    """Make a part that shows our HTML and hands on its buttons' events."""
    return gr.HTML(value, elem_id=elem_id, js_on_load=CLICKS, apply_default_css=False)


def copied(text: str) -> dict[str, Any]:
    """Return what puts a text on the clipboard."""
    return {"do": "copy", "text": text, "number": next(_parcels)}


def linked(question: str, policies: Sequence[str]) -> dict[str, Any]:
    """Return what puts the address of this page that asks a question on the clipboard."""
    text = f"?{urlencode([('q', question), *(('policy', one) for one in policies)])}"
    return {"do": "link", "text": text, "number": next(_parcels)}


def saved(name: str, text: str) -> dict[str, Any]:
    """Return what saves a text as a file."""
    return {"do": "save", "name": name, "text": text, "number": next(_parcels)}


def choices(policies: Sequence[Policy]) -> list[tuple[str, str]]:
    """Return policies as people call them, with their ids where two are called the same."""
    names = [policy.names[0] for policy in policies]
    return [
        (name if names.count(name) == 1 else f"{name} ({policy.id})", policy.id)
        for name, policy in zip(names, policies, strict=True)
    ]


def number(event: gr.EventData, key: str) -> int:
    """Return a number that an event carries; -1 for anything else."""
    value = str(event._data.get(key, ""))
    return int(value) if value.isdecimal() and len(value) < 10 else -1


def word(event: gr.EventData, key: str) -> str:
    """Return a text that an event carries; empty if there is none."""
    return str(event._data.get(key, ""))


def warn(error: PolicyQAError) -> None:
    """Show an error beside the page, as a sentence and what to do next."""
    gr.Warning(f"{escape(error.message)}. {escape(error.hint)}")
