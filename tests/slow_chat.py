"""The chat, slower than it is: "slowly" in a question takes seconds, and few may wait meanwhile.

``python tests/slow_chat.py chat OPTIONS`` is ``policyqa chat``.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial

from qa import cli
from qa.assistant import Assistant
from qa.types import Event
from qa.ui import desk, server

SECONDS = 4
_stream = Assistant.stream


def stream(assistant: Assistant, question: str, **more: tuple[str, ...]) -> Iterator[Event]:
    """Answer as an assistant does, and take one's time over some questions."""
    if "slowly" in question:
        time.sleep(SECONDS)
    yield from _stream(assistant, question, **more)


if __name__ == "__main__":
    Assistant.stream = stream  # type: ignore[method-assign, assignment]
    server.Desk = partial(desk.Desk, waiting=2)  # type: ignore[attr-defined, assignment]
    cli.run()
