"""The source view: a policy's whole text, its headings marked, one quote highlighted in its place.

The text is shown as it is, character by character: what is highlighted is ``text[start:end]``.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from index.sections import HEADING, outline
from index.types import Policy, Span
from qa.types import Answer, Citation
from qa.ui.html import button, escape

_LONGEST = 400_000
"""Characters that a browser shows at ease; of a longer text it is what surrounds the quote."""


_BACK = '<button type="button" class="plain back">‹ Back</button>'
"""Shown where the source stands below what it was opened from."""


def empty() -> str:
    """Return what stands where no source is open."""
    return (
        '<div class="no-source"><h2>Source</h2><p>Click a number in an answer, and the sentence '
        "it stands for lights up here, in the policy’s own text.</p></div>"
    )


def citations(answer: Answer) -> tuple[tuple[str, Citation], ...]:
    """Return all citations of an answer with their policies, by marker, the closest ones too."""
    found = [(one.policy, c) for one in answer.answers for c in (*one.citations, *one.nearest)]
    return tuple(sorted(found, key=lambda item: item[1].marker))


def cited(policy: Policy, citation: Citation, turn: int, markers: Sequence[int]) -> str:
    """Return a policy's text with a quote highlighted, and the way to the answer's other quotes."""
    place = markers.index(citation.marker)
    around = ((place - 1, "‹ Previous"), (place + 1, "Next ›"))
    steps = [
        button(label, "select", kind="plain", turn=turn, cite=markers[at])
        if 0 <= at < len(markers)
        else f'<button type="button" class="plain" disabled>{label}</button>'
        for at, label in around
    ]
    steps.insert(
        1, f'<span class="count">[{citation.marker}] · {place + 1} of {len(markers)}</span>'
    )
    nav = f'<nav aria-label="Quotes of this answer">{"".join(steps)}</nav>'
    return alone(policy, citation, nav)


def alone(policy: Policy, citation: Citation, nav: str = "") -> str:
    """Return a policy's text with a quote highlighted, if it is still the text that was quoted."""
    if not is_current(policy, citation):
        return changed(policy.title)
    section = f'<p class="place">{escape(citation.section)}</p>' if citation.section else ""
    mark = '<p class="verified">✓ Quote verified, character by character</p>'
    span = Span(citation.start, citation.end)
    body = _body(policy, span, citation.emphasis)
    return f"<header>{_BACK}{nav}{_title(policy)}{section}{mark}</header>{body}"


def plain(policy: Policy) -> str:
    """Return a policy's text without a quote."""
    return f"<header>{_BACK}{_title(policy)}</header>{_body(policy)}"


def changed(title: str) -> str:
    """Return what is shown of a policy that is no longer the one that was quoted."""
    return (
        f'<header>{_BACK}<h2>{escape(title)}</h2></header><p class="fault" role="alert">This policy has '
        "changed or was removed since the answer. Ask again to have its present text quoted.</p>"
    )


def is_current(policy: Policy, citation: Citation) -> bool:
    """Tell whether the policy is the version that was quoted, and holds the quote where it says."""
    same = policy.text[citation.start : citation.end] == citation.quote
    return same and policy.sha256 == citation.sha256


def _title(policy: Policy) -> str:
    dated = f"dated {policy.updated}" if policy.updated else "undated"
    version = f"{policy.source_name} · {dated} · sha256 "
    return (
        f"<h2>{escape(policy.title)}</h2><p class='version'>{escape(version)}"
        f"<code title='{escape(policy.sha256)}'>{escape(policy.sha256[:12])}</code></p>"
    )


def _body(policy: Policy, quote: Span | None = None, answering: Span | None = None) -> str:
    text, at = policy.text, quote or Span(0, 0)
    start = max(0, at.start - _LONGEST // 2)
    end = min(len(text), max(at.end, start + _LONGEST))
    shown = _with_headings(text, start, at.start)
    if quote:
        first, last = answering or Span(quote.end, quote.end)
        words = _with_headings(text, first, last)
        shown += (
            f'<mark id="source-quote">{_with_headings(text, quote.start, first)}'
            f"{f'<strong>{words}</strong>' if words else ''}"
            f"{_with_headings(text, last, quote.end)}</mark>"
        )
    shown += _with_headings(text, at.end, end)
    cut = '<p class="note">The text is long; only a part of it is shown.</p>'
    whole = start == 0 and end == len(text)
    label = 'role="region" aria-label="Text of the policy"'
    return f'{"" if whole else cut}<div class="text" tabindex="0" {label}>{shown}</div>'


def _with_headings(text: str, start: int, end: int) -> str:
    """Return a part of a text, headings in bold. Nothing is added to its characters or taken."""
    parts = []
    for heading in _headings(text):
        first, last = max(start, heading.start), min(end, heading.end)
        if first < last:
            bold = escape(text[first:last])
            parts.append(f'{escape(text[start:first])}<b class="heading">{bold}</b>')
            start = last
    return "".join(parts) + escape(text[start:end])


@lru_cache(maxsize=32)
def _headings(text: str) -> tuple[Span, ...]:
    blocks = outline(text).blocks
    return tuple(Span(block.start, block.end) for block in blocks if block.kind == HEADING)
