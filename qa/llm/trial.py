"""Whether the configured language model answers: one short request, and what came of it."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Any

from index.errors import LLMError, PolicyQAError
from index.settings import Settings
from qa.llm.engine import LLM
from qa.llm.families import load_llm
from qa.llm.types import Piece, Prompt, Reply

_PROMPT = Prompt("You answer with one word.", "Reply with the word: ready")


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of a request: seconds to the first words and in all, and what is wrong, if it is."""

    llm: str
    window: int | None = None
    first_seconds: float | None = None
    seconds: float | None = None
    error: str | None = None
    hint: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return asdict(self)

    @property
    def summary(self) -> str:
        """One sentence on what came of it."""
        if self.error:
            return f"The language model {self.llm} does not answer: {self.error}"
        return (
            f"The language model {self.llm} answers: first words after {self.first_seconds:.1f} s, "
            f"all after {self.seconds:.1f} s; {self.window:,} tokens are used of its window."
        )


def tried(settings: Settings) -> Trial:
    """Return what comes of a request to the configured model; no error is raised."""
    try:
        llm = load_llm(settings)
    except PolicyQAError as error:
        return Trial(settings.llm, error=error.message, hint=error.hint)
    if llm is None:
        return Trial("none", error="none is configured", hint="name one: --llm ollama/MODEL")
    with closing(llm):
        return _tried(llm)


def _tried(llm: LLM) -> Trial:
    first = None
    try:
        window = llm.window
        started = time.perf_counter()
        for _, said in llm.stream({"": _PROMPT}):
            if isinstance(said, LLMError):
                raise said
            if isinstance(said, Piece) and first is None:
                first = time.perf_counter() - started
            if isinstance(said, Reply):
                seconds = time.perf_counter() - started
                return Trial(llm.name, window, round(first or seconds, 3), round(seconds, 3))
    except LLMError as error:
        return Trial(llm.name, error=error.message, hint=error.hint)
    return Trial(llm.name, error="it said nothing", hint="ask again, or choose another model")
