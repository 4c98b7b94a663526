"""What the providers' libraries raise, as our errors: the one place where it is translated.

They raise their own errors, httpx's, json's, pydantic's and Python's, before and amid a stream. So
what counts is found anywhere in the chain of causes: a status, a type of error that the server
named, or the name of a class.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from index.errors import (
    LLMAuthError,
    LLMError,
    LLMOverloadedError,
    LLMProtocolError,
    LLMRequestError,
    LLMTimeoutError,
    LLMTruncatedError,
    LLMUnreachableError,
)
from qa.render import printable

_LONGEST = 200
_STATUS: dict[int, type[LLMError]] = {
    401: LLMAuthError, 403: LLMAuthError, 407: LLMAuthError,
    408: LLMTimeoutError, 504: LLMTimeoutError,
    429: LLMOverloadedError,
}  # fmt: skip
_HUNDREDS = {4: LLMRequestError, 5: LLMOverloadedError}
_NAMED: dict[str, type[LLMError]] = {
    "authentication_error": LLMAuthError,
    "permission_error": LLMAuthError,
    "invalid_request_error": LLMRequestError,
    "not_found_error": LLMRequestError,
    "timeout_error": LLMTimeoutError,
    "overloaded_error": LLMOverloadedError,
    "rate_limit_error": LLMOverloadedError,
    "api_error": LLMOverloadedError,
    "server_error": LLMOverloadedError,
}
_CLASSES: dict[str, type[LLMError]] = {
    "ConnectTimeout": LLMUnreachableError,
    "ConnectError": LLMUnreachableError,
    "UnsupportedProtocol": LLMUnreachableError,
    # The connection broke in the middle, or before anything came.
    "RemoteProtocolError": LLMTruncatedError,
    "ReadError": LLMTruncatedError,
    "APITimeoutError": LLMTimeoutError,
    "TimeoutException": LLMTimeoutError,
    "TimeoutError": LLMTimeoutError,
    "ConnectionError": LLMUnreachableError,  # Ollama's client raises it, with no cause
    "ResponseError": LLMOverloadedError,  # Ollama's client, amid a stream
    "MemoryError": LLMOverloadedError,
    "OutOfMemoryError": LLMOverloadedError,
}
_HINTS: dict[type[LLMError], str] = {
    LLMUnreachableError: "start the server, or correct POLICYQA_LLM_BASE_URL; "
    "policyqa doctor --llm tests it",
    LLMTimeoutError: "ask again, or give it longer: POLICYQA_LLM_TOTAL_SECONDS",
    LLMOverloadedError: "ask again in a while",
    LLMAuthError: "set POLICYQA_LLM_API_KEY, or POLICYQA_LLM_KEY_FILE, to a key that it accepts",
    LLMRequestError: "check the model's name, POLICYQA_LLM_BASE_URL and POLICYQA_LLM_CONTEXT",
    LLMTruncatedError: "ask again, or choose another model",
    LLMProtocolError: "check that POLICYQA_LLM_BASE_URL is the address of this kind of server",
}


def translated(
    error: Exception, who: str, *, secret: str = "", retry_after: float | None = None
) -> LLMError:
    """Return an error as one of ours; ``secret`` is left out of its message."""
    for one in _chain(error):
        if isinstance(one, LLMError):
            return one
    kind = _kind(error)
    said = _said(error, secret)
    return kind(
        f"the language model {who} {_VERBS.get(kind, 'sent something that is no answer')}"
        f"{f': {said}' if said else ''}",
        hint=_HINTS[kind],
        retry_after=retry_after,
    )


_VERBS: dict[type[LLMError], str] = {
    LLMUnreachableError: "cannot be reached",
    LLMTimeoutError: "did not answer in time",
    LLMOverloadedError: "is overloaded or has failed",
    LLMAuthError: "refuses the key",
    LLMRequestError: "refuses the request",
    LLMTruncatedError: "broke off its answer",
}


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    found: BaseException | None = error
    while found is not None and id(found) not in seen:
        seen.add(id(found))
        yield found
        found = found.__cause__ or found.__context__


def _kind(error: Exception) -> type[LLMError]:
    for one in _chain(error):
        status = getattr(one, "status_code", None)
        if isinstance(status, int) and status >= 300:
            return _STATUS.get(status, _HUNDREDS.get(status // 100, LLMProtocolError))
        named = _NAMED.get(_type_in(getattr(one, "body", None)))
        if named:
            return named
    names = {cls.__name__ for one in _chain(error) for cls in type(one).__mro__}
    return next((kind for name, kind in _CLASSES.items() if name in names), LLMProtocolError)


def _type_in(body: Any) -> str:
    """Return the type of error that a server named amid its stream, as OpenAI and Anthropic do."""
    inner = body.get("error", body) if isinstance(body, dict) else None
    return str(inner.get("type", "")) if isinstance(inner, dict) else ""


def _said(error: Exception, secret: str) -> str:
    """Return what a server said without the secret, or at least the name of what was raised."""
    body = getattr(error, "body", None)
    inner = body.get("error", body) if isinstance(body, dict) else None
    message = inner.get("message") if isinstance(inner, dict) else getattr(error, "error", None)
    text = printable(str(message)) if message else type(error).__name__
    # Before it is cut, which would leave a part of it.
    text = text.replace(secret, "…") if secret else text
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
