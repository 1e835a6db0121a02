"""Files that are there whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

UNFINISHED = ".retouch-"
"""How the names of files begin that are being written, or that a kill left unfinished."""


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """A temporary name in ``path``'s folder, to be written in the body and renamed to ``path`` at its end.

    When this returns, the file is on the disk, whatever happens to the machine. When the body fails, what it wrote is
    removed and an old file stays.

    Raises:
        OSError: as writing and renaming do.
    """
    unfinished = path.absolute().parent / f"{UNFINISHED}{secrets.token_hex(8)}.tmp"
    try:
        yield unfinished
        _to_disk(unfinished)
        unfinished.replace(path)
        with suppress(OSError):  # not every system opens folders
            _to_disk(unfinished.parent)
    finally:
        with suppress(OSError):
            unfinished.unlink()


def _to_disk(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
