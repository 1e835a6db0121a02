"""What is let in: requests for this host, from this page, of bounded size, to the addresses that the studio needs."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

MAX_BODY = 2**20
"""Bytes of a request that brings no picture."""
_OPEN = re.compile(
    r"/(?:|config|theme\.css|favicon\.ico|manifest\.json|robots\.txt|assets/[\w./-]+|static/[\w./-]+|svelte/[\w./-]+|"
    r"studio/[\w./-]+|gradio_api/(?:run/predict|startup-events|app_id|heartbeat/\w+|reset|theme\.css))/?",
    re.ASCII,
)
"""Addresses that are needed; Gradio's own uploads, files, proxies and editors are not."""
HEADERS = {
    "content-security-policy": (
        "default-src 'self'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; font-src 'self' data:; "
        "script-src 'self' 'unsafe-inline' 'unsafe-eval'; connect-src 'self'; form-action 'self'; "
        "frame-ancestors 'none'; base-uri 'self'; object-src 'none'"
    ),
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-robots-tag": "noindex",
}


class Guard:
    """Refuses what a page of somebody else, or of another address, could send.

    Args:
        app: what answers the rest.
        hosts: names by which the studio is visited, with the port, as "localhost:7860".
        large: addresses that take larger bodies, with their limits in bytes.
    """

    def __init__(self, app: App, hosts: Collection[str], large: dict[str, int] | None = None) -> None:
        self._app, self._large = app, large or {}
        self._hosts = {host.lower() for host in hosts}
        self._origins = {f"{scheme}://{host}" for host in self._hosts for scheme in ("http", "https")}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # no websockets here
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        most = self._large.get(scope["path"], MAX_BODY)
        wrong = self._wrong(scope, headers, most)
        if wrong:
            await _refuse(send, *wrong)
            return
        scope["headers"] = [pair for pair in scope["headers"] if not pair[0].lower().startswith(b"x-forwarded-")]
        await self._app(scope, _bounded(receive, most), _with_headers(send))

    def _wrong(self, scope: Scope, headers: dict[str, str], most: int) -> tuple[int, str] | None:
        """The status and the sentence for a request that is refused."""
        if headers.get("host", "").lower() not in self._hosts:
            return 421, "This address is not the studio's: visit it under the address that it printed."
        if scope["method"] not in ("GET", "HEAD", "POST"):
            return 405, "The studio understands GET and POST."
        origin, site = headers.get("origin"), headers.get("sec-fetch-site", "none")
        if scope["method"] == "POST" and ((origin is not None and origin.lower() not in self._origins)
                                          or site not in ("same-origin", "none")):  # fmt: skip
            return 403, "Another page may not ask this."
        if not _OPEN.fullmatch(scope["path"]) or ".." in scope["path"]:
            return 404, "There is no such page in the studio."
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > most:
            return 413, f"This is too large: at most {most / 2**20:g} MB are taken."
        return None


class TooLarge(Exception):
    """A body went on beyond its limit."""


def _bounded(receive: Receive, most: int) -> Receive:
    """A body that ends where it exceeds the limit, whatever its head promised."""
    read = 0

    async def bounded() -> Message:
        nonlocal read
        message = await receive()
        read += len(message.get("body", b""))
        if read > most:
            raise TooLarge
        return message

    return bounded


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            own = {name.lower() for name, _ in message["headers"]}
            more = [(n.encode(), v.encode()) for n, v in HEADERS.items() if n.encode() not in own]
            allowed = [(n, v) for n, v in message["headers"] if not n.lower().startswith(b"access-control-")]
            message = {**message, "headers": [*allowed, *more]}
        await send(message)

    return sending


async def _refuse(send: Send, status: int, sentence: str) -> None:
    body = f"{sentence}\n".encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    more = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
    await send({"type": "http.response.start", "status": status, "headers": [*headers, *more]})
    await send({"type": "http.response.body", "body": body})


def hosts_of(host: str, port: int, more: Collection[str] = ()) -> set[str]:
    """The names by which a server at ``host`` may be visited: this machine's own, and those that were named.

    A name without a port, as a proxy's, goes with any that a browser leaves out.
    """
    named = {"127.0.0.1", "localhost", "[::1]"} | ({f"[{host}]" if ":" in host else host} - {"0.0.0.0", "[::]"})
    return {f"{name}:{port}" for name in named} | {name.lower() for name in more}
