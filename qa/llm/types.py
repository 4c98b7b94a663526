"""What is asked of a language model and what comes back, whoever provides it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import SecretStr

from index.settings import Settings

ANSWER_TOKENS = 2048
"""The most tokens of one reply; the window keeps room for them."""
MOST_BYTES = 1_000_000
"""The most bytes of one reply on the wire; a longer one is taken for one that never ends."""

MOST_CHARACTERS = 100_000
"""The most characters of one reply's text, thoughts included."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """What is asked. ``schema`` is the JSON schema of the reply, for servers that can be held to it."""

    system: str
    user: str
    schema: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a reply as it arrives. ``finish`` is the server's own word for why it ended."""

    text: str
    finish: str | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole reply, and what it cost in tokens; None where the server does not tell."""

    text: str
    tokens_in: int | None = None
    tokens_out: int | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds until a connection, the first piece, the next piece and the end."""

    connect: float
    first: float
    idle: float
    total: float

    @classmethod
    def of(cls, settings: Settings) -> Limits:
        """Return what is configured."""
        return cls(
            settings.llm_connect_seconds,
            settings.llm_first_seconds,
            settings.llm_idle_seconds,
            settings.llm_total_seconds,
        )


@dataclass(frozen=True, slots=True)
class Access:
    """How a model is reached: its name, its server's address (none: in this process) and key."""

    model: str
    url: str
    key: SecretStr | None
    context: int
    limits: Limits
    allow_download: bool = False


class Adapter(Protocol):
    """Speaks one family's language. ``at_once`` bounds how many replies are made together."""

    at_once: int
    window: int
    """Tokens that prompt and reply have together."""

    def pieces(self, prompt: Prompt) -> AsyncGenerator[Piece, None]:
        """Yield a reply as it arrives; raises what its client raises. Closing it ends the request."""

    def retry_after(self) -> float | None:
        """Return the seconds that the last refused request was told to wait, if any."""
