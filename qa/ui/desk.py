"""The one assistant of all visitors: it answers one at a time, and only so many may wait."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from threading import BoundedSemaphore, Lock
from typing import TYPE_CHECKING

from index.errors import BusyError, HomeError, LLMTruncatedError, UsageError
from index.types import Policy
from qa.assistant import Assistant
from qa.render import OWN_WORDS
from qa.types import Answer, Event

if TYPE_CHECKING:
    from qa.llm.trial import Trial

MOST_WAITING = 24


class Desk:
    """Shares an assistant between threads. Who comes when too many wait is told so at once."""

    def __init__(self, assistant: Assistant, *, waiting: int = MOST_WAITING) -> None:
        self._assistant = assistant
        self._places = BoundedSemaphore(waiting)
        self._lock = Lock()

    @contextmanager
    def assistant(self) -> Iterator[Assistant]:
        """Have the assistant alone. Raises BusyError if too many are waiting for it."""
        if not self._places.acquire(blocking=False):
            raise BusyError(
                "too many people are asking at the moment", hint="ask again in a few seconds"
            )
        try:
            with self._lock:
                yield self._assistant
        except OSError as error:
            raise HomeError(
                f"the home cannot be read or written: {error.strerror}",
                hint="check its permissions and the free space",
            ) from error
        finally:
            self._places.release()

    def ask(
        self,
        question: str,
        policies: Sequence[str] = (),
        *,
        is_wanted: Callable[[], bool] = lambda: True,
    ) -> Answer:
        """Answer a question, as ``Assistant.ask`` does; UsageError if there is no policy to ask.

        Once it is no longer wanted, what a language model is asked is cancelled: an LLMError.
        """
        with closing(self.stream(question, policies)) as events:
            for event in events:
                if isinstance(event, Answer):
                    return event
                if not is_wanted():
                    raise LLMTruncatedError("the answer was stopped", hint="ask again")
        raise AssertionError("an answer comes last")

    def stream(self, question: str, policies: Sequence[str] = ()) -> Generator[Event, None, None]:
        """Answer a question as ``Assistant.stream`` does; UsageError if there is no policy to ask.

        Only the first step reads the index: while a language model answers one, others are asked.
        """
        with self.assistant() as assistant:
            _refuse_nothing(assistant)
            events = assistant.stream(question, policies=policies)
            first = next(events)
        try:
            yield first
            yield from events
        finally:
            events.close()

    def trial(self) -> Trial:
        """Ask the language model for one word, and return what came of it."""
        from qa.llm.trial import tried

        return tried(self._assistant.home.settings)

    def rewrite(
        self, before: str, asked: str, *, is_wanted: Callable[[], bool] = lambda: True
    ) -> str | None:
        """Word a follow-up as ``Assistant.rewrite`` does; others are answered meanwhile."""
        return self._assistant.rewrite(before, asked, is_wanted=is_wanted)

    @property
    def engine(self) -> str:
        """Who words the answers."""
        return self._assistant.llm.name if self._assistant.llm else OWN_WORDS

    @property
    def server(self) -> str:
        """The address that questions and passages are sent to; empty if there is none."""
        return self._assistant.llm.server if self._assistant.llm else ""

    def ids(self) -> list[str]:
        """Return the ids of all policies; UsageError if there is none."""
        with self.assistant() as assistant:
            _refuse_nothing(assistant)
            return [policy.id for policy in assistant.policies]

    def policies(self) -> tuple[Policy, ...]:
        """Return all policies, as of the last commit."""
        with self.assistant() as assistant:
            return assistant.policies


def _refuse_nothing(assistant: Assistant) -> None:
    if not assistant.policies:
        raise UsageError("the library is empty", hint="add a policy under Library")
