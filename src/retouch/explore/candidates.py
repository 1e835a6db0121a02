"""The edits that auto thinks best, side by side: a contact sheet."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image

from retouch.request import AUTO
from retouch.result import EditResult
from retouch.sheet import contact_sheet, in_rows, labelled, sheet_size, tile_size

_SIDE, _LINES, _COLUMNS = 192, 4, 5


def described(result: EditResult) -> str:
    """How a candidate was made, and what is made of it, in a few words."""
    about = result.recipe[AUTO]
    one = about["tried"][about["taken"]]
    settings = "".join(f" {name}={value}" for name, value in one["settings"].items())
    made = f"{one['method']}{settings}, seed {one['seed']}"
    if "verified" not in one:
        return made
    return f"{made}: {'verified' if one['verified'] else 'not verified'}, asked {one['asked']:+.1f}"


def sheet(picture: Image.Image, results: Sequence[EditResult]) -> Image.Image:
    """The input and every candidate, numbered and described."""
    tiles = [labelled(picture, "input", _SIDE, _LINES)]
    tiles += [labelled(one.image, f"{i}: {described(one)}", _SIDE, _LINES) for i, one in enumerate(results, 1)]
    return contact_sheet(in_rows(tiles, min(_COLUMNS, len(tiles))))


def size_of_sheet(count: int) -> tuple[int, int]:
    """Of the sheet of so many candidates (width, height)."""
    columns = min(_COLUMNS, count + 1)
    return sheet_size(-(-(count + 1) // columns), columns, tile_size(_SIDE, _LINES))
