"""A transformers model in this process: no server, and no network unless downloads are allowed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any

from llama_index.core.llms import ChatMessage
from llama_index.llms.huggingface import HuggingFaceLLM
from transformers import AutoModelForCausalLM, AutoTokenizer, TextStreamer

from index.errors import LLMRequestError
from qa.llm.types import ANSWER_TOKENS, Access, Piece, Prompt


class Adapter:
    """Runs a model, one reply at a time; loading it may take long and is done at once."""

    at_once = 1

    def __init__(self, access: Access) -> None:
        where: dict[str, Any] = {"local_files_only": not access.allow_download}
        self._name = access.model
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(access.model, **where)
            self._model = AutoModelForCausalLM.from_pretrained(access.model, **where)
        except (OSError, ValueError) as error:
            raise LLMRequestError(
                f"there is no language model {access.model!r} on this computer that can be loaded",
                hint="name a folder that holds one, or let it be fetched: --allow-download",
            ) from error
        longest = getattr(self._model.config, "max_position_embeddings", access.context)
        self.window = min(access.context, longest)

    def retry_after(self) -> float | None:
        """Return None: nobody is told to wait."""
        return None

    async def pieces(self, prompt: Prompt) -> AsyncGenerator[Piece, None]:
        """Yield a reply as it is made, by a thread that stops at the next token when this is closed."""
        loop, made = asyncio.get_running_loop(), asyncio.Queue[Piece | None]()
        streamer = _Streamer(
            self._tokenizer, lambda text: loop.call_soon_threadsafe(made.put_nowait, Piece(text))
        )
        work = asyncio.ensure_future(asyncio.to_thread(self._generate, prompt, streamer))
        work.add_done_callback(lambda _: made.put_nowait(None))
        try:
            while (piece := await made.get()) is not None:
                yield piece
            yield await work
        finally:
            streamer.is_wanted = False

    def _generate(self, prompt: Prompt, streamer: _Streamer) -> Piece:
        """Make a reply; return how it ended."""
        model = HuggingFaceLLM(
            model=self._model,
            tokenizer=self._tokenizer,
            model_name=self._name,
            tokenizer_name=self._name,
            context_window=self.window,
            max_new_tokens=ANSWER_TOKENS,
            messages_to_prompt=self._as_text,
            generate_kwargs={"do_sample": False, "streamer": streamer},
        )
        messages = [
            ChatMessage(role="system", content=prompt.system),
            ChatMessage(role="user", content=prompt.user),
        ]
        tokens = model.chat(messages).raw["model_output"][0]
        taken = len(self._tokenizer(self._as_text(messages))["input_ids"])
        made = len(tokens) - taken
        return Piece("", "stop" if made < ANSWER_TOKENS else "length", taken, made)

    def _as_text(self, messages: Sequence[ChatMessage]) -> str:
        if not self._tokenizer.chat_template:
            return "\n\n".join(message.content or "" for message in messages) + "\n\n"
        spoken = [{"role": one.role.value, "content": one.content} for one in messages]
        text: str = self._tokenizer.apply_chat_template(
            spoken, tokenize=False, add_generation_prompt=True
        )
        return text


class _UnwantedError(Exception):
    """Ends a reply that nobody waits for."""


class _Streamer(TextStreamer):  # type: ignore[misc]
    """Hands on a reply's words as they are made, until they are not wanted any more."""

    def __init__(self, tokenizer: Any, say: Callable[[str], Any]) -> None:
        super().__init__(tokenizer, skip_prompt=True, skip_special_tokens=True)
        self.is_wanted = True
        self._say = say

    def put(self, value: Any) -> None:
        """Take a token. Raises _UnwantedError, which ends the generation."""
        if not self.is_wanted:
            raise _UnwantedError
        super().put(value)

    def on_finalized_text(self, text: str, stream_end: bool = False) -> None:  # noqa: ARG002
        """Hand on words that later tokens cannot change."""
        self._say(text)
