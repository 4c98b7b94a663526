"""A language model's server that says what it is told, in three wire formats, and can misbehave.

It speaks OpenAI's, Ollama's and Anthropic's streaming protocols over a real socket. A test gives it
acts, or a function from what it is asked to an act; what it was asked and who hung up is kept.
"""

from __future__ import annotations

import gzip
import json
import re
import select
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any

WIRES = ("openai", "ollama", "anthropic")
_PATHS = {"/v1/chat/completions": "openai", "/api/chat": "ollama", "/v1/messages": "anthropic"}
_TYPES = {"openai": "text/event-stream", "ollama": "application/x-ndjson"}
_COMPRESSED = {"Content-Encoding": "gzip"}
_AT_ONCE = (
    b'{"id": "c", "choices": [{"index": 0, "message": {"role": "assistant", "content": "x"}}]}'
)
PATIENCE = 20.0
"""Seconds after which a hanging server gives up, so that no test hangs with it."""


@dataclass(frozen=True)
class Asked:
    """One request: its wire format, the two messages, the whole body and the headers."""

    wire: str
    system: str
    user: str
    body: Mapping[str, Any]
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Act:
    """What the server does: says a text, with a fault, in pieces so long, so many seconds apart."""

    text: str = ""
    fault: str = ""
    piece: int = 12
    pace: float = 0.0
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Server:
    """A running server. ``script`` is asked first for each request; then the queue ``acts``."""

    url: str = ""
    acts: list[Act] = field(default_factory=list)
    script: Callable[[Asked], Act] | None = None
    asked: list[Asked] = field(default_factory=list)
    hung_up: int = 0
    most_open: int = 0
    open: int = 0
    lock: Any = field(default_factory=threading.Lock)

    def base(self, wire: str) -> str:
        """Return the address that a client of a wire format is given."""
        return f"{self.url}/v1" if wire == "openai" else self.url

    def next(self, asked: Asked) -> Act:
        """Return what to do for a request; the last act is repeated."""
        with self.lock:
            self.asked.append(asked)
            if self.script is None:
                return self.acts.pop(0) if len(self.acts) > 1 else self.acts[0]
        return self.script(asked)


@contextmanager
def serving() -> Iterator[Server]:
    """Have a running server on loopback."""
    server = Server()

    class Handler(_Handler):
        told = server

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listening.daemon_threads = True
    server.url = f"http://127.0.0.1:{listening.server_address[1]}"
    thread = threading.Thread(target=listening.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        listening.shutdown()
        listening.server_close()
        thread.join()


def waited(check: Callable[[], bool]) -> bool:
    """Wait for what another thread is about to do; tell whether it did."""
    until = time.monotonic() + 5
    while not check() and time.monotonic() < until:
        time.sleep(0.01)
    return check()


class _GoneError(Exception):
    """The client has closed the connection."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    told: Server

    def log_message(self, *_: Any) -> None:
        pass

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        wire = _PATHS[self.path]
        asked = Asked(wire, *_messages(wire, body), body, dict(self.headers))
        self.close_connection = True
        with self.told.lock:
            self.told.open += 1
            self.told.most_open = max(self.told.most_open, self.told.open)
        try:
            self._act(wire, self.told.next(asked))
        except (_GoneError, OSError):
            with self.told.lock:
                self.told.hung_up += 1
        finally:
            with self.told.lock:
                self.told.open -= 1

    def _act(self, wire: str, act: Act) -> None:
        if act.fault.isdecimal():
            self._refuse(wire, int(act.fault), act)
        elif act.fault == "redirect":
            self.send_response(307)
            self.send_header("Location", "http://127.0.0.1:9/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif act.fault == "html":
            self._whole(200, "text/html", b"<html><body>Sign in to the network</body></html>")
        elif act.fault == "unstreamed":
            self._whole(200, "application/json", _AT_ONCE)
        elif act.fault == "compressed":
            packed = gzip.compress(b"".join(filter(None, _events(wire, act))))
            self._whole(200, _TYPES.get(wire, "text/event-stream"), packed, _COMPRESSED)
        elif act.fault == "hang":
            self._pause(PATIENCE)
        else:
            self._stream(wire, act)

    def _refuse(self, wire: str, status: int, act: Act) -> None:
        message = act.text or f"status {status}"
        kind = {401: "authentication_error", 429: "rate_limit_error"}.get(status, "api_error")
        body: Any = {"error": {"message": message, "type": kind}}
        if wire == "ollama":
            body = {"error": message}
        self._whole(status, "application/json", json.dumps(body).encode(), act.headers)

    def _whole(
        self, status: int, kind: str, body: bytes, headers: Mapping[str, str] | None = None
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _stream(self, wire: str, act: Act) -> None:
        self.send_response(200)
        self.send_header("Content-Type", _TYPES.get(wire, "text/event-stream"))
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for data in _events(wire, act):
            if data is None:
                self._pause(PATIENCE)
                return
            for part in _chunks(data, act):
                self._pause(act.pace)
                self.wfile.write(b"%x\r\n%b\r\n" % (len(part), part))
                self.wfile.flush()
        if act.fault not in {"break", "break after"}:
            self.wfile.write(b"0\r\n\r\n")

    def _pause(self, seconds: float) -> None:
        """Wait. Raises _GoneError as soon as the client has gone."""
        until = time.monotonic() + seconds
        while True:
            left = max(0.0, until - time.monotonic())
            if select.select([self.connection], [], [], left)[0] and not self.connection.recv(1):
                raise _GoneError
            if left == 0.0:
                return


def _messages(wire: str, body: Mapping[str, Any]) -> tuple[str, str]:
    said = {one["role"]: _text(one["content"]) for one in body["messages"]}
    system = _text(body.get("system", "")) if wire == "anthropic" else said.get("system", "")
    return system, said["user"]


def _text(content: Any) -> str:
    return content if isinstance(content, str) else "".join(part["text"] for part in content)


def _chunks(data: bytes, act: Act) -> list[bytes]:
    if act.fault == "split":  # every byte by itself, in the middle of characters and lines
        return [data[n : n + 1] for n in range(len(data))]
    return [data]


def _events(wire: str, act: Act) -> Iterator[bytes | None]:
    """Yield what is sent, event by event; None stands for waiting until the client goes."""
    pieces = [act.text[n : n + act.piece] for n in range(0, len(act.text), act.piece)]
    yield from _opening(wire)
    if act.fault == "endless":
        yield from (_delta(wire, "blah " * 2000) for _ in count())
    if act.fault == "empty choices":
        yield _event(wire, {**_OPENAI, "type": "ping", "choices": []})
        return
    for number, piece in enumerate(pieces):
        if number == len(pieces) // 2 and act.fault in _AMID:
            yield from _AMID[act.fault](wire, piece)
            return
        yield _delta(wire, piece)
        if act.fault == "duplicate":
            yield _delta(wire, piece)
    if act.fault in {"cut", "break"}:
        return
    ending = _ending(wire, _finish(wire, act.fault), len(pieces))
    if act.fault in {"hang after", "break after"} and wire != "ollama":
        # Without what says that the stream is over: that the reply is, has been said.
        ending = ending[
            : ending.rindex(b"data: [DONE]" if wire == "openai" else b"event: message_stop")
        ]
    yield ending
    if act.fault == "hang after":
        yield None


def _half_line(wire: str, piece: str) -> Iterator[bytes | None]:
    yield _delta(wire, piece)[:-9]


def _bad_json(wire: str, piece: str) -> Iterator[bytes | None]:
    yield b"{'not': json}\n" if wire == "ollama" else b"event: content_block_delta\ndata: {'no\n\n"


def _error_event(wire: str, piece: str) -> Iterator[bytes | None]:
    error = {"type": "overloaded_error", "message": "too many people ask"}
    if wire == "ollama":
        yield b'{"error": "too many people ask"}\n'
    elif wire == "openai":
        yield b"data: %b\n\n" % json.dumps({"error": error}).encode()
    else:
        yield b"event: error\ndata: %b\n\n" % json.dumps({"type": "error", "error": error}).encode()


def _hang_amid(wire: str, piece: str) -> Iterator[bytes | None]:
    yield None


_AMID: Mapping[str, Callable[[str, str], Iterator[bytes | None]]] = {
    "half line": _half_line,
    "bad json": _bad_json,
    "error event": _error_event,
    "hang amid": _hang_amid,
}


def _finish(wire: str, fault: str) -> str:
    if fault == "length":
        return "max_tokens" if wire == "anthropic" else "length"
    if fault == "filter":
        return {"openai": "content_filter", "anthropic": "refusal"}.get(wire, "load")
    return "end_turn" if wire == "anthropic" else "stop"


def _event(wire: str, data: Mapping[str, Any]) -> bytes:
    line = json.dumps(data, ensure_ascii=False).encode()
    if wire == "ollama":
        return line + b"\n"
    name = b"event: %b\n" % data["type"].encode() if wire == "anthropic" else b""
    return b"%bdata: %b\n\n" % (name, line)


def _opening(wire: str) -> Iterator[bytes]:
    if wire == "anthropic":
        message = {
            "id": "m", "type": "message", "role": "assistant", "content": [], "model": "m",
            "stop_reason": None, "stop_sequence": None,
            "usage": {"input_tokens": 100, "output_tokens": 1},
        }  # fmt: skip
        yield _event(wire, {"type": "message_start", "message": message})
        block = {"type": "text", "text": ""}
        yield _event(wire, {"type": "content_block_start", "index": 0, "content_block": block})
    if wire == "openai":
        yield _openai({"role": "assistant", "content": ""}, None)


def _delta(wire: str, text: str) -> bytes:
    if wire == "openai":
        return _openai({"content": text}, None)
    if wire == "ollama":
        message = {"role": "assistant", "content": text}
        return _event(wire, {"model": "m", "message": message, "done": False})
    delta = {"type": "text_delta", "text": text}
    return _event(wire, {"type": "content_block_delta", "index": 0, "delta": delta})


def _openai(delta: Mapping[str, Any], finish: str | None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return _event("openai", {**_OPENAI, "choices": [choice]})


_OPENAI = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}


def _ending(wire: str, finish: str, tokens: int) -> bytes:
    if wire == "openai":
        usage = {"prompt_tokens": 100, "completion_tokens": tokens, "total_tokens": 100 + tokens}
        last = _openai({}, finish) if finish else b""
        told = _event(wire, {**_OPENAI, "choices": [], "usage": usage})
        return last + told + b"data: [DONE]\n\n"
    if wire == "ollama":
        message = {"role": "assistant", "content": ""}
        counts = {"prompt_eval_count": 100, "eval_count": tokens}
        return _event(
            wire,
            {"model": "m", "message": message, "done": True, "done_reason": finish, **counts},
        )
    stop = {"stop_reason": finish, "stop_sequence": None}
    return b"".join(
        _event(wire, data)
        for data in (
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": stop, "usage": {"output_tokens": tokens}},
            {"type": "message_stop"},
        )
    )


_PASSAGE = re.compile(r"<<<passage (\d+) \w+>>> \((.*)\)\n(.*?)\n<<<end \1 \w+>>>", re.DOTALL)


def passages_of(asked: Asked) -> dict[int, str]:
    """Return the passages of a prompt by number, as the model sees them."""
    return {int(number): text for number, _, text in _PASSAGE.findall(asked.user)}


def policy_of(asked: Asked) -> str:
    """Return the company whose passages a prompt shows."""
    heads = {head for _, head, _ in _PASSAGE.findall(asked.user)}
    [name] = {head.split(";")[0].removeprefix("policy: ") for head in heads}
    return name


def reply(*statements: tuple[str, list[tuple[int, str]]]) -> str:
    """Return a reply in the form that is asked for, of texts with their quotes; none: not stated."""
    said = [
        {"text": text, "quotes": [{"passage": n, "quote": quote} for n, quote in quotes]}
        for text, quotes in statements
    ]
    return json.dumps({"stated": bool(said), "statements": said}, ensure_ascii=False)


def honest(asked: Asked) -> Act:
    """Say in other words what the last long line of the first passage says, and quote it."""
    line = max(passages_of(asked)[1].splitlines(), key=len)
    return Act(reply(("The policy answers this [1].", [(1, line)])))
