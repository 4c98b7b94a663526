"""Evidence → draft, with a language model: one request for each policy, as many at once as allowed.

A policy is alone in its request, so that whatever it says can change no other policy's answer.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from hashlib import sha256

from index.errors import LLMError, LLMRequestError
from qa import drafts, prompts
from qa.answers import STATED, Material, composed, extracted
from qa.extract import ENGINE
from qa.llm import LLM, Piece, Reply
from qa.render import percent, unprintable
from qa.replies import Replies
from qa.types import Answer, Claim, Draft, PolicyAnswer, Problem
from qa.verify import Verifier

FLOOR = 0.05
"""P(stated) below which no model is asked, because the policy is silent: on the training questions it
spares 17 % of the requests and loses 1 % of the stated answers; 0.08 would lose 4 %. Choose it again
by ``eval.train.floor`` when the reader was trained again."""
_LONGEST_FOLLOW_UP = 400
_READ_AGAIN = 200


@dataclass(frozen=True, slots=True)
class Composed:
    """What came of one policy's request: claims to verify (none: not stated), or None if it failed.

    Tokens are None where the server does not tell; a reply that was kept costs none. ``key`` and
    ``reply`` are what it can be kept as.
    """

    policy: str
    claims: tuple[Claim, ...] | None
    problems: tuple[Problem, ...]
    tokens_in: int | None = 0
    tokens_out: int | None = 0
    key: str = ""
    reply: str = ""


Events = Generator[Draft | Composed, None, None]


def compose(llm: LLM, replies: Replies, question: str, materials: Sequence[Material]) -> Events:
    """Yield drafts as they arrive, and what came of each policy that is worth a request.

    The first is a draft without words, as soon as all is asked. Closing the iterator cancels the
    requests. No failure is raised: it is the policy's problem.
    """
    asked: dict[str, _Request] = {}
    known: list[Draft | Composed] = []
    for material in materials:
        if material.reading.p_stated < FLOOR or not material.passages:
            continue
        try:
            request = _request(llm, question, material)
        except LLMError as error:
            known.append(_failed(material.policy.id, error))
            continue
        kept = replies.get(material.policy.id, request.key)
        done = tuple(request.finished(Reply(kept, 0, 0))) if kept is not None else ()
        if any(isinstance(one, Composed) and one.claims is not None for one in done):
            known += done
        else:
            asked[material.policy.id] = request
    if not asked:
        yield Draft("", "")
        yield from known
        return
    with closing(_asked(llm, asked)) as coming:
        yield next(coming)
        yield from known
        yield from coming


def combined(
    materials: Sequence[Material],
    made: Mapping[str, Composed],
    verifier: Verifier,
    *,
    engine: str,
) -> list[PolicyAnswer]:
    """Return each policy's answer: in the model's words where it has made some, else in its own."""
    policies = [material.policy for material in materials]
    answers = []
    for material in materials:
        own = made.get(material.policy.id)
        if own is None or own.claims is None:
            answers.append(extracted(material, verifier))
            continue
        others = [policy for policy in policies if policy != material.policy]
        answers.append(composed(material, own.claims, verifier, engine=engine, others=others))
        if not own.claims and material.reading.p_stated >= STATED:
            verifier.problems.append(_disagreement(material, engine))
    return answers


def keep(
    replies: Replies,
    materials: Iterable[Material],
    made: Mapping[str, Composed],
    answers: Iterable[PolicyAnswer],
) -> None:
    """Keep the replies that became answers: what failed, or was not verified, is asked for again."""
    worded = {one.policy for one in answers if one.engine != ENGINE}
    for policy in (one.policy for one in materials):
        if policy.id in worded:
            replies.put(policy, made[policy.id].key, made[policy.id].reply)


def with_costs(answer: Answer, made: Iterable[Composed], *, engine: str) -> Answer:
    """Return an answer with what the model's requests came to, and its name if any of it is its."""
    requests = tuple(made)
    return replace(
        answer,
        problems=(*answer.problems, *(problem for one in requests for problem in one.problems)),
        engine=engine if any(one.engine == engine for one in answer.answers) else answer.engine,
        tokens_in=_sum(one.tokens_in for one in requests),
        tokens_out=_sum(one.tokens_out for one in requests),
    )


def rewritten(llm: LLM, before: str, asked: str, is_wanted: Callable[[], bool]) -> str | None:
    """Return a follow-up as a question of its own, or None if the model does not give one."""
    try:
        reply = llm.complete(prompts.follow_up(before, asked), is_wanted=is_wanted)
        found = drafts.parse_follow_up(reply.text, llm.secret)
    except LLMError:
        return None
    is_fit = len(found) <= _LONGEST_FOLLOW_UP and not any(map(unprintable, found))
    return found if is_fit else None


def _asked(llm: LLM, asked: Mapping[str, _Request]) -> Events:
    stream = llm.stream({id_: one.built.prompt for id_, one in asked.items()})
    try:
        for id_, said in stream:
            if said is None:
                yield Draft("", "")
            elif isinstance(said, Piece):
                yield from asked[id_].heard(said.text)
            else:
                yield from asked[id_].finished(said)
    finally:
        stream.close()


class _Request:
    """One policy's request: what is asked, and what of the reply's words was handed on."""

    def __init__(self, policy: str, built: prompts.Built, key: str, secret: str) -> None:
        self.policy = policy
        self.built = built
        self.key = key
        self._secret = secret
        self._text = self._spoken = ""
        self._read = 0

    def heard(self, text: str) -> Iterator[Draft]:
        """Yield the words that a piece of the reply adds.

        A long reply is read again only when it has grown by a part of itself: one of many small pieces
        would else take a time that grows with their square.
        """
        self._text += text
        if len(self._text) - self._read >= len(self._text) / _READ_AGAIN:
            self._read = len(self._text)
            yield from self._grown(drafts.spoken(self._text, self._secret))

    def finished(self, said: Reply | LLMError) -> Iterator[Draft | Composed]:
        """Yield the rest of the words, and what came of the request."""
        if isinstance(said, LLMError):
            yield _failed(self.policy, said)
            return
        try:
            parsed = drafts.parse(said.text, self.built.passages, self._secret)
        except LLMError as error:
            yield _failed(self.policy, error, said)
            return
        yield from self._grown(" ".join(claim.text for claim in parsed.claims))
        yield Composed(
            self.policy,
            parsed.claims,
            tuple(self._problems(parsed)),
            said.tokens_in,
            said.tokens_out,
            self.key,
            said.text,
        )

    def _grown(self, spoken: str) -> Iterator[Draft]:
        if spoken.startswith(self._spoken) and spoken != self._spoken:
            yield Draft(self.policy, spoken[len(self._spoken) :])
            self._spoken = spoken

    def _problems(self, parsed: drafts.Parsed) -> Iterator[Problem]:
        if parsed.unknown:
            numbers = ", ".join(map(str, parsed.unknown))
            yield Problem(
                "unknown_marker",
                f"the model named passages it was not shown: {numbers}",
                self.policy,
            )
        if self.built.dropped:
            shown = len(self.built.passages)
            yield Problem(
                "context_full",
                f"only {shown} of {shown + self.built.dropped} passages fit into the model's window; "
                "raise POLICYQA_LLM_CONTEXT if it has a larger one",
                self.policy,
            )


def _request(llm: LLM, question: str, material: Material) -> _Request:
    """Return a policy's request. Raises LLMError if nothing fits, or the model cannot be loaded."""
    built = prompts.build(question, material.policy, material.passages, llm.window)
    if built is None:
        raise LLMRequestError(
            f"no passage fits into the window of {llm.window:,} tokens",
            hint="set POLICYQA_LLM_CONTEXT to what the model can read",
        )
    evidence = [(one.id, one.section, one.context, one.text) for one in built.passages]
    named = repr((prompts.VERSION, llm.address, question, material.policy.names[0], evidence))
    return _Request(material.policy.id, built, sha256(named.encode()).hexdigest(), llm.secret)


def _disagreement(material: Material, engine: str) -> Problem:
    sure = percent(material.reading.p_stated)
    return Problem(
        "model_finds_none",
        f"{engine} finds no answer in the policy of {material.policy.names[0]}, but without it there "
        f"would be one, {sure} sure: read what comes closest",
        material.policy.id,
    )


def _failed(policy: str, error: LLMError, said: Reply | None = None) -> Composed:
    advice = f" ({error.hint})" if error.hint else ""
    problem = Problem(
        error.code, f"{error.message}{advice}; what is shown is the policy's own words", policy
    )
    return Composed(
        policy, None, (problem,), said.tokens_in if said else 0, said.tokens_out if said else 0
    )


def _sum(counts: Iterable[int | None]) -> int | None:
    """Return the sum of counts; None if one is not known."""
    known = list(counts)
    return None if None in known else sum(filter(None, known))
