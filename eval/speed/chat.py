"""The chat, timed from outside: its page in a real browser, and many people who ask at once.

``python -m eval.speed.chat page HOME`` prints the seconds from the command to the page, and from each
question to its answer on the screen; ``missing`` where there is no browser. ``crowd HOME`` prints what
many wait for at once, and what the process then holds. People of a crowd speak the page's protocol.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from eval.speed.process import environment
from eval.speed.questions import COLD, QUESTIONS

if TYPE_CHECKING:
    from httpx import Client
    from playwright.sync_api import Page

FEW, MANY, SESSIONS = 8, 64, 300
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_LIMIT = 60
"""Seconds after which nothing is waited for."""
_BUSY = "too many people are asking"


@dataclass(frozen=True, slots=True)
class Reply:
    """What one question came to: the seconds it took, and the conversation that is shown then."""

    question: str
    seconds: float
    shown: str

    @property
    def is_refused(self) -> bool:
        """Whether the visitor was told to come again."""
        return _BUSY in self.shown.lower()

    @property
    def is_own(self) -> bool:
        """Whether the conversation is of this question and of no other."""
        return self.shown.count('class="asked"') == 1 and self.question in self.shown


@dataclass(frozen=True, slots=True)
class Chat:
    """A running chat: its address, its process, and the numbers its page calls its events by."""

    address: str
    process: int
    opened: int
    asked: int

    def visitor(self, client: Client) -> Callable[[str], Reply]:
        """Return a new visitor, whose page is opened, and who can ask."""
        session = uuid4().hex
        _event(client, self.address, session, self.opened, [[]])

        def ask(question: str) -> Reply:
            started = time.perf_counter()
            data = _event(client, self.address, session, self.asked, [question, [], None, []])
            return Reply(question, time.perf_counter() - started, str(data[0]))

        return ask


def page(home: str) -> None:
    """Open the page in a browser, ask, and print the seconds."""
    program = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if program is None or find_spec("playwright") is None:
        _show(missing="Playwright" if program else "Chromium")
        return
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page()
        page.set_default_timeout(_LIMIT * 1000)
        started = time.perf_counter()
        with _serving(home) as (address, _):
            page.goto(address)
            page.locator("#answers .welcome").wait_for()
            opened = time.perf_counter() - started
            _ask(page, COLD)
            _show(opened=opened, seconds=[_ask(page, question) for question in QUESTIONS[:20]])
        browser.close()


def _ask(page: Page, question: str) -> float:
    """Return the seconds until the answer to a question is on the screen."""
    started = time.perf_counter()
    page.locator("#question input, #question textarea").fill(question)
    page.keyboard.press("Enter")
    page.locator("#answers .turn", has_text=question).locator(".actions").wait_for()
    return time.perf_counter() - started


def crowd(home: str) -> None:
    """Let few and then many ask at once, then come one after another; print what they got."""
    with _chat(home) as (chat, client), ThreadPoolExecutor(MANY) as people:
        chat.visitor(client)(COLD)

        def at_once(count: int) -> list[Reply]:
            visitors = list(people.map(lambda _: chat.visitor(client), range(count)))
            asked = [people.submit(ask, _own(n)) for n, ask in enumerate(visitors)]
            return [one.result() for one in asked]

        few = [reply for _ in range(3) for reply in at_once(FEW)]
        many = at_once(MANY)
        after = chat.visitor(client)(COLD)
        for number in range(SESSIONS):
            chat.visitor(client)(_own(number))
        _show(
            few=[reply.seconds for reply in few],
            foreign=sum(not reply.is_own for reply in (*few, *many)),
            refused=[reply.seconds for reply in many if reply.is_refused],
            answered=sum(not reply.is_refused for reply in many),
            after=after.seconds,
            megabytes=_resident(chat.process),
        )


def _own(number: int) -> str:
    """Return a question that nobody else asks."""
    return f"How long is data number {number} retained?"


@contextmanager
def _serving(home: str) -> Iterator[tuple[str, int]]:
    """Have a running chat: its address and process."""
    program = Path(sysconfig.get_path("scripts")) / "policyqa"
    command = [str(program), "chat", "--port", "0", "--home", home]
    with subprocess.Popen(  # noqa: S603
        command, stdout=subprocess.PIPE, text=True, env=environment(os.environ)
    ) as process:
        assert process.stdout  # noqa: S101
        try:
            yield process.stdout.readline().split()[-1], process.pid
        finally:
            process.terminate()


@contextmanager
def _chat(home: str) -> Iterator[tuple[Chat, Client]]:
    from httpx import Client, Limits

    with (
        _serving(home) as (address, process),
        Client(timeout=_LIMIT, limits=Limits(max_connections=2 * MANY)) as client,
    ):
        config = client.get(f"{address}config").json()
        names = {c["id"]: c["props"].get("elem_id") for c in config["components"]}
        events = {
            (names.get(part), event): one["id"]
            for one in config["dependencies"]
            for part, event in one["targets"]
        }
        opened = next(id_ for (_, event), id_ in events.items() if event == "load")
        yield Chat(address, process, opened, events["question", "submit"]), client


def _event(client: Client, address: str, session: str, number: int, data: list[Any]) -> list[Any]:
    """Do what the page does for an event; return what it would show."""
    body = {"data": data, "fn_index": number, "session_hash": session}
    joined = client.post(f"{address}gradio_api/queue/join", json=body).json()["event_id"]
    stream = f"{address}gradio_api/queue/data?session_hash={session}"
    with client.stream("GET", stream) as messages:
        for line in messages.iter_lines():
            message = json.loads(line[5:]) if line.startswith("data:") else {}
            if message.get("event_id") == joined and message["msg"] == "process_completed":
                found: list[Any] = message["output"]["data"]
                return found
    raise RuntimeError(f"the chat did not answer the event {number}")


def _resident(process: int) -> float:
    """Return the memory that a process holds, in 10⁶ bytes."""
    told = subprocess.run(  # noqa: S603
        ["ps", "-o", "rss=", "-p", str(process)],  # noqa: S607
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return int(told.stdout) * 1024 / 1e6


def _show(**facts: object) -> None:
    print(json.dumps(facts))


if __name__ == "__main__":
    task, home = sys.argv[1:]
    {"page": page, "crowd": crowd}[task](home)
