"""The comparison, the library and the newest evaluation as HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from index.types import Policy
from qa import compare
from qa.compare import Comparison
from qa.types import PolicyAnswer
from qa.ui.evaluation import Evaluation
from qa.ui.html import button, escape
from qa.ui.library import News, Outcome


def comparison(table: Comparison | None) -> str:
    """Return a comparison, each cell that states something a button that opens its quote."""
    if table is None:
        return '<p class="note">Choose questions and policies, then compare.</p>'
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in table.names)
    body = "".join(
        f'<tr><th scope="row">{escape(row.question)}</th>'
        f"{''.join(_cell(cell, number, column) for column, cell in enumerate(row.cells))}</tr>"
        for number, row in enumerate(table.rows)
    )
    left = table.wanted - len(table.rows)
    questions = "question" if (left or table.wanted) == 1 else "questions"
    status = f"{left} {questions} to go …" if left else f"{table.wanted} {questions} answered"
    return (
        f'<p class="note" role="status">{status}</p><div class="wide"><table><thead><tr>'
        f'<th scope="col">Question</th>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def _cell(cell: PolicyAnswer | None, row: int, column: int) -> str:
    words = compare.words(cell)
    if cell is None or cell.status != "stated":
        return f'<td class="silent">{escape(words)}</td>'
    return f"<td>{button(words, 'select', kind='said', row=row, column=column)}</td>"


def library(policies: Sequence[Policy], passages: Mapping[str, int], news: News) -> str:
    """Return the list of what is indexed, with what can be done to each and what is new."""
    rows = "".join(
        f'<tr><th scope="row">{escape(policy.title)}{_badge(news.get(policy.id))}'
        f"<small>{escape(policy.source_name)}</small></th>"
        f"<td class='date'>{policy.updated or 'undated'}</td><td class='number' data-unit='characters'>"
        f"{len(policy.text):,}</td>"
        f"<td class='number' data-unit='passages'>{passages.get(policy.id, 0):,}</td><td class='do'>"
        f"{button('Read', 'select', kind='plain', policy=policy.id)}"
        f"{button('Remove …', 'click', kind='plain', policy=policy.id, title=policy.title)}</td></tr>"
        for policy in policies
    )
    head = "".join(
        f'<th scope="col">{name}</th>' for name in ("Policy", "Date", "Characters", "Passages", "")
    )
    note = (
        '<p class="note">The library is shared: whoever opens this page sees it and can change it. '
        f"Conversations are private.</p>{_news(news)}"
    )
    if not policies:
        return f"{note}<h2>The library is empty</h2><p>Add a policy above to ask about it.</p>"
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    return f'{note}<div class="wide">{table}</div>'


def _badge(what: str | None) -> str:
    return f'<span class="badge">{what}</span>' if what else ""


def _news(news: News) -> str:
    """Return what happened since the library was looked at before; empty if nothing did."""
    if not news:
        return ""
    told = "; ".join(
        f"{escape(id_)} {'is new' if what == 'new' else f'was {what}'}"
        for id_, what in news.items()
    )
    return f'<p class="news" role="status">Since you last looked: {told}.</p>'


def outcomes(found: Sequence[Outcome]) -> str:
    """Return a line for each uploaded file."""
    lines = "".join(
        f'<li class="{"refused" if one.hint else "taken"}"><strong>{escape(one.name)}</strong> '
        f"{escape(one.done)}{escape(f'; {one.hint}' if one.hint else '')}</li>"
        for one in found
    )
    return f'<ul class="outcomes" role="status">{lines}</ul>'


def evaluation(found: Evaluation | None) -> str:
    """Return the figures and plots of the newest evaluation, and how a new one is made."""
    how = (
        "<p class=\"note\">To make one: <code>pip install 'policyqa[eval]'</code>, which draws the "
        "report, then <code>policyqa eval run</code>, then load this page again. With questions of "
        "your own: <code>policyqa eval run --help</code>.</p>"
    )
    if found is None:
        return f"<h2>No evaluation yet</h2>{how}"
    head = "".join(f'<th scope="col" class="number">{escape(name)}</th>' for name in found.systems)
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th>'
        f"{''.join(f'<td class=number>{escape(value)}</td>' for value in values)}</tr>"
        for name, values in found.figures
    )
    plots = "".join(
        f'<figure><img alt="{escape(title)}" src="data:image/svg+xml;base64,{svg}">'
        f"<figcaption>{escape(title)}</figcaption></figure>"
        for title, svg in found.plots
    )
    whole = "only figures: the report was not drawn"
    if found.has_page:
        whole = '<a href="evaluation-report" target="_blank" rel="noopener">the whole report</a>'
    return (
        f"<h2>{escape(found.title)}</h2><p>{escape(found.made)} · {whole}</p>"
        f'<div class="wide"><table><thead><tr><th scope="col">Figure, with its 95 % interval</th>'
        f'{head}</tr></thead><tbody>{rows}</tbody></table></div><div class="plots">{plots}</div>{how}'
    )
