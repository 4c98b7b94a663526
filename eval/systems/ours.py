"""policyqa as a user meets it: asked, given a passage to read, or searched."""

from __future__ import annotations

import time

import numpy as np

from eval.benchmarks import Case
from eval.responses import Found, Prediction, Quoted, Response
from eval.systems.context import MOST_FOUND, MOST_RANKED, Context, System, predicted
from index.encode import Encoder
from index.errors import LLMError
from index.markup import readable
from index.passages import encoded, split
from index.types import Span
from qa import extract
from qa.types import Answer, Evidence, PolicyAnswer, Question


def policyqa(context: Context) -> System:
    """Return policyqa, doing what the set measures."""
    task = context.benchmark.task
    if task == "read":
        return lambda case: _read(context, case)
    if task == "search":
        return lambda case: _search(context, case)
    return lambda case: _ask(context, case)


def _ask(context: Context, case: Case) -> Response:
    """Ask as a user would; the ranking without refusal comes from the same reader."""
    started = time.perf_counter()
    scope = [context.policies[name].id for name in case.policies]
    answer = context.assistant.ask(case.question, policies=scope)
    seconds = time.perf_counter() - started
    names = {policy.id: name for name, policy in context.policies.items()}
    return Response(
        case.id,
        seconds,
        tuple(
            _predicted(context, answer, one, names[one.policy])
            for one in answer.answers
            if one.policy in names
        ),
    )


def _predicted(context: Context, answer: Answer, one: PolicyAnswer, name: str) -> Prediction:
    reading = context.assistant.read(answer.question, context.policies[name])
    return Prediction(
        policy=name,
        p_stated=one.p_stated,
        cited=tuple(Quoted(c.start, c.end, c.quote) for c in one.citations),
        ranked=extract.ranked(reading)[:MOST_RANKED],
        text=one.text if one.status == "stated" else "",
        unverified=sum(not statement.verified for statement in one.statements),
        engine=_engine(answer, one),
    )


def _engine(answer: Answer, one: PolicyAnswer) -> str:
    """Return who worded an answer, and why the language model did not, if it should have."""
    failures = {LLMError.code, *(error.code for error in LLMError.__subclasses__())}
    found = (p.code for p in answer.problems if p.policy == one.policy and p.code in failures)
    failure = next(found, None)
    return f"{one.engine} ({failure})" if failure else one.engine


def _read(context: Context, case: Case) -> Response:
    """Read the passage that is given, and show the best span whatever P(stated) is."""
    started = time.perf_counter()
    text = context.benchmark.texts[case.policy]
    question = Question(case.question, context.encoder.encode_question(case.question))
    reading = context.assistant.reader.read(question, _evidence(case.policy, text, context.encoder))
    ranked = extract.ranked(reading)[:MOST_RANKED]
    spans = context.assistant.span_reader
    [answer] = spans.find(case.question, [text]) if spans else ranked[:1]
    shown = (answer,) if answer else ()
    prediction = predicted(case.policy, text, ranked, reading.p_stated, shown)
    return Response(case.id, time.perf_counter() - started, (prediction,))


def _evidence(name: str, text: str, encoder: Encoder) -> tuple[Evidence, ...]:
    """Return all passages of a text as evidence, in its order."""
    _, passages = split(name, text, window=encoder.window, count=encoder.count)
    found = []
    for rank, passage in enumerate(passages, start=1):
        sentences = [readable(text[s.start : s.end]) for s in passage.sentences]
        words = encoded(passage.context, passage.text)
        vector, *rows = encoder.encode_passages([words, *sentences])
        found.append(Evidence(name, passage, 1 / rank, rank, vector, np.array(rows)))
    return tuple(found)


def _search(context: Context, case: Case) -> Response:
    started = time.perf_counter()
    results = context.assistant.search(case.question, top_k=MOST_FOUND).results
    names = {policy.id: name for name, policy in context.policies.items()}
    found = (Found(names[r.policy], Span(r.start, r.end)) for r in results if r.policy in names)
    return Response(case.id, time.perf_counter() - started, found=tuple(found))
