"""What policyqa adds to a language model's own time: to the evidence, and to the first words.

``python -m eval.speed.llm HOME`` asks questions over a server in this process that always takes as
long to speak, once through policyqa and once by the bare request that policyqa made, and prints the
seconds from a question to its evidence, and those to the first words beyond the bare request's.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from eval.speed.questions import COLD, QUESTIONS

_THINKS = 0.2
"""Seconds until the server speaks."""
_SAID = '{"stated": true, "statements": [{"text": "It is kept.", "quotes": []}]}'
_ASKED = 40


def main(home: str) -> None:
    """Ask and print; ``missing`` where the packages for a language model are not installed."""
    if find_spec("llama_index.llms.openai_like") is None:
        print(json.dumps({"missing": "llama-index-llms-openai-like"}))
        return
    with _serving() as (url, requests):
        _measure(home, url, requests)


def _measure(home: str, url: str, requests: list[bytes]) -> None:
    from index.settings import Settings
    from qa import Assistant

    settings = Settings(home=Path(home), llm="openai/m", llm_base_url=url, llm_cache=False)
    evidence, added = [], []
    with closing(Assistant.open(settings=settings)) as assistant:
        assistant.ask(COLD)
        for question in QUESTIONS[:_ASKED]:
            requests.clear()
            seen, spoken = _streamed(assistant, question)
            evidence.append(seen)
            if spoken is not None:  # where no policy was worth a request, nobody waits for one
                added.append(spoken - _bare(url, requests[0]))
    print(json.dumps({"evidence": evidence, "added": added}))


def _streamed(assistant: Any, question: str) -> tuple[float, float | None]:
    """Return the seconds from a question to its evidence, and to a model's first words."""
    from qa.types import Draft

    started = time.perf_counter()
    seen = spoken = None
    for event in assistant.stream(question):
        now = time.perf_counter() - started
        seen = now if seen is None else seen
        if spoken is None and isinstance(event, Draft) and event.text:
            spoken = now
    return seen or 0.0, spoken


def _bare(url: str, request: bytes) -> float:
    """Return the seconds to the first words of a request without policyqa."""
    import httpx

    started, first = time.perf_counter(), None
    headers = {"Content-Type": "application/json"}
    with httpx.stream(
        "POST", f"{url}/chat/completions", content=request, headers=headers, timeout=60
    ) as reply:
        for line in reply.iter_lines():
            if first is None and '"content": "{' in line:
                first = time.perf_counter() - started
    if first is None:
        raise RuntimeError("the server said nothing")
    return first


@contextmanager
def _serving() -> Iterator[tuple[str, list[bytes]]]:
    """Have a server of OpenAI's protocol: its address, and the requests it was sent."""
    requests: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            requests.append(self.rfile.read(int(self.headers["Content-Length"])))
            time.sleep(_THINKS)
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            for delta, finish in (({"content": _SAID}, None), ({}, "stop")):
                choice = {"index": 0, "delta": delta, "finish_reason": finish}
                chunk = {
                    "id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m",
                    "choices": [choice],
                }  # fmt: skip
                self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
            self.wfile.write(b"data: [DONE]\n\n")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1", requests
    finally:
        server.shutdown()
        server.server_close()


if __name__ == "__main__":
    main(sys.argv[1])
