"""Raters' tokens: made and signed by the study, so that nobody else can make one."""

from __future__ import annotations

import hmac
import re
import secrets
from base64 import urlsafe_b64encode

_SHAPE = re.compile(r"[A-Za-z0-9_-]{44}")
_HALF = 22  # characters: 128 bits, of the random part and of its signature


def made(secret: bytes) -> str:
    """A new token: 44 characters that go into an address."""
    return signed(secret, secrets.token_urlsafe(16))


def signed(secret: bytes, name: str) -> str:
    """The token of a random name of 22 characters: the name, and half its HMAC-SHA256 under the secret."""
    digest = hmac.digest(secret, f"rater {name}".encode(), "sha256")
    return name + urlsafe_b64encode(digest[:16]).decode().rstrip("=")


def is_made(secret: bytes, token: str) -> bool:
    """Whether the study made it; the comparison takes the same time wherever they differ."""
    return _SHAPE.fullmatch(token) is not None and hmac.compare_digest(signed(secret, token[:_HALF]), token)
