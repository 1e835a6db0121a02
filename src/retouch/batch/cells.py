"""What stands in the cells of a batch's table: text of a .csv, or values of a .jsonl."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from retouch.arguments import check_kept, check_part
from retouch.errors import BadParameter
from retouch.parameters import number_in, settings_from_text
from retouch.request import CONTEXT, checked_seed


def text(name: str, value: Any) -> str:
    """A text, without the blanks around it.

    Raises:
        BadParameter: when it is none, or holds what no file takes.
    """
    if value is None:
        return ""
    if not isinstance(value, str):
        raise BadParameter(f"{name} is {value!r}, expected text.")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise BadParameter(f"{name} holds half a surrogate pair, which is no text: write the character.") from None
    return value.strip()


def seed(value: Any) -> int:
    """A seed; 0 where none is given.

    Raises:
        BadParameter: for no whole number in 0..2^63-1.
    """
    number = _number(value, "seed", whole=True)
    return checked_seed(0 if number is None else int(number))


def strength(name: str, value: Any) -> float | None:
    """How far an edit goes; None where nothing says.

    Raises:
        BadParameter: for no number in 0..1.
    """
    number = _number(value, name)
    check_kept("auto", number)
    return number


def keep(value: Any) -> str:
    """How much is kept.

    Raises:
        BadParameter: for a word that there is not.
    """
    word = text("keep", value) or "auto"
    check_kept(word, None)
    return word


def size(value: Any) -> int | None:
    """A working size; None for the model's own.

    Raises:
        BadParameter: for no whole number in its range.
    """
    number = _number(value, "size", whole=True)
    side = None if number is None else int(number)
    check_kept("auto", None, side)
    return side


def region(name: str, value: Any) -> tuple[float, ...] | str | None:
    """Where an edit may happen: a word, or four numbers, as text with commas or as a list; None for nothing said.

    Raises:
        BadParameter: for anything else.
    """
    if value is None or value == "":
        return None
    given: Any = value
    if isinstance(value, str):
        pieces = value.split(",")
        given = value.strip() if len(pieces) == 1 else tuple(_number(piece, name) for piece in pieces)
    elif isinstance(value, list):
        given = tuple(value)
    check_part(given, CONTEXT)
    return given if isinstance(given, str) else tuple(map(float, given))


def settings(value: Any) -> dict[str, Any]:
    """A method's settings: "name=value;name=value", or an object.

    Raises:
        BadParameter: for anything else.
    """
    if value is None:
        return {}
    if isinstance(value, Mapping):
        return {str(name).strip().replace("-", "_"): one for name, one in value.items()}
    if not isinstance(value, str):
        raise BadParameter(f"settings is {value!r}, expected name=value;name=value, or an object.")
    return dict(settings_from_text([pair for pair in value.split(";") if pair.strip()], "settings"))


def _number(value: Any, name: str, whole: bool = False) -> float | int | None:
    """A number, or text that says one; None for nothing."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    found = value
    if isinstance(value, str):
        try:
            found = int(value) if whole else number_in(value)
        except ValueError:
            found = None
    if not isinstance(found, int if whole else int | float) or isinstance(found, bool):
        raise BadParameter(f"{name} is {value!r}, expected a {'whole ' if whole else ''}number.")
    return found
