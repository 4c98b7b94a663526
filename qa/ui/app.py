"""The web application: the page on FastAPI, the report of an evaluation, and the guard before both."""

from __future__ import annotations

from pathlib import Path

import gradio as gr
from fastapi import FastAPI
from fastapi.responses import HTMLResponse
from starlette.types import ASGIApp

from qa.ui import evaluation
from qa.ui.desk import Desk
from qa.ui.page import HEAD, THEME, build
from qa.ui.security import REPORT, Gate, Guard
from qa.ui.server import Address


def make(desk: Desk, home: Path, address: Address) -> ASGIApp:
    """Return the application that serves the chat over a home at an address."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @app.get(REPORT)
    def report() -> HTMLResponse:
        page = evaluation.page(home)
        return HTMLResponse(page or "There is no report yet.", 200 if page else 404)

    mounted = gr.mount_gradio_app(
        app, build(desk, home), path="/", server_name=address.host, server_port=address.port,
        footer_links=[], run_history=False, blocked_paths=[str(home.resolve())], show_error=False,
        ssr_mode=False, enable_monitoring=False, pwa=False, mcp_server=False,
        theme=THEME, head=HEAD,
    )  # fmt: skip
    return Guard(mounted, Gate(address.hosts, address.password))
