"""What a server lets in: requests for its own names, from its own pages, of bounded size."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Collection, Mapping, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

MAX_BODY = 2**20
"""Bytes of a request that brings no picture."""
_ADDRESS = re.compile(r"(?:\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-f:.]+\])(?::\d{1,5})?", re.ASCII)


class Guard:
    """Refuses what a page of somebody else, or of another address, could send.

    Args:
        app: what answers the rest.
        hosts: names by which the server is visited, with the port, as "localhost:7860".
        name: what the server is, in its refusals: "studio".
        headers: sent with every answer that has none of the same name.
        known: the addresses that are answered; None for all.
        large: addresses that take larger bodies, with their limits in bytes.
        any_address: whether any IP address will do as a name, for a server that listens at all of its machine's.
            No foreign page can pass for one: to bind a name anew, it needs a name.
    """

    def __init__(
        self, app: App, hosts: Collection[str], name: str, headers: Mapping[str, str], *,
        known: re.Pattern[str] | None = None, large: Mapping[str, int] | None = None, any_address: bool = False,
    ) -> None:  # fmt: skip
        self._app, self._name, self._headers = app, name, headers
        self._known, self._large, self._any_address = known, large or {}, any_address
        self._hosts = {host.lower() for host in hosts}

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
            await self._refuse(send, *wrong)
            return
        scope["headers"] = [pair for pair in scope["headers"] if not pair[0].lower().startswith(b"x-forwarded-")]
        await self._app(scope, _bounded(receive, most), self._with_headers(send))

    def _wrong(self, scope: Scope, headers: dict[str, str], most: int) -> tuple[int, str] | None:
        """The status and the sentence for a request that is refused."""
        host = headers.get("host", "").lower()
        if host not in self._hosts and not (self._any_address and _ADDRESS.fullmatch(host)):
            return 421, f"This address is not the {self._name}'s: visit it under the address that it printed."
        if scope["method"] not in ("GET", "HEAD", "POST"):
            return 405, f"The {self._name} understands GET and POST."
        origin, site = headers.get("origin"), headers.get("sec-fetch-site", "none")
        own = {f"{scheme}://{one}" for one in (host, *self._hosts) for scheme in ("http", "https")}
        if scope["method"] == "POST" and ((origin is not None and origin.lower() not in own)
                                          or site not in ("same-origin", "none")):  # fmt: skip
            return 403, "Another page may not ask this."
        if ".." in scope["path"] or (self._known is not None and not self._known.fullmatch(scope["path"])):
            return 404, f"There is no such page in the {self._name}."
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > most:
            return 413, f"This is too large: at most {most / 2**20:g} MB are taken."
        return None

    def _with_headers(self, send: Send) -> Send:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = {name.lower() for name, _ in message["headers"]}
                more = [(n.encode(), v.encode()) for n, v in self._headers.items() if n.encode() not in own]
                allowed = [(n, v) for n, v in message["headers"] if not n.lower().startswith(b"access-control-")]
                message = {**message, "headers": [*allowed, *more]}
            await send(message)

        return sending

    async def _refuse(self, send: Send, status: int, sentence: str) -> None:
        body = f"{sentence}\n".encode()
        headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
        more = [(name.encode(), value.encode()) for name, value in self._headers.items()]
        await send({"type": "http.response.start", "status": status, "headers": [*headers, *more]})
        await send({"type": "http.response.body", "body": body})


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


def hosts_of(host: str, port: int, more: Collection[str] = ()) -> set[str]:
    """The names by which a server at ``host`` may be visited: this machine's own, and those that were named.

    A name without a port, as a proxy's, goes with any that a browser leaves out.
    """
    named = {"127.0.0.1", "localhost", "[::1]"} | ({f"[{host}]" if ":" in host else host} - {"0.0.0.0", "[::]"})
    return {f"{name}:{port}" for name in named} | {name.lower() for name in more}
