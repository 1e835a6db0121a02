"""The pictures of a folder by their names without endings, which pair them with those of another folder."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from retouch.suites.suite import BadSuite, folder_of

ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif")
"""Of files that are taken for pictures."""
_SHOWN = 5  # names in a message


def pictures_of(folder: str | os.PathLike[str], what: str) -> dict[str, Path]:
    """The pictures of a folder by name without ending, in the order of the names; other files are passed over.

    Args:
        what: they are, for messages.

    Raises:
        BadSuite: when there is no such folder, it holds no picture, or two that differ in the ending alone.
    """
    where, found = folder_of(folder, what), dict[str, Path]()
    for path in sorted(filter(is_picture, where.iterdir())):
        if path.stem in found:
            raise BadSuite(
                f"the folder {str(where)!r} holds {found[path.stem].name!r} and {path.name!r}, one name with two "
                "endings: take one of them away."
            )
        found[path.stem] = path
    if not found:
        raise BadSuite(f"the folder {str(where)!r} holds no picture: name the folder of {what}.")
    return found


def is_picture(path: Path) -> bool:
    """Whether a path's ending is a picture's; hidden files are none."""
    return path.suffix.lower() in ENDINGS and not path.name.startswith(".") and path.is_file()


def some(names: Sequence[str]) -> str:
    """A few names for a message, and how many more."""
    return ", ".join(map(repr, names[:_SHOWN])) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def did_you_mean(name: str, there: Iterable[str]) -> str:
    """For a name that differs from one that is there in upper and lower case alone, a question in brackets; else ""."""
    close = [one for one in there if one.casefold() == name.casefold()]
    return f" (did you mean {close[0]!r}?)" if close else ""
