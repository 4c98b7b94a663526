"""A real browser, the chat that it opens, and a world outside that it must not reach."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync",
    "--disable-component-update", "--no-first-run",
]  # fmt: skip
expect.set_options(timeout=30_000)  # a machine may be busy with other things
PROGRAM = ("-m", "qa.cli")
QUESTION = "How long is data retained?"
# What this browser asks for by itself, whatever page is open.
OF_THE_BROWSER = {
    "redirector.gvt1.com", "optimizationguide-pa.googleapis.com", "safebrowsing.googleapis.com",
    "accounts.google.com", "content-autofill.googleapis.com", "update.googleapis.com",
    "clients2.google.com",
}  # fmt: skip


class Outside:
    """A proxy that lets nothing through and notes what was asked for: loopback goes past it."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(5)  # a browser may connect and say nothing
                try:
                    said = connection.recv(4096).decode("latin-1").split(" ")
                except OSError:
                    continue
                target = said[1] if len(said) > 1 else ""
                host = urlsplit(target if "//" in target else f"//{target}").hostname
                if target and host not in OF_THE_BROWSER:
                    self.asked.append(target)

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(scope="session")
def outside() -> Iterator[Outside]:
    proxy = Outside()
    yield proxy
    proxy.close()


@pytest.fixture(scope="session")
def browser(outside: Outside) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=[*ARGUMENTS, f"--proxy-server={outside.address}"]
        )
        yield browser
        browser.close()


@contextmanager
def serving(
    home: Path,
    *,
    port: int = 0,
    program: Sequence[str] = PROGRAM,
    settings: Mapping[str, str] | None = None,
) -> Iterator[str]:
    """Have the chat over a home, at an address."""
    command = [sys.executable, *program, "chat", "--port", str(port), "--home", str(home)]
    outer = {key: value for key, value in os.environ.items() if not key.startswith("POLICYQA_")}
    outer |= settings or {}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=outer) as process:
        assert process.stdout
        yield process.stdout.readline().split()[-1]
        process.terminate()
        process.wait(30)


@pytest.fixture(scope="module")
def chat_home(indexed_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shutil.copytree(indexed_home, tmp_path_factory.mktemp("chat") / "home")


@pytest.fixture(scope="module")
def address(chat_home: Path) -> Iterator[str]:
    with serving(chat_home) as url:
        yield url


@contextmanager
def visiting(browser: Browser, address: str, *, script: str = "", **context: Any) -> Iterator[Page]:
    """Have a page of a visitor who was never here, opened; no script of it may have failed.

    ``script`` is run before those of the page.
    """
    failures: list[str] = []
    opened = browser.new_context(**{"viewport": {"width": 1400, "height": 900}, **context})
    opened.set_default_timeout(30_000)
    opened.add_init_script(script)
    page = opened.new_page()
    page.on("pageerror", lambda error: failures.append(str(error)))
    page.goto(address)
    expect(page.locator("#mode")).to_be_visible()
    yield page
    opened.close()
    assert failures == []


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    with visiting(browser, address) as page:
        expect(page.locator("#answers .welcome")).to_be_visible()
        yield page


def question_box(page: Page) -> Locator:
    return page.locator("#question textarea, #question input")


def ask(page: Page, question: str) -> None:
    """Ask, and wait until the answer to this very question stands below the others."""
    before = page.locator("#answers .actions").count()
    question_box(page).fill(question)
    page.keyboard.press("Enter")
    expect(page.locator("#answers .actions")).to_have_count(before + 1)


def quote_in_view(page: Page) -> str:
    """Return the highlighted quote, as soon as it stands in the part of the source that one sees."""
    quote, pane = page.locator("#source-quote"), page.locator("#source .text")
    for _ in range(100):
        expect(quote).to_be_in_viewport()
        at, seen = quote.bounding_box(), pane.bounding_box()
        # Between two sources neither may be there for a moment.
        if at and seen and seen["y"] <= at["y"] <= seen["y"] + seen["height"] - 20:
            return quote.text_content() or ""
        page.wait_for_timeout(100)
    pytest.fail("the quote is not in the visible part of the source")
