"""What stands before the app: who may ask, what for, how much, and what the page may load.

Gradio alone loads media from any host, takes uploads from any origin and bodies of any size, and
fetches addresses it is given; nothing of that passes here. What is not known to be needed is closed.
"""

from __future__ import annotations

import re
import secrets
from base64 import b64decode
from binascii import Error as Base64Error
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import unquote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Gradio needs the inline parts, and compiles the templates of its own HTML component.
POLICY = "; ".join((
    "default-src 'self'", "img-src 'self' data: blob:", "media-src 'self' data: blob:",
    "style-src 'self' 'unsafe-inline'", "script-src 'self' 'unsafe-inline' 'unsafe-eval'",
    "connect-src 'self'", "font-src 'self' data:", "object-src 'none'", "frame-src 'none'",
    "base-uri 'self'", "form-action 'self'", "frame-ancestors 'none'",
))  # fmt: skip
REPORT = "/evaluation-report"
REPORT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"
LARGEST_BODY, LARGEST_UPLOAD = 2 * 2**20, 64 * 2**20
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
_UPLOAD = "/gradio_api/upload"
# What the page asks for; files it is served are those it uploaded or is made of.
_OPEN = re.compile(
    rf"/|{REPORT}|/config/?|/theme\.css|/favicon\.ico|/manifest\.json|/robots\.txt"
    r"|/(?:assets|static|svelte)/[\w./@-]+"
    rf"|{_UPLOAD}|/gradio_api/(?:upload_progress|startup-events|theme\.css|cancel|reset/?|info/?"
    r"|queue/(?:join|data)|app_id|file=/[^:]+)"
)


@dataclass(frozen=True, slots=True)
class Gate:
    """Who is let in: names of hosts (IP addresses are), and a password where one is set."""

    hosts: frozenset[str]
    password: str | None = None

    def refusal(self, scope: Scope, headers: Headers) -> tuple[int, str] | None:
        """Return the status and reason with which a request is refused, or None."""
        host = headers.get("host", "")
        if not self._is_trusted(host):
            return 400, "This host is not served."
        if self.password and not _knows(self.password, headers.get("authorization", "")):
            return 401, "A password is needed."
        if ".." in scope["path"] or not _OPEN.fullmatch(unquote(scope["path"])):
            return 404, "There is nothing here."
        if scope["method"] not in {"GET", "HEAD"} and not _is_own(headers, host):
            return 403, "Requests from other origins are refused."
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > _limit(scope):
            return 413, "That is too much at once."
        return None

    def _is_trusted(self, host: str) -> bool:
        name = (urlsplit(f"//{host}").hostname or "") if _is_netloc(host) else ""
        try:
            return name in self.hosts or bool(ip_address(name) and "*" in self.hosts)
        except ValueError:
            return False


def _is_netloc(host: str) -> bool:
    return bool(re.fullmatch(r"[\w.-]+(?::\d{1,5})?|\[[0-9a-fA-F:]+\](?::\d{1,5})?", host))


def _limit(scope: Scope) -> int:
    return LARGEST_UPLOAD if scope["path"] == _UPLOAD else LARGEST_BODY


def _is_own(headers: Headers, host: str) -> bool:
    """Tell whether a request that may change something comes from our page, or from no page."""
    origin = headers.get("origin")
    if origin is None:
        return headers.get("sec-fetch-site", "none") in {"none", "same-origin"}
    return urlsplit(origin).netloc == host


def _knows(password: str, authorization: str) -> bool:
    kind, _, given = authorization.partition(" ")
    try:
        decoded = b64decode(given, validate=True)
    except (Base64Error, ValueError):
        return False
    _, _, said = decoded.partition(b":")
    return kind.lower() == "basic" and secrets.compare_digest(said, password.encode())


class Guard:
    """The middleware: refuses what ``Gate`` does, counts bodies, and sets the page's headers."""

    def __init__(self, app: ASGIApp, gate: Gate) -> None:
        self.app = app
        self.gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or refuse it. Only HTTP is spoken."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        guarded = _with_headers(scope, send)
        if refused := self.gate.refusal(scope, Headers(scope=scope)):
            status, reason = refused
            asks = {"WWW-Authenticate": 'Basic realm="policyqa"'} if status == 401 else {}
            await PlainTextResponse(reason, status, asks)(scope, receive, guarded)
            return
        await self.app(scope, _counted(receive, _limit(scope)), guarded)


def _with_headers(scope: Scope, send: Send) -> Send:
    async def guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers[name] = value
            headers["Content-Security-Policy"] = (
                REPORT_POLICY if scope["path"] == REPORT else POLICY
            )
        await send(message)

    return guarded


def _counted(receive: Receive, limit: int) -> Receive:
    """Return what hears a body until it is longer than it may be; then the other side is gone."""
    heard = 0

    async def counted() -> Message:
        nonlocal heard
        message = await receive()
        heard += len(message.get("body", b""))
        return message if heard <= limit else {"type": "http.disconnect"}

    return counted
