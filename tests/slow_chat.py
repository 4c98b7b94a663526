"""The chat, slower than it is: "slowly" in a question takes seconds, and few may wait meanwhile.

``python tests/slow_chat.py chat OPTIONS`` is ``policyqa chat``.
"""

from __future__ import annotations

import time
from functools import partial

from qa import cli
from qa.assistant import Assistant
from qa.types import Answer
from qa.ui import desk, server

SECONDS = 4
_ask = Assistant.ask


def ask(assistant: Assistant, question: str, **more: tuple[str, ...]) -> Answer:
    """Answer as an assistant does, and take one's time over some questions."""
    if "slowly" in question:
        time.sleep(SECONDS)
    return _ask(assistant, question, **more)


if __name__ == "__main__":
    Assistant.ask = ask  # type: ignore[method-assign, assignment]
    server.Desk = partial(desk.Desk, waiting=2)  # type: ignore[misc, assignment]
    cli.run()
