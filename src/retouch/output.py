"""Where a file may be written: asked before long work, and again by the write itself."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

from retouch.errors import BadParameter, OutputExists, printable

STREAM = "-"
"""What stands for standard input or output where a command is given it in place of a file."""


def check_place(path: Path, force: bool = False, suffixes: Collection[str] = ()) -> None:
    """Refuses an output that cannot or should not be written.

    Args:
        force: whether a file that is there may be replaced.
        suffixes: that the name may end in, as ".png"; none for any.

    Raises:
        OutputExists: when there is a file and ``force`` is not set.
        BadParameter: when the suffix is another, the folder is missing or may not be written to, or the path is a
            folder or no possible name.
    """
    shown, folder = printable(str(path)), path.absolute().parent
    if str(path) == STREAM:
        raise BadParameter("the output - stands for standard output, which takes no file of this kind: name a file.")
    try:
        if path.is_dir():
            raise BadParameter(f"the output {shown} is a folder: name a file in it.")
        if suffixes and path.suffix.lower() not in suffixes:
            wanted = f"one of {', '.join(suffixes)}" if len(suffixes) > 1 else "".join(suffixes)
            raise BadParameter(f"the output {shown} must end in {wanted}.")
        if not folder.is_dir():
            raise BadParameter(f"the folder of the output {shown} does not exist: make it first.")
        path.lstat()
        taken = True
    except FileNotFoundError:
        taken = False
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise BadParameter(f"the output {shown} cannot be written ({reason}): give another name.") from None
    if taken and not force:
        raise taken_already(path)
    if not os.access(folder, os.W_OK):
        raise BadParameter(f"the folder of the output {shown} may not be written to: name another.")


def taken_already(path: Path) -> OutputExists:
    """The error for a file that is there and may not be replaced."""
    return OutputExists(
        f"{printable(str(path))} exists already: give another name, or --force to "
        "overwrite it (force=True from Python)."
    )


def check_folder(folder: Path, option: str) -> None:
    """Refuses a folder of outputs that is not there and cannot be made, or may not be written to.

    Raises:
        BadParameter: naming ``option`` and what is in the way.
    """
    if str(folder) == STREAM:
        raise BadParameter(f"{option} is -, which stands for standard output: name a folder.")
    for place in (folder.absolute(), *folder.absolute().parents):
        try:
            is_folder = place.is_dir()
            place.lstat()
        except FileNotFoundError:
            continue  # it will be made
        except NotADirectoryError:
            continue  # a file further up, which the next turn finds
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise BadParameter(f"{option} is {str(folder)!r}, which cannot be made ({reason}): name another.") from None
        if not is_folder:
            where = "which" if place == folder.absolute() else f"where {str(place)!r}"
            raise BadParameter(f"{option} is {str(folder)!r}, {where} is a file: name a folder.")
        if not os.access(place, os.W_OK):
            raise BadParameter(f"{option} is {str(folder)!r}, and {str(place)!r} may not be written to: name another.")
        return
