"""The HTTP client of one request: its deadlines, its byte limit, and when a server wants it again.

A client of its own for each request costs a millisecond, and closing it closes the connection,
whatever state the library above it is in.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any

import httpx

from index.errors import LLMProtocolError
from qa.llm.types import MOST_BYTES, Limits


class Wire:
    """What one request's client is made with, and ``retry_after``: the seconds it should wait."""

    def __init__(self, limits: Limits) -> None:
        self.retry_after: float | None = None
        self.timeout = httpx.Timeout(limits.total, connect=limits.connect)
        self.options: dict[str, Any] = {
            "timeout": self.timeout,
            # Whom the prompt goes to was configured; no server may send it elsewhere.
            "follow_redirects": False,
            "verify": _trusted(),
            "event_hooks": {"request": [_plainly], "response": [self._note]},
        }

    async def _note(self, response: httpx.Response) -> None:
        if response.status_code >= 400:
            self.retry_after = seconds(response.headers.get("retry-after"))
        if response.headers.get("content-encoding", "identity") != "identity":
            raise LLMProtocolError(
                "the language model's server sent compressed text that was not asked for",
                hint="check the address, or ask again",
            )
        response.stream = _Counted(response.stream)


async def _plainly(request: httpx.Request) -> None:
    """Ask for bytes as they are: of compressed ones no limit tells how much they come to."""
    request.headers["accept-encoding"] = "identity"


@lru_cache(maxsize=1)
def _trusted() -> ssl.SSLContext:
    """Return whom TLS connections trust; made once, because reading it takes longer than asking."""
    return ssl.create_default_context()


class _Counted(httpx.AsyncByteStream):
    """A stream of bytes that ends with an error if it is too long."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = MOST_BYTES
        async for chunk in self._inner:
            left -= len(chunk)
            if left < 0:
                raise LLMProtocolError(
                    f"the language model sent more than {MOST_BYTES:,} bytes",
                    hint="ask again, or choose another model",
                )
            yield chunk

    async def aclose(self) -> None:
        await self._inner.aclose()


def seconds(header: str | None) -> float | None:
    """Return what a ``Retry-After`` header says, a number or a date; None for anything else.

    >>> seconds("2.5"), seconds("soon")
    (2.5, None)
    """
    if header is None:
        return None
    with suppress(ValueError):
        return max(0.0, float(header))
    with suppress(ValueError):
        return max(0.0, parsedate_to_datetime(header).timestamp() - time.time())
    return None
