"""Files that are there whole or not at all, and never in the place of one that nobody said may go."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

UNFINISHED = ".retouch-"
"""How the names of files begin that are being written, or that a kill left unfinished."""


@contextmanager
def atomic_write(path: Path, *, replace: bool = True) -> Iterator[Path]:
    """A temporary name in ``path``'s folder, to be written in the body and given its name at the end.

    When this returns, the file is on the disk, whatever happens to the machine. When the body fails, what it wrote is
    removed and an old file stays.

    Args:
        replace: whether a file of that name may be replaced. Without it one that is there at the end, no matter who
            wrote it and since when, stays as it is.

    Raises:
        FileExistsError: when there is such a file and it may not be replaced.
        OSError: as writing and renaming do.
    """
    unfinished = path.absolute().parent / f"{UNFINISHED}{secrets.token_hex(8)}.tmp"
    try:
        mode = _mode_of_new(unfinished)
        yield unfinished
        unfinished.chmod(mode)  # some libraries let nobody else read what they write
        _to_disk(unfinished)
        if replace:
            unfinished.replace(path)
        else:
            _name_new(unfinished, path)
        with suppress(OSError):  # not every system opens folders
            _to_disk(unfinished.parent)
    finally:
        with suppress(OSError):
            unfinished.unlink()


def _mode_of_new(path: Path) -> int:
    """The permissions that the user's mask gives to new files in this place."""
    path.touch()
    mode = path.stat().st_mode
    path.unlink()
    return mode


def _name_new(unfinished: Path, path: Path) -> None:
    """Renames, in one step that fails where there is such a file."""
    try:
        os.link(unfinished, path)
    except FileExistsError:
        raise
    except OSError:  # not every disk has hard links: take the name first, then put the file there
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        unfinished.replace(path)


def hidden_beside(path: Path, suffix: str) -> Path:
    """A name for what belongs to a file, hidden beside it: its own with ``suffix``, or a digest where that is too long.

    >>> hidden_beside(Path("cat.png"), ".checkpoint").name
    '.cat.png.checkpoint'
    """
    from hashlib import sha256

    name = os.fsencode(f".{path.name}{suffix}")
    if len(name) > 255:  # what nearly every file system takes
        return path.with_name(f".{sha256(os.fsencode(path.name)).hexdigest()[:32]}{suffix}")
    return path.with_name(os.fsdecode(name))


def _to_disk(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
