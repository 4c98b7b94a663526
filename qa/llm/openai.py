"""Every server that speaks OpenAI's protocol: OpenAI, vLLM, llama.cpp, LM Studio, a gateway."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import httpx
from llama_index.core.llms import ChatMessage
from llama_index.llms.openai_like import OpenAILike
from openai import AsyncOpenAI, BadRequestError, Omit, UnprocessableEntityError

from qa.llm.types import ANSWER_TOKENS, Access, Piece, Prompt
from qa.llm.wire import Wire

_NOT_SENT: dict[str, Any] = {"OpenAI-Organization": Omit(), "OpenAI-Project": Omit()}


class Adapter:
    """Speaks OpenAI's chat protocol.

    Servers that refuse a schema for the reply are asked again without one, and then no more.
    """

    at_once = 64

    def __init__(self, access: Access) -> None:
        self.window = access.context
        self._access = access
        self._takes_schema = True
        self._retry_after: float | None = None
        # The library loads half of itself at the first use, which must not count as waiting.
        _ = AsyncOpenAI(api_key="none").chat.completions

    def retry_after(self) -> float | None:
        """Return the seconds that the last refused request was told to wait, if any."""
        return self._retry_after

    async def pieces(self, prompt: Prompt) -> AsyncGenerator[Piece, None]:
        """Yield a reply as it arrives."""
        schema = prompt.schema if self._takes_schema else None
        try:
            async for piece in self._pieces(prompt, _held_to(schema)):
                yield piece
        except (BadRequestError, UnprocessableEntityError):
            if schema is None:
                raise
        else:
            return
        async for piece in self._pieces(prompt, {}):
            yield piece
        self._takes_schema = False

    async def _pieces(self, prompt: Prompt, extra: dict[str, Any]) -> AsyncGenerator[Piece, None]:
        wire = Wire(self._access.limits)
        async with httpx.AsyncClient(**wire.options) as client:
            try:
                stream = await self._model(client, wire).astream_chat(
                    [
                        ChatMessage(role="system", content=prompt.system),
                        ChatMessage(role="user", content=prompt.user),
                    ],
                    **extra,
                )
                async for chunk in stream:
                    yield _piece(chunk.delta or "", chunk.raw)
            finally:
                self._retry_after = wire.retry_after

    def _model(self, client: httpx.AsyncClient, wire: Wire) -> OpenAILike:
        key = self._access.key.get_secret_value() if self._access.key else "none"
        return OpenAILike(
            model=self._access.model,
            api_base=self._access.url,
            api_key=key,
            is_chat_model=True,
            context_window=self.window,
            max_tokens=ANSWER_TOKENS,
            temperature=0.0,
            max_retries=0,
            additional_kwargs={"stream_options": {"include_usage": True}},
            async_openai_client=AsyncOpenAI(  # type: ignore[call-arg]
                api_key=key,
                base_url=self._access.url,
                max_retries=0,
                timeout=wire.timeout,
                http_client=client,
                # What is set for OpenAI's own servers is nothing to tell others.
                default_headers=_NOT_SENT,
            ),
        )


def _held_to(schema: Any) -> dict[str, Any]:
    if schema is None:
        return {}
    named = {"name": "reply", "schema": schema}
    return {"response_format": {"type": "json_schema", "json_schema": named}}


def _piece(text: str, raw: Any) -> Piece:
    usage = getattr(raw, "usage", None)
    choice = raw.choices[0] if raw.choices else None
    return Piece(
        text,
        choice.finish_reason if choice else None,
        usage.prompt_tokens if usage else None,
        usage.completion_tokens if usage else None,
    )
