"""Anthropic's models, at its own address or one that speaks the same protocol."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import httpx
from anthropic import AsyncAnthropic
from llama_index.core.llms import ChatMessage, LLMMetadata
from llama_index.llms.anthropic import Anthropic

from qa.llm.types import ANSWER_TOKENS, Access, Piece, Prompt
from qa.llm.wire import Wire


class _Anthropic(Anthropic):
    """Takes any model's name: a server that speaks this protocol may have others."""

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(is_chat_model=True, model_name=self.model, num_output=self.max_tokens)


class Adapter:
    """Speaks Anthropic's protocol."""

    at_once = 64

    def __init__(self, access: Access) -> None:
        self.window = access.context
        self._access = access
        self._retry_after: float | None = None
        # Made once, because it makes two HTTP clients that take long and are never used.
        self._made = _Anthropic(  # type: ignore[call-arg]
            model=access.model,
            api_key=self._key,
            base_url=access.url,
            max_tokens=ANSWER_TOKENS,
            temperature=0.0,
            max_retries=0,
        )

    def retry_after(self) -> float | None:
        """Return the seconds that the last refused request was told to wait, if any."""
        return self._retry_after

    async def pieces(self, prompt: Prompt) -> AsyncGenerator[Piece, None]:
        """Yield a reply as it arrives."""
        wire = Wire(self._access.limits)
        async with httpx.AsyncClient(**wire.options) as client:
            try:
                stream = await self._model(client, wire).astream_chat(
                    [
                        ChatMessage(role="system", content=prompt.system),
                        ChatMessage(role="user", content=prompt.user),
                    ]
                )
                async for chunk in stream:
                    told = chunk.message.additional_kwargs
                    usage = told.get("usage") or {}
                    yield Piece(
                        chunk.delta or "",
                        told.get("stop_reason"),
                        usage.get("input_tokens"),
                        usage.get("output_tokens"),
                    )
            finally:
                self._retry_after = wire.retry_after

    def _model(self, client: httpx.AsyncClient, wire: Wire) -> Anthropic:
        model = self._made.model_copy()
        model._aclient = AsyncAnthropic(
            api_key=self._key,
            base_url=self._access.url,
            max_retries=0,
            timeout=wire.timeout,
            http_client=client,
        )
        return model

    @property
    def _key(self) -> str:
        return self._access.key.get_secret_value() if self._access.key else "none"
