"""The chat's server: Gradio behind our guard, on this computer unless a password is set."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address

from index.errors import LLMError, UsageError
from qa.assistant import Assistant
from qa.ui.desk import Desk

PORT = 7860
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_SILENT = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "GRADIO_RUN_HISTORY": "False",
    "GRADIO_MCP_SERVER": "False",
    "GRADIO_SSR_MODE": "False",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_OFFLINE": "1",
}


@dataclass(frozen=True, slots=True)
class Address:
    """Where the chat is served, and the password it asks for, if any."""

    host: str = "127.0.0.1"
    port: int = PORT
    password: str | None = None

    def check(self) -> None:
        """Raise UsageError for an address that others reach, unless a password is set."""
        if self.host not in _LOOPBACK and not self.password:
            raise UsageError(
                f"on {self.host!r} others could open the chat, and no password is set",
                hint="name a variable that holds one: --password-env NAME",
            )

    @property
    def hosts(self) -> frozenset[str]:
        """The host names that are served; ``*`` stands for any IP address."""
        if self.host in _LOOPBACK:
            return _LOOPBACK
        return _LOOPBACK | {self.host, socket.gethostname().lower()} | _any(self.host)


def _any(host: str) -> frozenset[str]:
    try:
        return frozenset({"*"}) if ip_address(host).is_unspecified else frozenset()
    except ValueError:
        return frozenset()


def password_from(variable: str | None) -> str | None:
    """Return the password that an environment variable holds. Raises UsageError if it is empty."""
    if variable is None:
        return None
    if not (password := os.environ.get(variable)):
        raise UsageError(
            f"the variable {variable!r} holds no password", hint=f"export {variable}=…, then again"
        )
    return password


def serve(assistant: Assistant, address: Address, ready: Callable[[str], None]) -> None:
    """Serve the chat until it is interrupted; ``ready`` is told its address. Raises UsageError."""
    address.check()
    listening = _listening(address)
    os.environ.update(_SILENT)  # before Gradio is imported, which reads them
    threading.Thread(target=_warm, args=(assistant,), daemon=True).start()
    import uvicorn

    from qa.ui.app import make

    app = make(Desk(assistant), assistant.home.path, address)
    host, port = listening.getsockname()[:2]
    ready(f"http://{f'[{host}]' if ':' in host else host}:{port}/")
    config = uvicorn.Config(
        app, log_level="critical", access_log=False, server_header=False,
        timeout_graceful_shutdown=2,  # open pages hold a connection each, for ever
    )  # fmt: skip
    uvicorn.Server(config).run(sockets=[listening])


def _listening(address: Address) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((address.host, address.port))
        listening.listen(128)
    except (OSError, OverflowError) as error:
        listening.close()
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(
            f"cannot listen on {address.host!r}, port {address.port}: {reason}",
            hint="choose another port: policyqa chat --port 7861",
        ) from error
    return listening


def _warm(assistant: Assistant) -> None:
    """Load what the first answer needs while the page is being made."""
    _ = assistant.home.encoder, assistant.reader
    if assistant.llm:
        with suppress(LLMError):  # it is told where it is asked
            _ = assistant.llm.adapter
