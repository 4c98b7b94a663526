"""Asks a language model within its deadlines, and takes only a whole reply for one.

Requests run on one thread's event loop, so that each can be cancelled at any moment, which closes its
connection. A reply counts when the server says that it stopped by itself: a stream that simply ends
is not one. What failed before its first piece is tried again, twice at most.
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextlib import aclosing, closing
from queue import Empty, SimpleQueue

from index.errors import (
    LLMEmptyError,
    LLMError,
    LLMOverloadedError,
    LLMProtocolError,
    LLMTimeoutError,
    LLMTruncatedError,
    LLMUnreachableError,
)
from qa.llm.failures import translated
from qa.llm.types import MOST_CHARACTERS, Access, Adapter, Limits, Piece, Prompt, Reply

Said = Piece | Reply | LLMError | None
"""What comes of a prompt: pieces, and at last a whole reply or why there is none; None is no news."""

_STOPPED = frozenset({"stop", "end_turn", "stop_sequence", "eos"})
_CUT = frozenset({"length", "max_tokens", "model_context_window_exceeded"})
_RETRIES = 2
_PAUSE = 0.25
"""Seconds before the first retry, at least; they double, and as many again are drawn by chance."""
_PULSE = 0.25
"""Seconds without news after which whoever waits is told so, and can leave."""
_AFTERWARDS = 2.0
"""Seconds that a server has for what follows a reply that has ended."""
_WORTH_ANOTHER = (LLMOverloadedError, LLMUnreachableError, LLMTruncatedError)
_MOST_TOKENS = 10**9
_SHORTEST_SECRET = 8
_AGAIN = "ask again, or choose another model"


class LLM:
    """A language model under a name such as ``openai/qwen3``. Used by several threads at once.

    ``make`` loads what speaks to it, when it is first needed.
    """

    def __init__(
        self, name: str, access: Access, make: Callable[[Access], Adapter], *, at_once: int
    ) -> None:
        self.name = name
        self._access = access
        self._make = make
        self._at_once = at_once
        self._adapter: Adapter | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()

    @property
    def address(self) -> str:
        """What tells this model from others: its name, and its server's address."""
        return f"{self.name} {self._access.url}"

    @property
    def server(self) -> str:
        """The address that what is asked is sent to; empty if it stays in this process."""
        return self._access.url

    @property
    def secret(self) -> str:
        """The key, which its server knows and nothing that is shown may hold; empty if there is none.

        A mere word that stands in for one, such as ``none``, is no secret, and a word of answers too.
        """
        key = self._access.key.get_secret_value() if self._access.key else ""
        return "" if len(key) < _SHORTEST_SECRET or key.isalpha() else key

    @property
    def limits(self) -> Limits:
        """The deadlines that every request has."""
        return self._access.limits

    @property
    def adapter(self) -> Adapter:
        """What speaks to the model. Raises LLMError if it cannot be loaded."""
        with self._lock:
            if self._adapter is None:
                try:
                    self._adapter = self._make(self._access)
                except Exception as error:  # loading a model may raise anything
                    raise self._translated(error) from error
            return self._adapter

    @property
    def is_loaded(self) -> bool:
        """Whether what speaks to the model is there, and need not be loaded first."""
        return self._adapter is not None

    @property
    def window(self) -> int:
        """Tokens that prompt and reply have together. Raises LLMError as ``adapter`` does."""
        return self.adapter.window

    def complete(self, prompt: Prompt, *, is_wanted: Callable[[], bool] = lambda: True) -> Reply:
        """Return a whole reply, unless it is no longer wanted. Raises LLMError."""
        with closing(self.stream({"": prompt})) as coming:
            for _, said in coming:
                if isinstance(said, LLMError):
                    raise said
                if isinstance(said, Reply):
                    return said
                if not is_wanted():
                    raise LLMTruncatedError(
                        f"the language model {self.name!r} was stopped", hint=_AGAIN
                    )
        raise LLMEmptyError(f"the language model {self.name!r} said nothing", hint=_AGAIN)

    def stream(self, prompts: Mapping[str, Prompt]) -> Generator[tuple[str, Said], None, None]:
        """Ask several prompts at once; yield what comes of each as it comes, by its key.

        First, and where nothing comes for a while, None comes, under no key: the first says that all
        is asked. Closing the iterator cancels what is not done, and closes its connections.
        """
        said: SimpleQueue[tuple[str, Said] | None] = SimpleQueue()
        asking = asyncio.run_coroutine_threadsafe(self._all(prompts, said.put), self._running())
        asking.add_done_callback(lambda _: said.put(None))
        try:
            yield "", None
            while True:
                try:
                    one = said.get(timeout=_PULSE)
                except Empty:
                    yield "", None
                    continue
                if one is None:
                    break
                yield one
            if asking.cancelled():
                raise LLMTruncatedError(
                    f"the language model {self.name!r} was closed while it answered", hint=_AGAIN
                )
            asking.result()
        finally:
            asking.cancel()

    def close(self) -> None:
        """Cancel everything and let go of the thread."""
        with self._lock:
            loop, self._loop = self._loop, None
        if loop:
            loop.call_soon_threadsafe(loop.stop)

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(
                    target=_serve, args=(self._loop,), name=f"policyqa {self.name}", daemon=True
                ).start()
            return self._loop

    async def _all(
        self, prompts: Mapping[str, Prompt], put: Callable[[tuple[str, Said]], None]
    ) -> None:
        async def one(key: str, prompt: Prompt, places: asyncio.Semaphore) -> None:
            async with places:
                try:
                    put((key, await self._ask(prompt, lambda piece: put((key, piece)))))
                except LLMError as error:
                    put((key, error))

        try:
            adapter = await asyncio.to_thread(lambda: self.adapter)
        except LLMError as error:
            for key in prompts:
                put((key, error))
            return
        places = asyncio.Semaphore(min(self._at_once, adapter.at_once))
        async with asyncio.TaskGroup() as tasks:
            for key, prompt in prompts.items():
                tasks.create_task(one(key, prompt, places))

    async def _ask(self, prompt: Prompt, put: Callable[[Piece], None]) -> Reply:
        """Return a whole reply, after retries where that may help. Raises LLMError."""
        clock = asyncio.get_running_loop().time
        end = clock() + self.limits.total
        for attempt in range(_RETRIES + 1):
            heard = _Heard(put)
            try:
                return await self._once(prompt, heard, end)
            except LLMError as error:
                pause = error.retry_after or _PAUSE * 2**attempt * (1 + random.random())
                is_last = attempt == _RETRIES or clock() + pause >= end
                if is_last or heard.pieces or not isinstance(error, _WORTH_ANOTHER):
                    raise
                await asyncio.sleep(pause)
        raise AssertionError("the last attempt returns or raises")

    async def _once(self, prompt: Prompt, heard: _Heard, end: float) -> Reply:
        clock = asyncio.get_running_loop().time
        async with aclosing(self.adapter.pieces(prompt)) as pieces:
            until = min(end, clock() + self.limits.first)
            while piece := await self._next(pieces, until, heard):
                heard.take(piece)
                wait = self.limits.idle if heard.characters else self.limits.first
                # What comes behind the end of a reply are counts, and nothing to wait or fail for.
                until = min(end, clock() + (_AFTERWARDS if heard.finish else wait))
        return self._whole(heard)

    async def _next(
        self, pieces: AsyncGenerator[Piece, None], until: float, heard: _Heard
    ) -> Piece | None:
        try:
            async with asyncio.timeout_at(until) as deadline:
                return await anext(pieces, None)
        except Exception as error:  # the libraries below raise anything, at any moment
            if heard.finish in _STOPPED:
                return None
            if deadline.expired():
                what = "stopped in the middle of its answer" if heard.pieces else "did not answer"
                raise LLMTimeoutError(
                    f"the language model {self.name!r} {what} and its time is up",
                    hint="ask again, or give it longer: POLICYQA_LLM_FIRST_SECONDS, "
                    "POLICYQA_LLM_IDLE_SECONDS, POLICYQA_LLM_TOTAL_SECONDS",
                ) from error
            raise self._translated(error) from error

    def _whole(self, heard: _Heard) -> Reply:
        """Return what was heard if it is a whole reply. Raises LLMError."""
        who = f"the language model {self.name!r}"
        if heard.finish in _CUT:
            raise LLMTruncatedError(
                f"{who} had no room for its whole answer",
                hint="raise POLICYQA_LLM_CONTEXT, or ask about fewer things at once",
            )
        if heard.finish is None:
            if not heard.text:
                raise LLMProtocolError(
                    f"{who} sent something that is no answer",
                    hint="check that POLICYQA_LLM_BASE_URL is the address of this kind of server",
                )
            raise LLMTruncatedError(
                f"the answer of {who} ended before it was complete", hint=_AGAIN
            )
        if heard.finish not in _STOPPED:
            # The reason is the server's own text, which may be anything, and is not repeated.
            raise LLMProtocolError(f"{who} ended its answer for an unknown reason", hint=_AGAIN)
        if not heard.text.strip():
            raise LLMEmptyError(f"{who} gave an empty answer", hint=_AGAIN)
        return Reply(heard.text, heard.tokens_in, heard.tokens_out)

    def _translated(self, error: Exception) -> LLMError:
        where = f" at {self._access.url!r}" if self._access.url else ""
        return translated(
            error,
            f"{self.name!r}{where}",
            secret=self.secret,
            retry_after=self._adapter.retry_after() if self._adapter else None,
        )


class _Heard:
    """What has come of one attempt so far."""

    def __init__(self, put: Callable[[Piece], None]) -> None:
        self._put = put
        self._texts: list[str] = []
        self.pieces = self.characters = 0
        self.finish: str | None = None
        self.tokens_in: int | None = None
        self.tokens_out: int | None = None

    def take(self, piece: Piece) -> None:
        """Take a piece, and hand on its words. Raises LLMProtocolError if they are too many."""
        self.pieces += 1
        self.finish = piece.finish or self.finish
        self.tokens_in = _count(piece.tokens_in, self.tokens_in)
        self.tokens_out = _count(piece.tokens_out, self.tokens_out)
        if piece.text:
            self.characters += len(piece.text)
            if self.characters > MOST_CHARACTERS:
                raise LLMProtocolError(
                    f"the language model wrote more than {MOST_CHARACTERS:,} characters",
                    hint=_AGAIN,
                )
            self._texts.append(piece.text)
            self._put(piece)

    @property
    def text(self) -> str:
        """The words so far."""
        return "".join(self._texts)


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    """Run a loop until it is stopped, then end what is left on it and close it."""
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


def _count(told: object, known: int | None) -> int | None:
    """Return what a server tells of its tokens, if it is a count, else what was known."""
    is_count = type(told) is int and 0 <= told <= _MOST_TOKENS
    return told if is_count else known  # type: ignore[return-value]
