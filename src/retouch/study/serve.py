"""Runs a study's server until it is told to end."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from typing import Any

from retouch.errors import BadParameter
from retouch.guard import hosts_of
from retouch.runs.results import library
from retouch.runs.run import Run
from retouch.study.store import Study

_EVERYWHERE = ("0.0.0.0", "::")  # every address of the machine, whichever they are


def serve(
    run: Run, given: Mapping[str, Any], host: str, port: int, ready: Callable[[str], None], *,
    allowed: Collection[str] = (),
) -> int:  # fmt: skip
    """Serves the pages of a run's study until Ctrl-C or SIGTERM.

    Args:
        given: those of the study's settings that were named.
        host: the address to listen at.
        port: 0..65535; 0 takes a free one.
        ready: called with the study's address once it can be visited.
        allowed: further names, with their ports, by which it may be visited, as behind a proxy.

    Returns:
        how many answers the study holds.

    Raises:
        MissingExtra: without starlette, jinja2 or uvicorn.
        BadParameter: when the host or port cannot be had; then no study is begun.
        BadStudy: when a picture of the study is not there; else as :meth:`Study.opened`.
    """
    for name in ("starlette", "jinja2"):
        library(name)
    uvicorn = library("uvicorn")
    from retouch.study.server import application

    with listening(host, port) as taken, Study.opened(run, given) as study:
        port, everywhere = taken.getsockname()[1], host in _EVERYWHERE
        names = {*allowed, *([f"{socket.gethostname()}:{port}"] if everywhere else [])}
        config = uvicorn.Config(
            application(run, study, hosts_of(host, port, names), any_address=everywhere), log_level="warning",
            access_log=False, lifespan="off", server_header=False, timeout_graceful_shutdown=3, proxy_headers=False,
        )  # fmt: skip
        server = uvicorn.Server(config)
        shown = f"[{host}]" if ":" in host else host
        ready(f"http://{shown}:{port}/")
        with suppress(KeyboardInterrupt):  # Ctrl-C is how it ends; uvicorn has finished what was under way
            server.run(sockets=[taken])
        return len(study.answers())


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Raises:
        BadParameter: when the host or port cannot be had.
    """
    if not 0 <= port <= 65535:
        raise BadParameter(f"--port is {port}, expected 0..65535; 0 takes a free one.")
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=128)
    except (socket.gaierror, UnicodeError):
        raise BadParameter(f"--host is {host!r}, which is no address of this machine.") from None
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise BadParameter(f"port {port} is taken: name another with --port, or 0 for a free one.") from None
        if error.errno == errno.EADDRNOTAVAIL:
            raise BadParameter(f"--host is {host!r}, which is no address of this machine.") from None
        raise BadParameter(f"port {port} of {host} cannot be had ({error.strerror}): name another.") from None
