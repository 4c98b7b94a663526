"""The assistant: opens a home and answers questions about its policies."""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from index.build import Progress, ensure_bundled
from index.encode import OnnxEncoder
from index.errors import UsageError
from index.home import Home
from index.recovery import recover
from index.settings import Settings
from index.types import Policy, Sentence
from qa import extract
from qa.answers import Material, extracted
from qa.compare import COMMON_QUESTIONS, Comparison, compare
from qa.reader import Reader
from qa.reader.linear import LinearReader
from qa.reader.span import SpanReader, emphasised
from qa.reader.words import is_understood
from qa.render import unprintable
from qa.retrieve import DEEP, Retrieval, retrieve
from qa.route import Route, find_policy, route
from qa.types import (
    Answer,
    Draft,
    Event,
    PolicyAnswer,
    Preview,
    Problem,
    Question,
    Reading,
    SearchResult,
    SearchResults,
)
from qa.verify import Sections, Verifier

if TYPE_CHECKING:  # only where a language model is configured
    from qa.llm import LLM
    from qa.replies import Replies

LONGEST_QUESTION = 2000
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Gathered:
    """What one state of the index has on a question."""

    question: str
    where: Route
    materials: tuple[Material, ...]
    omitted: int
    problems: tuple[Problem, ...]


class Assistant:
    """Answers questions over one home. Not tied to a thread; one question at a time."""

    def __init__(self, home: Home, reader: Reader | None = None) -> None:
        self.home = home
        self._given_reader = reader
        self.llm = _llm(home.settings)
        self._policies: tuple[Policy, ...] = ()
        self._generation = -1

    @classmethod
    def open(
        cls,
        home: str | Path | None = None,
        *,
        settings: Settings | None = None,
        progress: Progress | None = None,
    ) -> Assistant:
        """Open a home (the default one if None); a new one indexes the bundled policies first.

        Raises HomeError, StoreError or EncoderError when it cannot be used, and UsageError for a
        language model that cannot.
        """
        opened = Home(settings or Settings.load(home=Path(home) if home else None))
        recover(opened)
        ensure_bundled(opened, progress=progress)
        return cls(opened)

    def close(self) -> None:
        """Close the home, and cancel what a language model is asked."""
        if self.llm:
            self.llm.close()
        self.home.close()

    @cached_property
    def reader(self) -> Reader:
        """The reader: as given, else the trained one for the home's encoder."""
        return self._given_reader or LinearReader.load(self.home.encoder.name)

    @cached_property
    def span_reader(self) -> SpanReader | None:
        """What finds the answer's words in a quote; None for another encoder than the default."""
        encoder = self.home.encoder
        return SpanReader.load(encoder) if isinstance(encoder, OnnxEncoder) else None

    @property
    def policies(self) -> tuple[Policy, ...]:
        """All indexed policies, as of the last commit."""
        generation = self.home.catalog.generation
        if generation != self._generation:
            self._policies, self._generation = self.home.catalog.policies(), generation
        return self._policies

    def policy(self, name: str) -> Policy:
        """Return the policy of an id or a name. Raises UnknownPolicyError, AmbiguousNameError."""
        return find_policy(name, self.policies)

    def ask(self, question: str, *, policies: Sequence[str] = ()) -> Answer:
        """Answer a question over the policies it is about, or over the given ids or names.

        Raises UsageError (empty or too long, unknown or ambiguous policy) and StoreError.
        """
        *_, answer = self.stream(question, policies=policies)
        assert isinstance(answer, Answer)  # noqa: S101
        return answer

    def stream(
        self, question: str, *, policies: Sequence[str] = ()
    ) -> Generator[Event, None, None]:
        """Answer a question as ``ask`` does; where a language model is configured, as it comes.

        First comes the answer in the policies' own words, then the model's words as drafts, then
        the verified answer. Closing the iterator cancels the model's requests. Only the first step
        reads the index.
        """
        started = time.perf_counter()
        text = checked(question)
        gathered = self._of_one_state(lambda: self._gather(text, policies))
        if self.llm is None or not gathered.materials:
            yield self._own(gathered, started)
            return
        from qa.compose import Composed, combined, compose, keep, with_costs

        made: dict[str, Composed] = {}
        with closing(compose(self.llm, self._replies, text, gathered.materials)) as events:
            if self.llm.is_loaded:  # loading it would keep the evidence waiting
                next(events)  # asks
            yield Preview(self._own(gathered, started))
            for event in events:
                if isinstance(event, Draft):
                    yield event
                else:
                    made[event.policy] = event
        verifier = Verifier()
        answers = combined(gathered.materials, made, verifier, engine=self.llm.name)
        keep(self._replies, gathered.materials, made, answers)
        answer = self._finished(gathered, answers, verifier, started)
        yield with_costs(answer, made.values(), engine=self.llm.name)

    def _own(self, gathered: _Gathered, started: float) -> Answer:
        """Return the answer in the policies' own words."""
        verifier = Verifier()
        own = [extracted(material, verifier) for material in gathered.materials]
        return self._finished(gathered, own, verifier, started)

    @cached_property
    def _replies(self) -> Replies:
        from qa.replies import Replies

        return Replies(self.home, is_on=self.home.settings.llm_cache)

    def _gather(self, text: str, policies: Sequence[str]) -> _Gathered:
        where = self._route(text, policies)
        readings, retrieval = self._read(text, where)
        by_id = {policy.id: policy for policy in self.policies}
        materials = tuple(
            Material(by_id[id_], reading, self._section_of(by_id[id_]), self._sentences(by_id[id_]))
            for id_, reading in sorted(readings.items(), key=lambda item: -item[1].p_stated)
        )
        problems = tuple(self._standing_problems(text, where))
        return _Gathered(text, where, materials, retrieval.omitted, problems)

    def _finished(
        self,
        gathered: _Gathered,
        answers: Sequence[PolicyAnswer],
        verifier: Verifier,
        started: float,
    ) -> Answer:
        # Again: what the reader was sure of may have no quote, and is then not stated.
        ranked = tuple(sorted(answers, key=lambda one: -one.p_stated))
        if self.span_reader:
            ranked = emphasised(self.span_reader, gathered.question, ranked)
        return Answer(
            question=gathered.question,
            policies=gathered.where.policies,
            answers=ranked,
            unknown_names=gathered.where.unknown_names,
            omitted=gathered.omitted,
            engine=extract.ENGINE,
            problems=(*gathered.problems, *verifier.problems),
            seconds=time.perf_counter() - started,
        )

    def compare(
        self,
        questions: Sequence[str] = COMMON_QUESTIONS,
        policies: Sequence[str] = (),
        *,
        progress: Progress | None = None,
    ) -> Comparison:
        """Answer several questions over several policies (ids or names; all if none is given).

        Raises UsageError for too many of either, and what ``ask`` raises.
        """
        ids = self._route("", policies).policies
        return compare(
            lambda question: self.ask(question, policies=ids), questions, ids, progress=progress
        )

    def rewrite(
        self, before: str, asked: str, *, is_wanted: Callable[[], bool] = lambda: True
    ) -> str | None:
        """Return a follow-up as a question of its own, in a language model's words.

        None where no model is configured, or it does not answer while that ``is_wanted``: then rules
        do that.
        """
        if self.llm is None:
            return None
        from qa.compose import rewritten

        return rewritten(self.llm, before, asked, is_wanted)

    def read(self, question: str, policy: Policy) -> Reading:
        """Return what the reader makes of one policy's evidence; ``ask`` is built on it."""
        where = Route((policy.id,), ())
        text = checked(question)
        return self._of_one_state(lambda: self._read(text, where))[0][policy.id]

    def search(
        self, question: str, *, top_k: int = 10, policies: Sequence[str] = ()
    ) -> SearchResults:
        """Return the passages most likely to answer, best first, over all policies in scope."""
        if top_k < 1:
            raise UsageError(f"top_k is {top_k}", hint="ask for at least 1 result")
        text = checked(question)
        return self._of_one_state(lambda: self._search(text, top_k, policies))

    def _search(self, text: str, top_k: int, policies: Sequence[str]) -> SearchResults:
        where = self._route(text, policies)
        depth = max(top_k, self.home.settings.evidence) if len(where.policies) <= DEEP else top_k
        readings, _ = self._read(text, where, top_k=depth)
        best: dict[str, SearchResult] = {}
        for id_, reading in readings.items():
            for candidate in reading.candidates:
                passage = candidate.passage
                known = best.get(passage.id)
                if known is None or candidate.relevance > known.score:
                    best[passage.id] = SearchResult(
                        id_, passage.start, passage.end, passage.text, passage.section,
                        candidate.relevance, 0,
                    )  # fmt: skip
        ranked = sorted(best.values(), key=lambda result: -result.score)[:top_k]
        results = tuple(replace(result, rank=n) for n, result in enumerate(ranked, start=1))
        return SearchResults(text, results, where.unknown_names)

    def _of_one_state(self, work: Callable[[], T]) -> T:
        """Do what reads the index so that all of it is of one commit."""
        if not self.policies:
            raise UsageError("no policy is indexed", hint="index some: policyqa index PATH")
        with self.home.reading():
            return work()

    def _route(self, question: str, chosen: Sequence[str]) -> Route:
        return route(question, self.policies, chosen)

    def _read(
        self, text: str, where: Route, *, top_k: int | None = None
    ) -> tuple[dict[str, Reading], Retrieval]:
        self.home.check()
        question = Question(text, self.home.encoder.encode_question(text))
        scope = [policy for policy in self.policies if policy.id in where.policies]
        found = retrieve(self.home, question, scope, top_k=top_k or self.home.settings.evidence)
        return {id_: self.reader.read(question, e) for id_, e in found.evidence.items()}, found

    def _section_of(self, policy: Policy) -> Sections:
        """Return what finds the section path of an offset in a policy."""
        sections = self.home.catalog.sections(policy.id)
        starts = [section.start for section in sections]
        return lambda offset: sections[bisect_right(starts, offset) - 1].path if starts else ""

    def _sentences(self, policy: Policy) -> tuple[Sentence, ...]:
        """Return all sentences of a policy, in its order, if a model's quotes may need them."""
        if self.llm is None:
            return ()
        stored = self.home.passages(policy).values()
        found = {s.start: s for one in stored for s in one.passage.sentences}
        return tuple(found[start] for start in sorted(found))

    def _standing_problems(self, question: str, where: Route) -> Iterator[Problem]:
        for name in where.spoken_of:
            yield Problem(
                "only_spoken_of",
                f"no policy of {name} is indexed, and what is shown is what other policies say",
            )
        names = (name for policy in self.policies for name in policy.names)
        if not is_understood(question, names):
            yield Problem(
                "question_not_understood",
                "most words of the question are none that policies use, so nothing may have been "
                "found that is there; ask in English and in plain words",
            )
        if isinstance(self.reader, LinearReader) and not self.reader.calibrated:
            name = self.home.encoder.name
            yield Problem("uncalibrated", f"p_stated is not calibrated for the encoder {name}")


def checked(question: str) -> str:
    """Return a question without the white space around it. Raises UsageError that says the limit."""
    text = " ".join(question.split())
    if not text:
        raise UsageError("the question is empty", hint='ask one: policyqa ask "is my data sold?"')
    if len(text) > LONGEST_QUESTION:
        raise UsageError(
            f"the question has {len(text):,} characters; the limit is {LONGEST_QUESTION:,}",
            hint="shorten it, or ask several",
        )
    if any(unprintable(character) for character in text):
        raise UsageError(
            "the question holds characters that cannot be shown, such as NUL",
            hint="remove them and ask again",
        )
    return text


def _llm(settings: Settings) -> LLM | None:
    if settings.llm == "none":
        return None
    from qa.llm import load_llm

    return load_llm(settings)
