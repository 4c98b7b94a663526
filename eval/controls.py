"""Negative controls: systems that are wrong on purpose, each caught by a metric that is there for it.

A measurement that a control can pass is worth nothing; every run shows them beside its systems.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from eval.benchmarks import Benchmark, Case
from eval.responses import Prediction, Quoted, Response
from eval.systems.context import Context, predicted
from eval.systems.sentences import question_only
from index.types import Span

Responses = Mapping[str, Response]


@dataclass(frozen=True, slots=True)
class Control:
    """How a control answers every case, and the metric on which that has to show.

    ``answer`` is given the context and policyqa's own responses; it takes a set of at least so many
    ``policies``.
    """

    name: str
    what: str
    caught_by: str
    answer: Callable[[Context, Responses], Iterator[Response]]
    policies: int = 1


def _shuffled(context: Context, responses: Responses) -> Iterator[Response]:
    """Give each answer the citations of another one that cites the same policy."""
    citing: dict[str, list[tuple[str, Prediction]]] = {}
    for case in context.benchmark.cases:
        for one in responses[case.id].predictions:
            if one.cited:
                citing.setdefault(one.policy, []).append((case.id, one))
    instead = {
        (case, policy): other
        for policy, answers in citing.items()
        for (case, _), (_, other) in zip(answers, _rotated(answers), strict=True)
    }
    for case in context.benchmark.cases:
        response = responses[case.id]
        yield replace(
            response,
            predictions=tuple(_swapped(one, instead, case) for one in response.predictions),
        )


def _rotated(answers: Sequence[tuple[str, Prediction]]) -> list[tuple[str, Prediction]]:
    half = max(1, len(answers) // 2)  # neighbours are often about the same thing
    return [*answers[half:], *answers[:half]]


def _swapped(
    one: Prediction, instead: Mapping[tuple[str, str], Prediction], case: Case
) -> Prediction:
    other = instead.get((case.id, one.policy))
    return replace(one, cited=other.cited, ranked=other.ranked, text=other.text) if other else one


def _elsewhere(context: Context, _: Responses) -> Iterator[Response]:
    """Give every right quote, with its right offsets, as another policy's."""
    names = list(context.benchmark.texts)
    following = dict(zip(names, [*names[1:], *names[:1]], strict=True))
    for case in context.benchmark.cases:
        yield Response(
            case.id,
            0.0,
            tuple(
                Prediction(
                    following[policy],
                    1.0,
                    tuple(
                        Quoted(*piece[0], piece[0].of(context.benchmark.texts[policy]))
                        for piece in expected.gold
                    ),
                    tuple(piece[0] for piece in expected.gold),
                )
                for policy, expected in case.expect.items()
                if expected.stated
            ),
        )


def _refusing(context: Context, _: Responses) -> Iterator[Response]:
    yield from _constant(context, 0.0, lambda *_: ())


def _top_passage(context: Context, _: Responses) -> Iterator[Response]:
    def first(case: Case, policy: str) -> Sequence[Span]:
        scope = [context.policies[policy].id]
        found = context.assistant.search(case.question, top_k=1, policies=scope).results
        return [Span(one.start, one.end) for one in found]

    yield from _constant(context, 1.0, first)


def _whole(context: Context, _: Responses) -> Iterator[Response]:
    texts = context.benchmark.texts
    yield from _constant(context, 1.0, lambda _, policy: [Span(0, len(texts[policy]))])


def _constant(
    context: Context, p_stated: float, cite: Callable[[Case, str], Sequence[Span]]
) -> Iterator[Response]:
    for case in context.benchmark.cases:
        made = []
        for policy in case.expect:
            spans = cite(case, policy)
            text = context.benchmark.texts[policy]
            made.append(predicted(policy, text, spans, p_stated, spans))
        yield Response(case.id, 0.0, tuple(made))


def _prior(context: Context, _: Responses) -> Iterator[Response]:
    answer = question_only(context)
    for case in context.benchmark.cases:
        yield answer(case)


CONTROLS: tuple[Control, ...] = (
    Control(
        "shuffled citations",
        "policyqa's answers, each with the citations of another",
        "citation precision",
        _shuffled,
    ),
    Control(
        "another policy's quotes",
        "the right quotes, given as another policy's",
        "quote exactness",
        _elsewhere,
        policies=2,
    ),
    Control("never stated", "refuses every question", "balanced accuracy", _refusing),
    Control(
        "always the top passage",
        "answers every question with the first passage that is found",
        "balanced accuracy",
        _top_passage,
    ),
    Control("the whole policy", "quotes all of it, always", "evidence precision", _whole),
    Control("the question only", "judges by the wording alone", "hit@1", _prior),
)


def applicable(control: Control, benchmark: Benchmark) -> bool:
    """Tell whether a control can be wrong in its own way on a set."""
    return benchmark.task == "ask" and len(benchmark.texts) >= control.policies
