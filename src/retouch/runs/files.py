"""Files of a run: written in one piece, read with a sentence for what is amiss, locked against other processes."""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from PIL import Image

from retouch.atomic import UNFINISHED, atomic_write
from retouch.errors import BadPicture, RetouchError

_HOUR = 3600.0


class BadRun(RetouchError):
    """A run's folder that cannot be used."""


def slug(name: str) -> str:
    """``name`` as a file's name: itself where it is plain and short, else what is plain of it and a digest."""
    plain = re.sub(r"[^\w.,=-]+", "_", name).encode()[:80].decode(errors="ignore")
    if plain == name and not plain.startswith("."):
        return plain
    return f"{plain.lstrip('.')}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def append(file: IO[bytes], row: Mapping[str, Any]) -> None:
    """One line, on the disk when this returns; a line that does not fit is taken back.

    Raises:
        BadRun: when the disk does not take it.
    """
    end = file.seek(0, os.SEEK_END)
    try:
        file.write((json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n").encode())
        file.flush()
        os.fsync(file.fileno())
    except OSError as error:
        with suppress(OSError):
            file.truncate(end)
        raise BadRun(
            f"{file.name} could not be written ({error.strerror}): make room, and the same command goes on from here."
        ) from None


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The whole lines of an append-only file; what a kill cut off is left out."""
    rows = []
    for line in path.read_bytes().split(b"\n")[:-1] if path.is_file() else []:
        with suppress(ValueError):
            rows.append(json.loads(line))
    return rows


def read_json(path: Path) -> dict[str, Any]:
    """A small file of a run.

    Raises:
        BadRun: when it is not there, or no JSON object.
    """
    with undamaged(path):
        found = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(found, dict):
            raise TypeError("not an object")
        return found


@contextmanager
def undamaged(path: Path) -> Iterator[None]:
    """Reading a file of a run in the body: what is amiss becomes a sentence.

    Raises:
        BadRun: for what damaged files raise.
    """
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError, BadPicture) as error:
        raise BadRun(
            f"{str(path)!r} is damaged ({type(error).__name__}): bring it back from a copy, or begin the run anew."
        ) from None


def opened_picture(path: Path) -> Image.Image:
    """A picture of a run, read whole.

    Raises:
        BadPicture: when it is not there or damaged.
    """
    try:
        with Image.open(path) as image:
            image.load()
            return image
    except OSError as error:
        raise BadPicture(
            f"{str(path)!r} cannot be read ({type(error).__name__}): remove it, and run the suite again to remake it."
        ) from None


def filled(path: Path) -> bool:
    """Whether there is a file with anything in it."""
    try:
        return path.stat().st_size > 0
    except OSError:
        return False


def make_folder(folder: Path) -> None:
    """Makes a folder, and those it lies in.

    Raises:
        BadRun: when the disk does not take it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadRun(f"{str(folder)!r} cannot be made ({error.strerror}): name another folder.") from None


def put_text(path: Path, text: str) -> None:
    """Writes a small file in one piece.

    Raises:
        BadRun: when the disk does not take it.
    """
    make_folder(path.parent)
    try:
        with atomic_write(path) as unfinished:
            unfinished.write_text(text, encoding="utf-8")
    except OSError as error:
        raise BadRun(f"{str(path)!r} could not be written ({error.strerror}): make room, and run it again.") from None


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Waits until no other process is in such a body for the same folder; nothing is left in it."""
    try:
        import fcntl

        handle = os.open(folder, os.O_RDONLY)
    except (ImportError, OSError):  # Windows
        yield
        return
    try:
        with suppress(OSError):  # some network disks have no locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def clear_unfinished(folder: Path) -> None:
    """Removes what a kill left unfinished in a folder; what is younger than an hour may be another process's."""
    for left in folder.rglob(f"{UNFINISHED}*"):
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > _HOUR:
                left.unlink()


def lock(file: IO[bytes] | int, refusal: str, *, shared: bool = False) -> None:
    """Keeps an open file for this process until it is closed, or with others that share it.

    Raises:
        BadRun: with the words ``refusal``, when another process has it.
    """
    try:
        import fcntl
    except ImportError:  # no such locks on Windows
        return
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        raise BadRun(refusal) from None
    except OSError:  # some network disks have no locks
        return
