"""Text onto the disk in one piece, and never over a file that nobody said may go."""

from __future__ import annotations

from pathlib import Path

from retouch.output import check_place
from retouch.runs.files import put_text


def write_text(text: str, path: Path, force: bool = False) -> None:
    """Writes under a temporary name, then renames.

    Args:
        text: written as UTF-8.
        path: of the file.
        force: whether a file that is there already is replaced.

    Raises:
        OutputExists, BadParameter: as :func:`retouch.output.check_place`.
        BadRun: when the disk does not take it; nothing is left behind.
    """
    check_place(path, force)
    put_text(path, text)
