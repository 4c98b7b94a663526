"""A language model, where one is configured: any server that speaks OpenAI's protocol.

It is reached through llama-index, whose own defaults (another provider, endless retries) are never
used: what is not configured is not called.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec

from index.errors import LLMError, UsageError
from index.settings import Settings

Complete = Callable[[str], str]
"""Answers a prompt with text; raises LLMError."""

_SECONDS = 120.0
_FAMILY = "openai"


def load_llm(name: str, settings: Settings) -> Complete:
    """Return the model of a name such as ``openai/qwen3``, on the server that is configured.

    Raises UsageError for a name of another form, a server that is not configured, and a package
    that is not installed.
    """
    family, _, model = name.partition("/")
    if family != _FAMILY or not model:
        raise UsageError(f"{name!r} is no language model", hint=f"name one as {_FAMILY}/MODEL")
    if not settings.llm_base_url:
        raise UsageError(
            "no server is configured for the language model",
            hint="set POLICYQA_LLM_BASE_URL, such as http://localhost:8000/v1",
        )
    if find_spec("llama_index") is None or find_spec("llama_index.llms.openai_like") is None:
        raise UsageError(
            "a language model needs llama-index, which is not installed",
            hint="pip install 'policyqa[llm]'",
        )
    return _openai_like(model, settings)


def _openai_like(model: str, settings: Settings) -> Complete:
    from llama_index.core.llms import ChatMessage
    from llama_index.llms.openai_like import OpenAILike
    from openai import OpenAIError

    key = settings.llm_api_key
    llm = OpenAILike(
        model=model,
        api_base=settings.llm_base_url,
        api_key=key.get_secret_value() if key else "none",
        is_chat_model=True,
        temperature=0.0,
        max_retries=0,
        timeout=_SECONDS,
    )

    def complete(prompt: str) -> str:
        try:
            answer = llm.chat([ChatMessage(role="user", content=prompt)])
        # What comes over the wire may be anything: the client raises these for what is no answer.
        except (OpenAIError, ValueError, TypeError, IndexError, AttributeError) as error:
            raise LLMError(
                f"the language model {model!r} at {settings.llm_base_url!r} did not answer: "
                f"{type(error).__name__}",
                hint="check that the server runs and knows the model, then try again",
            ) from error
        return answer.message.content or ""

    return complete
