"""A conversation as HTML. Every word of a question, an answer or a policy passes ``escape``."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence

from index.errors import PolicyQAError
from index.markup import readable
from qa import render
from qa.chat import Conversation, Turn
from qa.types import Answer, Citation, PolicyAnswer, Statement

EXAMPLES = (
    "How long is data retained?",
    "Is my data sold?",
    "Does Web1on1 delete old conversations?",
    "Which cookies are used?",
    "Where is personal data stored?",
)
"""Questions that the bundled policies answer."""

_VERDICTS = (
    ("right", "Right"),
    ("wrong_answer", "Wrong answer"),
    ("wrong_evidence", "Wrong evidence"),
)
# What the page's templates could take for theirs, beyond what HTML needs.
_TEMPLATE = str.maketrans({"{": "&#123;", "}": "&#125;", "$": "&#36;", "`": "&#96;"})
_CLOSEST = 300


def escape(text: str) -> str:
    r"""Return a text that HTML shows as it is, line breaks included, in content and attributes.

    >>> escape('<b title="x">\u202e')
    '&lt;b title=&quot;x&quot;&gt;�'
    """
    shown = "".join(
        "\ufffd" if render.unprintable(character) and character not in "\n\t" else character
        for character in text
    )
    return html.escape(shown, quote=True).translate(_TEMPLATE)


def button(label: str, event: str, *, kind: str = "", id_: str = "", **data: object) -> str:
    """Return a button that tells the page which event it is, and the event what it is about."""
    about = "".join(f' data-{key}="{escape(str(value))}"' for key, value in data.items())
    named = f' id="{escape(id_)}"' if id_ else ""
    return (
        f'<button type="button" class="{kind}"{named} data-on="{event}"{about}>'
        f"{escape(label)}</button>"
    )


def welcome() -> str:
    """Return what stands where no question has been asked yet."""
    chips = "".join(button(text, "submit", kind="chip", text=text) for text in EXAMPLES)
    return (
        '<div class="welcome"><h2>Ask the policies</h2>'
        "<p>Each answer rests on the policy’s own words. Click a number to see them in their place."
        f'</p><div class="chips">{chips}</div></div>'
    )


def conversation(said: Conversation, tail: str = "", draft: str = "") -> str:
    """Return the turns of a conversation, and what could not be answered below them.

    ``draft`` stands for what can be done with the last answer, while that is on its way.
    """
    if not said.turns and not tail:
        return welcome()
    dropped = f'<p class="note">{said.dropped} earlier questions are no longer shown.</p>'
    last = len(said.turns) - 1
    turns = "".join(
        turn_html(
            turn,
            said.dropped + number,
            is_latest=number == last and not tail,
            draft=draft if number == last else "",
        )
        for number, turn in enumerate(said.turns)
    )
    return f"{dropped if said.dropped else ''}{turns}{tail}"


def failed(asked: str, error: PolicyQAError) -> str:
    """Return a question that could not be answered, why, and what to do."""
    return (
        f'<article class="turn"><p class="asked">{escape(asked[:300])}</p>{error_line(error)}'
        "</article>"
    )


def understanding(asked: str, engine: str) -> str:
    """Return a follow-up that a language model is asked to word."""
    return (
        f'<article class="turn" data-told=""><p class="asked">{escape(asked[:300])}</p>'
        f'<p class="note">{escape(engine)} reads it …</p></article>'
    )


def error_line(error: PolicyQAError) -> str:
    """Return an error as a sentence with what to do next."""
    message = error.message[:1].upper() + error.message[1:]
    hint = f" {error.hint[:1].upper()}{error.hint[1:]}." if error.hint else ""
    return f'<p class="fault" role="alert">{escape(f"{message}.{hint}")}</p>'


def draft(answer: Answer, words: Mapping[str, str], engine: str) -> str:
    """Return the words of a language model, by policy, while it is at work."""
    names = {one.policy: one.name for one in answer.answers}
    said = "".join(f"<p><b>{escape(names[id_])}:</b> {escape(words[id_])}</p>" for id_ in words)
    return (
        f'<section class="draft" aria-busy="true"><h3>{escape(engine)} writes '
        f'<span class="verdict">a draft, not verified yet</span></h3>{said}</section>'
    )


def turn_html(turn: Turn, number: int, *, is_latest: bool = False, draft: str = "") -> str:
    """Return a question and its answers: a card for each policy that states one, then the rest.

    What is said about an answer, and can be done with it, waits until no ``draft`` is in its place.
    """
    answer = turn.answer
    cards = "".join(_card(one, number, is_latest) for one in render.stated(answer))
    silent = _silent(render.silent(answer), number, is_latest, is_all=not cards)
    told = "Quotes are there; an answer is being written." if draft else _told(answer)
    return (
        f'<article class="turn" data-turn="{number}" data-told="{told}">'
        f"{_asked(turn, number)}{cards}{silent}{draft or _ending(turn, number)}</article>"
    )


def _ending(turn: Turn, number: int) -> str:
    notes = (f'<p class="note">{escape(line)}</p>' for line in render.summary(turn.answer))
    return "".join(notes) + _actions(turn, number)


def _told(answer: Answer) -> str:
    """Return what is read out of an answer when it comes."""
    stated, all_ = len(render.stated(answer)), len(answer.answers)
    return (
        f"Answered: {stated} of {all_} {'policy states' if all_ == 1 else 'policies state'} this."
    )


def _asked(turn: Turn, number: int) -> str:
    resolved = turn.resolved
    shown = f'<p class="asked">{escape(resolved.asked)}</p>'
    if not (resolved.is_changed or resolved.policies):
        return shown
    names = {one.policy: one.name for one in turn.answer.answers}
    about = ", ".join(names.get(id_, id_) for id_ in resolved.policies)
    about = f" · {about}" if about else ""
    edit = button("Edit", "click", kind="plain", do="edit", turn=number)
    return f'{shown}<p class="understood">{escape(f"{resolved.question}{about}")} {edit}</p>'


def _card(one: PolicyAnswer, turn: int, is_latest: bool) -> str:
    cited = {citation.marker: citation for citation in one.citations}
    said = "".join(_statement(statement, cited, turn, is_latest) for statement in one.statements)
    return (
        f'<section class="card"><h3>{escape(render.heading(one))} <span class="verdict">'
        f"{render.percent(one.confidence)} sure</span></h3>{said}"
        f"{_quotes(one, turn)}</section>"
    )


def _statement(
    statement: Statement, cited: Mapping[int, Citation], turn: int, is_latest: bool
) -> str:
    if not statement.verified:
        words = escape(statement.text)
        return f'<p class="unverified"><strong>Not verified:</strong> {words}</p>'
    marks = "".join(_mark(marker, turn, is_latest) for marker in statement.markers)
    said, qualified = escape(statement.text), ""
    for citation in (cited[marker] for marker in statement.markers):
        words = escape(render.emphasis(citation, statement.text))
        if words and said.count(words) == 1:
            said = said.replace(words, f"<strong>{words}</strong>")
        if line := render.qualified(citation):
            qualified += f'<p class="note">{escape(line)}</p>'
    return f"<p>{said} {marks}</p>{qualified}"


def _quotes(one: PolicyAnswer, turn: int) -> str:
    """Return the quotes that a model's statements rest on; a policy's own are their statements."""
    if one.engine == render.OWN_WORDS:
        return ""
    return "".join(
        f"<blockquote>“{escape(readable(citation.quote))}” "
        f"{_mark(citation.marker, turn, False)}</blockquote>"
        for citation in one.citations
    )


def _mark(marker: int, turn: int, is_latest: bool) -> str:
    label = f'aria-label="Show quote {marker} in its policy"'
    id_ = f"citation-{marker}" if is_latest else ""
    made = button(f"[{marker}]", "select", kind="cite", id_=id_, turn=turn, cite=marker)
    return made.replace("<button ", f"<button {label} ", 1)


def _silent(silent: Sequence[PolicyAnswer], turn: int, is_latest: bool, is_all: bool) -> str:
    if not silent:
        return ""
    names = ", ".join(one.name for one in silent)
    told = f"{len(silent)} policies do not state this: {names}"
    if len(silent) == 1:
        told = f"{names} does not state this"
    closest = "".join(
        f"<h4>{escape(render.heading(one))} <span class='verdict'>"
        f"{render.percent(one.confidence)} sure</span></h4>"
        f"{''.join(_statement(said, {}, turn, is_latest) for said in one.statements)}"
        f"{_closest(one.nearest, turn, is_latest)}"
        for one in silent
    )
    return (
        f'<details class="silent"{" open" if is_all and len(silent) == 1 else ""}><summary>'
        f"{escape(told)}</summary><p>What comes closest:</p>{closest}</details>"
    )


def _closest(citations: Iterable[Citation], turn: int, is_latest: bool) -> str:
    return "".join(
        f"<p>{escape(_short(citation.quote))} {_mark(citation.marker, turn, is_latest)}</p>"
        for citation in citations
    )


def _short(quote: str) -> str:
    words = readable(quote)
    return words if len(words) <= _CLOSEST else f"{words[:_CLOSEST].rstrip()} …"


def _actions(turn: Turn, number: int) -> str:
    feedback = "".join(
        button(label, "click", kind="plain", do="feedback", verdict=verdict, turn=number).replace(
            " ", f' aria-pressed="{str(verdict == turn.verdict).lower()}" ', 1
        )
        for verdict, label in _VERDICTS
    )
    copy = "".join(
        button(label, "click", kind="plain", do=do, turn=number)
        for do, label in (("copy", "Copy with sources"), ("link", "Copy link"))
    )
    spent = render.spent(turn.answer)
    return (
        f'<div class="actions" role="group" aria-label="About this answer">{copy}{feedback}'
        f'<span class="spent">{escape(spent)}</span></div>'
    )
