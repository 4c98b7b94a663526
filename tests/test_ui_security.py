"""The guard before the chat: hosts, origins, paths, sizes, passwords and headers."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fakes import ANY_TEXT
from hypothesis import given
from starlette.responses import PlainTextResponse
from starlette.types import Message, Receive, Scope, Send

from index.errors import UsageError
from qa.ui.html import escape
from qa.ui.security import LARGEST_BODY, LARGEST_UPLOAD, POLICY, REPORT, REPORT_POLICY, Gate, Guard
from qa.ui.server import Address, password_from

HOST = "127.0.0.1:7860"
OPEN = [
    "/", "/config", "/theme.css", "/assets/index-1.js", "/gradio_api/queue/data", REPORT,
    "/static/img/a.svg", "/gradio_api/file=/tmp/gradio/a/b.png",
]  # fmt: skip
CLOSED = [
    "/monitoring", "/monitoring/summary", "/gradio_api/file=http://evil.example/a", "/docs",
    "/gradio_api/proxy=http://evil.example", "/gradio_api/openapi.json", "/gradio_api/run/predict",
    "/gradio_api/call/ask", "/gradio_api/vibe-edit", "/assets/../../secret", "/openapi.json",
    "/gradio_api/process_recording", "/gradio_api/run-history/connect", "/gradio_api/deep_link",
    "/gradio_api/file=https%3A//evil.example",
    "/gradio_api/heartbeat/abc1",
]  # fmt: skip


async def _echo(scope: Scope, receive: Receive, send: Send) -> None:
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size += len(message["body"])
        if not message.get("more_body"):
            break
    await PlainTextResponse(str(size))(scope, receive, send)


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run to the end, in a thread of its own: the browser of other tests keeps a loop in this one."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, work).result()


def request(
    path: str = "/",
    method: str = "GET",
    *,
    body: bytes = b"",
    gate: Gate | None = None,
    **headers: str,
) -> tuple[int, dict[str, str]]:
    """Send a request through the guard; status 0 says that it was never answered."""
    given = {"host": HOST, **{name.replace("_", "-"): value for name, value in headers.items()}}
    scope = {
        "type": "http", "path": path, "method": method, "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in given.items()],
    }  # fmt: skip
    chunks = [body[at : at + 65536] for at in range(0, len(body), 65536)] or [b""]
    messages = [
        {"type": "http.request", "body": chunk, "more_body": number < len(chunks)}
        for number, chunk in enumerate(chunks, start=1)
    ]
    sent: list[Message] = []

    async def receive() -> Message:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    guard = Guard(_echo, gate or Gate(Address().hosts))
    run(guard(scope, receive, send))
    if not sent:
        return 0, {}
    found: list[tuple[bytes, bytes]] = sent[0]["headers"]
    return sent[0]["status"], {name.decode(): value.decode() for name, value in found}


@pytest.mark.parametrize("path", OPEN)
def test_what_the_page_needs_is_open(path: str) -> None:
    status, headers = request(path)
    assert status == 200
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    expected = REPORT_POLICY if path == REPORT else POLICY
    assert headers["content-security-policy"] == expected


@pytest.mark.parametrize("path", CLOSED)
def test_all_else_is_closed(path: str) -> None:
    assert request(path)[0] == 404
    assert request(path, "POST")[0] == 404


@pytest.mark.parametrize(
    "host", ["evil.example", "", "127.0.0.1.evil.example", "10.0.0.1", "a b", "@"]
)
def test_other_hosts_are_refused(host: str) -> None:
    status, headers = request(host=host)
    assert status == 400
    assert headers["content-security-policy"] == POLICY


@pytest.mark.parametrize("host", ["localhost:1", "127.0.0.1", "[::1]:7860"])
def test_this_computer_is_served(host: str) -> None:
    assert request(host=host)[0] == 200


@pytest.mark.parametrize("path", ["/gradio_api/upload", "/gradio_api/queue/join"])
@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1"])
def test_other_origins_change_nothing(path: str, origin: str) -> None:
    assert request(path, "POST", origin=origin)[0] == 403
    assert request(path, "POST", sec_fetch_site="cross-site")[0] == 403
    assert request(path, "POST", origin=f"http://{HOST}")[0] == 200


def test_bodies_have_a_limit_whether_or_not_they_say_their_length() -> None:
    join, upload = "/gradio_api/queue/join", "/gradio_api/upload"
    body = b"x" * (LARGEST_BODY + 1)
    assert request(join, "POST", body=body, content_length=str(len(body)))[0] == 413
    assert request(join, "POST", body=body)[0] == 0
    assert request(join, "POST", content_length="-1")[0] == 413
    assert request(upload, "POST", body=body, content_length=str(len(body)))[0] == 200
    assert request(upload, "POST", content_length=str(LARGEST_UPLOAD + 1))[0] == 413


def basic(said: str) -> str:
    return f"Basic {b64encode(said.encode()).decode()}"


def test_a_password_is_asked_for_where_one_is_set() -> None:
    gate = Gate(Address().hosts, "s3cret:ö")
    status, headers = request(gate=gate)
    assert status == 401
    assert headers["www-authenticate"].startswith("Basic")
    for wrong in (
        basic("me:"),
        basic("me:other"),
        "Basic ?",
        "Bearer s3cret:ö".encode().decode("latin-1"),
    ):
        assert request(gate=gate, authorization=wrong)[0] == 401
    assert request(gate=gate, authorization=basic("me:s3cret:ö"))[0] == 200


def test_others_are_served_only_with_a_password(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError):
        Address("0.0.0.0").check()
    Address("0.0.0.0", password="x").check()
    assert request(host="10.0.0.1:7860", gate=Gate(Address("0.0.0.0").hosts))[0] == 200
    assert request(host="evil.example", gate=Gate(Address("0.0.0.0").hosts))[0] == 400
    monkeypatch.setenv("CHAT_PASSWORD", "x")
    assert password_from("CHAT_PASSWORD") == "x"
    with pytest.raises(UsageError):
        password_from("NO_SUCH_VARIABLE")


def test_only_http_is_spoken() -> None:
    sent: list[Any] = []

    async def nothing() -> Message:
        return {}

    async def send(message: Message) -> None:
        sent.append(message)

    run(Guard(_echo, Gate(frozenset()))({"type": "websocket"}, nothing, send))
    assert sent == []


@given(text=ANY_TEXT)
def test_escaped_text_holds_nothing_that_acts(text: str) -> None:
    shown = escape(text)
    assert not set(shown) & set("<>\"'`${}")
    assert "\x00" not in shown
