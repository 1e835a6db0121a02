"""Files that are there whole or not at all."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """A temporary name in ``path``'s folder, to be written in the body and renamed to ``path`` at its end.

    When the body fails, what it wrote is removed and an old file stays.

    Raises:
        OSError: as writing and renaming do.
    """
    unfinished = path.absolute().parent / f".retouch-{secrets.token_hex(8)}.tmp"
    try:
        yield unfinished
        unfinished.replace(path)
    finally:
        with suppress(OSError):
            unfinished.unlink()
