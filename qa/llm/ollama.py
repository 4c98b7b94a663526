"""Models that run in Ollama, on this computer or another one."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from llama_index.core.llms import ChatMessage
from llama_index.llms.ollama import Ollama
from ollama import AsyncClient

from qa.llm.types import ANSWER_TOKENS, Access, Piece, Prompt
from qa.llm.wire import Wire


class Adapter:
    """Speaks Ollama's protocol, and says how long the window is: its own default cuts prompts."""

    at_once = 64

    def __init__(self, access: Access) -> None:
        self.window = access.context
        self._access = access
        self._retry_after: float | None = None

    def retry_after(self) -> float | None:
        """Return the seconds that the last refused request was told to wait, if any."""
        return self._retry_after

    async def pieces(self, prompt: Prompt) -> AsyncGenerator[Piece, None]:
        """Yield a reply as it arrives."""
        wire = Wire(self._access.limits)
        client = AsyncClient(self._access.url, headers=self._headers(), **wire.options)
        try:
            stream = await self._model(client).astream_chat(
                [
                    ChatMessage(role="system", content=prompt.system),
                    ChatMessage(role="user", content=prompt.user),
                ],
                format=prompt.schema,
            )
            async for chunk in stream:
                raw = chunk.raw
                finish = (raw.get("done_reason") or "stop") if raw.get("done") else None
                yield Piece(
                    chunk.delta or "", finish, raw.get("prompt_eval_count"), raw.get("eval_count")
                )
        finally:
            self._retry_after = wire.retry_after
            await client.close()  # type: ignore[no-untyped-call]

    def _model(self, client: AsyncClient) -> Ollama:
        return Ollama(
            model=self._access.model,
            base_url=self._access.url,
            temperature=0.0,
            context_window=self.window,
            additional_kwargs={"num_predict": ANSWER_TOKENS},
            async_client=client,
        )

    def _headers(self) -> dict[str, str]:
        key = self._access.key
        return {"Authorization": f"Bearer {key.get_secret_value()}"} if key else {}
