"""What a browser sent, field by field: read and checked, or refused in a sentence."""

from __future__ import annotations

from typing import Any

from retouch.app.grid import MAX_SEED
from retouch.app.words import MAX_LETTERS
from retouch.errors import BadParameter, BadPrompt
from retouch.parameters import Parameter, number_in

MAX_SIZE = 2048
"""The largest working size in pixels that may be asked for."""


def text(value: object, name: str, most: int = MAX_LETTERS) -> str:
    """A text that a browser sent.

    Raises:
        BadPrompt: when it is none, or too long.
    """
    if not isinstance(value, str):
        raise BadPrompt(f"{name} is no text: reload the page.")
    if len(value) > most:
        raise BadPrompt(f"{name} has {len(value)} letters, and at most {most} are read: shorten it.")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise BadPrompt(f"{name} holds half a letter that is no text: write it anew.") from None
    return " ".join(value.split())


def number(value: object, name: str, low: float, high: float) -> float:
    """A number that a browser sent.

    Raises:
        BadParameter: when it is none, or outside low..high.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise BadParameter(f"{name} is {shortly(value)}, expected a number in {low:g}..{high:g}.")
    return float(value)


def seed(value: object) -> int:
    """A seed, from a number or a text.

    Raises:
        BadParameter: when it is none.
    """
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdecimal() and len(value) < 30:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_SEED:
        raise BadParameter(f"the seed is {shortly(value)}, expected a whole number in 0..{MAX_SEED}.")
    return value


def size(value: object) -> int | None:
    """A working size; None where it is left open.

    Raises:
        BadParameter: when it is none that can be worked at.
    """
    if value in (None, ""):
        return None
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdecimal() and len(value) < 30:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 16 <= value <= MAX_SIZE:
        raise BadParameter(f"the working size is {shortly(value)}, expected a whole number in 16..{MAX_SIZE}.")
    return value


def shortly(value: object) -> str:
    """A value in a sentence, however long it is."""
    shown = repr(value)
    return shown if len(shown) <= 40 else f"{shown[:40]}…"


def region(value: object) -> str | tuple[float, ...]:
    """A part of a picture: a word, "" for all of it, or left,top,right,bottom in pixels.

    Raises:
        BadPrompt, BadParameter: when it is neither.
    """
    words = text(value, "the region", 200)
    numbers = [_number_or_none(piece) for piece in words.split(",")]
    if not words or not any(one is not None for one in numbers):
        return words
    left, top, right, bottom = [*numbers, None, None, None, None][:4]
    if len(numbers) != 4 or left is None or top is None or right is None or bottom is None:
        raise BadParameter(f"the region is {shortly(words)}, expected left,top,right,bottom in pixels, or a word.")
    if not (0 <= left < right < 1e6 and 0 <= top < bottom < 1e6):
        raise BadParameter(f"the region is {shortly(words)}, expected left below right, and top below bottom, from 0.")
    return left, top, right, bottom


def region_as_text(value: str | tuple[float, ...]) -> str:
    """A region as a form holds it."""
    return value if isinstance(value, str) else ",".join(f"{one:g}" for one in value)


def _number_or_none(piece: str) -> float | None:
    try:
        return number_in(piece.strip())
    except ValueError:
        return None


def setting(known: Parameter, value: object) -> Any:
    """A setting's value, from JSON or from a form's text.

    Raises:
        BadParameter: when it is none, or outside the range.
    """
    if isinstance(value, str) and known.kind not in ("text", "choice"):
        value = known.read(value[:100])
    if known.kind == "number" and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if known.kind == "whole number" and isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, str) and len(value) > MAX_LETTERS:
        raise BadParameter(f"{known.name} has {len(value)} letters, and at most {MAX_LETTERS} are read.")
    if value == "" and known.optional:
        value = None
    known.check(value)
    return value
