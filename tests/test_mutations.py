"""How exact verification is, over all five policies: no changed quote passes, harmless ones do."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from random import Random

import pytest

from index.passages import split
from index.types import Policy, Sentence
from qa.grounds import whole_sentences
from qa.types import Claim, Problem, Quote
from qa.verify import Verifier, normalise

_MODALS = {
    "may": "will",
    "will": "may",
    "can": "must",
    "must": "can",
    "shall": "may",
    "should": "will",
}
_PARTIES = re.compile(
    r"\b(?:Webee|WebEngage|Wepos|WeCloudit|Web1on1|Google|third parties|you|we|our)\b"
)
_SAMPLE = 60


def sentences_of(text: str, seed: int) -> list[str]:
    found = [s.strip() for s in re.split(r"(?<=[.!?])\s+|\n+", text) if 40 <= len(s.strip()) <= 400]
    return Random(seed).sample(found, min(_SAMPLE, len(found)))


def a_digit(quote: str) -> Iterator[str]:
    for found in re.finditer(r"\d", quote):
        yield f"{quote[: found.start()]}{(int(found[0]) + 1) % 10}{quote[found.end() :]}"


def a_not(quote: str) -> Iterator[str]:
    for found in re.finditer(r"\b(?:not |n['’]t\b)", quote):
        yield quote[: found.start()] + quote[found.end() :]
    for found in re.finditer(r"\b(?:do|does|will|may|is|are|can)\b(?! not)", quote):
        yield f"{quote[: found.end()]} not{quote[found.end() :]}"


def a_modal(quote: str) -> Iterator[str]:
    for found in re.finditer(rf"\b(?:{'|'.join(_MODALS)})\b", quote):
        yield f"{quote[: found.start()]}{_MODALS[found[0]]}{quote[found.end() :]}"


def a_party(quote: str) -> Iterator[str]:
    for found in _PARTIES.finditer(quote):
        yield f"{quote[: found.start()]}Acme{quote[found.end() :]}"


def broken_lines(quote: str) -> Iterator[str]:
    yield quote.replace(" ", "\n", 3)
    yield quote.replace(" ", "\u00a0 ", 2)


def curly(quote: str) -> Iterator[str]:
    yield quote.replace("'", "’").replace('"', "”")
    yield quote.replace("’", "'").replace("“", '"').replace("”", '"').replace("–", "-")
    yield f"“{quote}”"


def ligatures(quote: str) -> Iterator[str]:
    yield quote.replace("ffi", "ﬃ").replace("fi", "ﬁ").replace("fl", "ﬂ").replace("ff", "ﬀ")


def hyphenated(quote: str) -> Iterator[str]:
    words = list(re.finditer(r"\b[a-z]{8,}\b", quote))
    for found in words[:3]:
        at = found.start() + 4
        yield f"{quote[:at]}-\n{quote[at:]}"
        yield f"{quote[:at]}\u00ad{quote[at:]}"
    yield re.sub(r"(?<=[a-z])-(?=[a-z])", "-\n", quote)


def ended(quote: str) -> Iterator[str]:
    yield quote.rstrip(".")
    yield f"{quote} "


@lru_cache
def all_sentences(text: str) -> tuple[Sentence, ...]:
    _, passages = split("", text, window=256, count=lambda part: len(part.split()))
    found = {one.start: one for passage in passages for one in passage.sentences}
    return tuple(found[start] for start in sorted(found))


def is_cited(policy: Policy, quote: str) -> bool:
    claim = Claim("It is so.", (Quote(quote),))
    find = partial(whole_sentences, sentences=all_sentences(policy.text))
    statements, citations = Verifier().verify(policy, [claim], lambda _: "", find)
    for citation in citations:
        assert policy.text[citation.start : citation.end] == citation.quote
    return statements[0].verified and bool(citations)


@pytest.fixture(scope="module")
def policies(bundled: dict[str, str]) -> list[Policy]:
    return [
        Policy(id_, id_, (id_,), (), text, "0" * 64, None, (f"/{id_}.txt",))
        for id_, text in bundled.items()
    ]


@pytest.mark.parametrize("mutate", [a_digit, a_not, a_modal, a_party])
def test_no_mutant_of_a_true_quote_is_cited(
    policies: list[Policy], mutate: Callable[[str], Iterator[str]]
) -> None:
    tried = passed = 0
    for seed, policy in enumerate(policies):
        compared = normalise(policy.text)[0]
        for quote in sentences_of(policy.text, seed):
            for mutant in mutate(quote):
                if normalise(mutant)[0].strip(" .") in compared:
                    continue  # a policy may say the other thing as well, and then it is no mutant
                tried += 1
                passed += is_cited(policy, mutant)
    print(f"{mutate.__name__}: {passed} of {tried} mutants cited")
    assert tried > 20
    assert passed == 0


@pytest.mark.parametrize("vary", [broken_lines, curly, ligatures, hyphenated, ended])
def test_harmless_variants_of_a_true_quote_are_cited(
    policies: list[Policy], vary: Callable[[str], Iterator[str]]
) -> None:
    tried = passed = 0
    for seed, policy in enumerate(policies):
        for quote in sentences_of(policy.text, seed):
            for variant in vary(quote):
                tried += 1
                passed += is_cited(policy, variant)
    print(f"{vary.__name__}: {passed} of {tried} variants cited")
    assert tried > 100
    assert passed / tried >= 0.98


def test_a_claim_without_quotes_is_a_problem(policies: list[Policy]) -> None:
    assert isinstance(whole_sentences(policies[0], Claim("x", ()), sentences=()), Problem)
