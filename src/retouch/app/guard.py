"""What the studio lets in: of Gradio's addresses, those that it needs."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from retouch.guard import App, Guard

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


def guarded(app: App, hosts: Collection[str], large: Mapping[str, int] | None = None) -> Guard:
    """The studio behind its guard.

    Args:
        hosts: names by which the studio is visited, with the port, as "localhost:7860".
        large: addresses that take larger bodies, with their limits in bytes.
    """
    return Guard(app, hosts, "studio", HEADERS, known=_OPEN, large=large)
