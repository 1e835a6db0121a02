"""Text onto the disk in one piece, and never over a file that nobody said may go."""

from __future__ import annotations

import os
from pathlib import Path

from retouch.errors import BadParameter, OutputExists
from retouch.runs.files import put_text


def check_text_output(path: Path, force: bool = False) -> None:
    """Refuses an output that cannot or should not be written; call it before long work.

    Raises:
        OutputExists: when there is a file and ``force`` is not set.
        BadParameter: when the folder is missing, may not be written to, or the path is a folder or no possible name.
    """
    folder = path.absolute().parent
    try:
        if path.is_dir():
            raise BadParameter(f"the output {str(path)!r} is a folder: name a file in it.")
        if not folder.is_dir():
            raise BadParameter(f"the folder of the output {str(path)!r} does not exist: make it first.")
        taken = path.exists()
    except OSError as error:
        raise BadParameter(
            f"the output {str(path)!r} cannot be written ({error.strerror}): give another name."
        ) from None
    if taken and not force:
        raise OutputExists(f"{str(path)!r} exists already: give another name, or --force to overwrite it.")
    if not os.access(folder, os.W_OK):
        raise BadParameter(f"the folder of the output {str(path)!r} may not be written to: name another.")


def write_text(text: str, path: Path, force: bool = False) -> None:
    """Writes under a temporary name, then renames.

    Args:
        text: written as UTF-8.
        path: of the file.
        force: whether a file that is there already is replaced.

    Raises:
        OutputExists, BadParameter: as :func:`check_text_output`.
        BadRun: when the disk does not take it; nothing is left behind.
    """
    check_text_output(path, force)
    put_text(path, text)
