"""Runs the studio until it is told to end."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Callable, Collection
from contextlib import suppress
from http.cookies import CookieError, SimpleCookie
from typing import Any

from retouch.app.desk import Desk
from retouch.app.guard import guarded
from retouch.app.routes import LARGE, routes
from retouch.app.tasks import Loading
from retouch.app.visits import IDLE, NoVisit, TooManyVisits
from retouch.app.workshop import Workshop
from retouch.guard import App, Message, Receive, Scope, Send, hosts_of
from retouch.runs.results import library
from retouch.study.serve import listening

_SWEEP = 30.0  # seconds between looks for idle visits


def serve(
    loading: Loading, host: str, port: int, ready: Callable[[str], None], *, limit: float = 600.0, idle: float = IDLE,
    allowed: Collection[str] = (),
) -> None:  # fmt: skip
    """Serves the studio until Ctrl-C or SIGTERM.

    Args:
        loading: the model.
        host: the address to listen at.
        port: 0..65535; 0 takes a free one.
        ready: called with the studio's address once it can be visited.
        limit: seconds that one edit may take.
        idle: seconds after which a visit is forgotten.
        allowed: further names, with their ports, by which it may be visited, as behind a proxy.

    Raises:
        MissingExtra: without Gradio.
        BadParameter: when the host or port cannot be had, or a further name can be none.
        BadModel: when the model cannot be loaded.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # nothing is told to anybody
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)  # uvicorn raises again what it was ended by
    try:
        with listening(host, port) as taken:
            hosts = hosts_of(host, taken.getsockname()[1], allowed)
            _serve(loading, host, taken, ready, limit, idle, hosts)
    except KeyboardInterrupt:  # Ctrl-C is how it ends
        return
    finally:
        signal.signal(signal.SIGTERM, before)


def _serve(
    loading: Loading, host: str, taken: socket.socket, ready: Callable[[str], None], limit: float, idle: float,
    hosts: Collection[str],
) -> None:  # fmt: skip
    workshop = Workshop(loading, limit)
    workshop.start()  # it finds out what can be done while Gradio is imported
    try:
        for name in ("gradio", "uvicorn"):
            library(name, "app")
        import uvicorn

        desk, port = Desk(workshop.ready(), workshop, idle), taken.getsockname()[1]
        config = uvicorn.Config(
            application(desk, port, hosts), log_level="warning", access_log=False,
            server_header=False, timeout_graceful_shutdown=2, ws="none", proxy_headers=False,
        )  # fmt: skip
        server = uvicorn.Server(config)
        shown = f"[{host}]" if ":" in host else host
        ready(f"http://{shown}:{port}/")
        workshop.load()  # not before: on one core it would keep the page waiting
        with suppress(KeyboardInterrupt):
            server.run(sockets=[taken])
        desk.close()
    finally:
        workshop.close()


def application(desk: Desk, port: int, hosts: Collection[str]) -> App:
    """The studio of a desk, for visitors who call it by one of ``hosts``."""
    import gradio
    from fastapi import FastAPI

    from retouch.app.page import HEAD, page

    cookie = f"studio-{port}"  # ports of one machine share their cookies
    outer = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    outer.router.routes += routes(desk, cookie)
    theme = gradio.themes.Base(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"])
    mounted: Any = gradio.mount_gradio_app(
        outer, page(desk, cookie), "/", head=HEAD, theme=theme, show_error=False, ssr_mode=False, footer_links=[],
        run_history=False, enable_monitoring=False, mcp_server=False, max_file_size=1, pwa=False,
    )  # fmt: skip
    return guarded(_Door(mounted, desk, cookie), hosts, LARGE)


class _Door:
    """Gives everyone who opens the page a visit, under a cookie that no script reads; forgets those who left."""

    def __init__(self, app: App, desk: Desk, cookie: str) -> None:
        self._app, self._desk, self._cookie = app, desk, cookie
        self._sweeping: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if self._sweeping is None:
            self._sweeping = asyncio.create_task(self._sweep())
        if scope["type"] == "http" and scope["path"] == "/" and scope["method"] == "GET":
            try:
                self._desk.visits.of(_cookie(scope, self._cookie))
            except NoVisit:
                try:
                    token = self._desk.visits.begin().token
                except TooManyVisits as error:
                    await _full(send, str(error))
                    return
                send = self._with_cookie(send, token)
        await self._app(scope, receive, send)

    def _with_cookie(self, send: Send, token: str) -> Send:
        said = f"{self._cookie}={token}; Path=/; HttpOnly; SameSite=Strict".encode()

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], (b"set-cookie", said)]}
            await send(message)

        return sending

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP)
            await asyncio.to_thread(self._desk.visits.forget_idle)


def _cookie(scope: Scope, name: str) -> str | None:
    for key, value in scope["headers"]:
        if key.lower() == b"cookie":
            with suppress(CookieError):
                found = SimpleCookie(value.decode("latin-1")).get(name)
                if found is not None:
                    return found.value
    return None


async def _full(send: Send, sentence: str) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": f"{sentence}\n".encode()})
