"""Answer → terminal, Markdown, JSON: one mapping for every face.

Policies and questions are data. Before any of their text reaches a terminal, what could act on it
(escape sequences, control characters, marks that turn writing around) is replaced; before it
reaches Markdown, its markup is escaped.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from index.errors import PolicyQAError
from index.markup import readable
from index.names import squash
from index.types import Policy
from qa.hedges import hedges

if TYPE_CHECKING:  # they bring NumPy, which `policyqa --help` can do without
    from qa.types import Answer, Citation, PolicyAnswer, SearchResults, Statement

Json = dict[str, Any]

# What Markdown acts on anywhere in a line, and what it acts on at its beginning.
_MARKUP = re.compile(r"([\\`*_\[\]<>|~$]|&(?=[#\w]))")
_BLOCK = re.compile(r"^(\d{0,9})([-+#=.)])(?=[-#=\s]|$)")
OWN_WORDS = "extractive"
"""The engine of an answer in the policy's own words, which are its statements and its quotes."""
_SHOWN_QUOTE, _SHOWN_CLOSEST = 600, 160


def unprintable(character: str) -> bool:
    """Tell whether a character acts instead of showing: controls, bidirectional marks, surrogates."""
    return unicodedata.category(character) in {"Cc", "Cs"} or character in _DIRECTIONS


_DIRECTIONS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def printable(text: str) -> str:
    r"""Return a text that is safe on a terminal, on one line.

    >>> printable("a\x1b[31mb\n c")
    'a�[31mb c'
    """
    line = " ".join(text.split())
    return "".join("\ufffd" if unprintable(character) else character for character in line)


def escape_markdown(text: str) -> str:
    r"""Return a text that Markdown shows as it is.

    >>> print(escape_markdown("[x] *z*"))
    \[x\] \*z\*
    """
    return _BLOCK.sub(r"\1\\\2", _MARKUP.sub(r"\\\1", printable(text)))


def place(citation: Citation) -> str:
    """Return where a quote stands: its section, file and offsets."""
    section = f"{citation.section} · " if citation.section else ""
    return f"{section}{citation.source} {citation.start}–{citation.end}"


def emphasis(citation: Citation, shown: str) -> str:
    """Return the words of a text that shows a quote by which it answers, or nothing.

    They must stand in it once: elsewhere the same words may not be the answer.
    """
    if not citation.emphasis:
        return ""
    start, end = (at - citation.start for at in citation.emphasis)
    words = printable(readable(citation.quote[start:end]))
    return words if shown.count(words) == 1 else ""


def qualified(citation: Citation) -> str:
    """Return the words that qualify a quote, or nothing if none does."""
    words = ", ".join(f"“{printable(hedge)}”" for hedge in hedges(citation.quote))
    return f"qualified by {words}" if words else ""


def percent(p: float) -> str:
    """Return a probability as people say it.

    >>> percent(0.967), percent(0.996)
    ('97 %', 'over 99 %')
    """
    return "over 99 %" if p > 0.99 else f"{100 * p:.0f} %"


def heading(one: PolicyAnswer) -> str:
    """Return what an answer stands under: the company, and the title if it does not name it."""
    return one.title if squash(one.name) in squash(one.title) else f"{one.name} — {one.title}"


def error_json(error: PolicyQAError) -> Json:
    """Return the JSON form of an error."""
    return {"code": error.code, "message": error.message, "hint": error.hint}


def answer_json(answer: Answer) -> Json:
    """Return the JSON form of an answer; the field names are a contract."""
    return {
        "question": answer.question,
        "policies": list(answer.policies),
        "answers": [policy_answer_json(one) for one in answer.answers],
        "unknown_names": list(answer.unknown_names),
        "omitted": answer.omitted,
        "text": answer_markdown(answer),
        "engine": answer.engine,
        "problems": [asdict(problem) for problem in answer.problems],
        "seconds": round(answer.seconds, 4),
        "tokens_in": answer.tokens_in,
        "tokens_out": answer.tokens_out,
    }


def policy_answer_json(one: PolicyAnswer) -> Json:
    """Return the JSON form of what one policy says."""
    return {
        "policy": one.policy,
        "name": one.name,
        "title": one.title,
        "status": one.status,
        "text": one.text,
        "p_stated": round(one.p_stated, 4),
        "confidence": round(one.confidence, 4),
        "engine": one.engine,
        "statements": [asdict(statement) for statement in one.statements],
        "citations": [citation_json(citation) for citation in one.citations],
        "nearest": [citation_json(citation) for citation in one.nearest],
    }


def citation_json(citation: Citation) -> Json:
    """Return the JSON form of a citation, with the words that qualify its quote."""
    answers = citation.emphasis and citation.emphasis._asdict()
    return {**asdict(citation), "emphasis": answers, "hedges": list(hedges(citation.quote))}


def search_json(found: SearchResults) -> Json:
    """Return the JSON form of search results; the field names are a contract."""
    return asdict(found)


def policy_json(policy: Policy, passages: int) -> Json:
    """Return the JSON form of what is known of a policy, without its text."""
    return {
        "policy": policy.id,
        "title": policy.title,
        "names": [*policy.names, *policy.domains],
        "source": policy.source_name,
        "sources": list(policy.sources),
        "sha256": policy.sha256,
        "updated": policy.updated.isoformat() if policy.updated else None,
        "characters": len(policy.text),
        "passages": passages,
    }


def summary(answer: Answer) -> Iterator[str]:
    """Yield the sentences about an answer as a whole that every face shows."""
    yield from unknown(answer.unknown_names)
    if answer.omitted:
        yield (
            f"{answer.omitted} more policies were not searched in depth; "
            "name one in the question to have it searched."
        )
    for problem in answer.problems:
        yield f"Note: {printable(problem.message)}."


def unknown(names: Sequence[str]) -> Iterator[str]:
    """Yield a sentence for each company asked about that is not indexed."""
    for name in names:
        yield f"No policy of {printable(name)} is indexed."


def stated(answer: Answer) -> list[PolicyAnswer]:
    """Return the answers of the policies that state one."""
    return [one for one in answer.answers if one.status == "stated"]


def silent(answer: Answer) -> list[PolicyAnswer]:
    """Return the answers of the policies that state none."""
    return [one for one in answer.answers if one.status != "stated"]


def answer_markdown(answer: Answer) -> str:
    """Return the whole answer as Markdown, document text escaped."""
    parts: list[str] = []
    for one in stated(answer):
        parts.append(f"### {escape_markdown(heading(one))} — states this ({percent(one.p_stated)})")
        parts += _own_words(one) if one.engine == OWN_WORDS else _other_words(one)
        parts.append("\n".join(_source_line(citation) for citation in one.citations))
    for one in silent(answer):
        title = escape_markdown(heading(one))
        parts.append(f"### {title} — does not state this ({percent(one.confidence)})")
        parts += [_marked(said) for said in one.statements]
    parts += [escape_markdown(sentence) for sentence in summary(answer)]
    return "\n\n".join(parts)


def _own_words(one: PolicyAnswer) -> Iterator[str]:
    """Yield a policy's sentences as quotations, the words that answer in bold."""
    cited = {citation.marker: citation for citation in one.citations}
    for statement in one.statements:
        if not statement.verified:
            yield _marked(statement)
            continue
        marks = "".join(f" [{marker}]" for marker in statement.markers)
        quote = escape_markdown(statement.text)
        for words in (emphasis(cited[marker], quote) for marker in statement.markers):
            quote = quote.replace(words, f"**{words}**") if words else quote
        yield f"> {quote}{marks}"


def _other_words(one: PolicyAnswer) -> Iterator[str]:
    """Yield a model's sentences with their marks, then the quotes that they rest on."""
    yield from map(_marked, one.statements)
    for citation in one.citations:
        yield f"> {escape_markdown(readable(citation.quote))} [{citation.marker}]"


def _marked(statement: Statement) -> str:
    """Return a statement in Markdown with its markers, or marked as one that has none."""
    marks = "".join(f" [{marker}]" for marker in statement.markers)
    return f"{escape_markdown(statement.text)}{marks if statement.verified else ' (unverified)'}"


def statement_line(statement: Statement) -> str:
    """Return a statement on one line, with its markers, or with the word that it has none."""
    marks = "".join(f" [{marker}]" for marker in statement.markers)
    words = printable(statement.text)
    return f"{words}{marks}" if statement.verified else f"unverified: {words}"


def spent(answer: Answer) -> str:
    """Return who worded an answer, and what that took."""
    taken = (answer.tokens_in, answer.tokens_out)
    tokens = "" if None in taken else f" · {taken[0]:,} tokens in, {taken[1]:,} out"
    return f"{printable(answer.engine)} · {answer.seconds:.1f} s{tokens}"


def _source_line(citation: Citation) -> str:
    qualification = qualified(citation)
    more = f" — {escape_markdown(qualification)}" if qualification else ""
    return f"- [{citation.marker}] {escape_markdown(place(citation))}{more}"


def quote_line(citation: Citation) -> str:
    """Return a quote as it reads on one line of a terminal, with its list's or table's opening."""
    quote = f"“{_shortened(citation.quote, _SHOWN_QUOTE)}”"
    return f"({printable(citation.context)}) {quote}" if citation.context else quote


def closest_line(citation: Citation) -> str:
    """Return the start of what comes closest to an answer, and where it stands."""
    return f"closest: “{_shortened(citation.quote, _SHOWN_CLOSEST)}” — {printable(place(citation))}"


def _shortened(quote: str, limit: int) -> str:
    words = printable(readable(quote))
    return words if len(words) <= limit else words[:limit].rstrip() + " …"
