"""A picture's file, or an opened one, decoded: its numbers as they are stored, and what they mean."""

from __future__ import annotations

import ctypes
import io
import stat
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from PIL import Image, UnidentifiedImageError

from retouch.errors import BadPicture, printable

Path_ = str | PathLike[str]

READABLE = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF")
MAX_PIXELS = 100_000_000
"""Larger pictures are refused before they are decoded: 100 megapixels."""

_decoding = threading.RLock()
"""Held while files are decoded: Python's warnings and libtiff's messages are switched for the whole process."""


class Decoded(NamedTuple):
    """An image as its decoder left it.

    Attributes:
        stored: the raw mode it is stored in, such as "RGB;16B", where that is known; "" otherwise.
        tags: of a TIFF file.
    """

    image: Image.Image
    exif: dict[int, Any]
    more_frames: bool = False
    stored: str = ""
    tags: dict[int, Any] = {}  # noqa: RUF012  # never changed


def decode(path: Path_) -> Decoded:
    """A file's first frame.

    Raises:
        BadPicture: one sentence that names the file.
    """
    where, shown = _file(path)
    return decode_from(where, shown)


@contextmanager
def undecoded(path: Path_) -> Iterator[Image.Image]:
    """A file, opened as far as its head: format, size, texts.

    Raises:
        BadPicture: as :func:`decode`, but for damage that only decoding finds.
    """
    where, shown = _file(path)
    with _opened(where, shown) as opened:
        yield opened


def _file(path: Path_) -> tuple[Path, str]:
    """A path that leads to a file with something in it, and what messages call it."""
    where, shown = as_path(path), printable(str(path))
    try:
        status = where.stat()
    except (FileNotFoundError, NotADirectoryError, ValueError):
        raise BadPicture(f"there is no file {shown}: check the path.") from None
    except OSError as error:
        raise BadPicture(f"{shown} cannot be opened ({one_line(error)}): check the path.") from None
    if stat.S_ISDIR(status.st_mode):
        raise BadPicture(f"{shown} is a folder, expected a picture: name a PNG, JPEG or WebP file.")
    if not stat.S_ISREG(status.st_mode):
        raise BadPicture(f"{shown} is a device or a pipe, expected a picture: name a PNG, JPEG or WebP file.")
    if status.st_size == 0:
        raise BadPicture(f"{shown} is empty, expected a picture: check how the file came about.")
    return where, shown


def decode_from(file: Path | BinaryIO, shown: str) -> Decoded:
    """As :func:`decode`, from a file that is there or an open one, called ``shown`` in messages."""
    with _opened(file, shown) as opened:
        more_frames = _has_more(opened)
        return _loaded(opened)._replace(more_frames=more_frames)


@contextmanager
def _opened(file: Path | BinaryIO, shown: str) -> Iterator[Image.Image]:
    """A picture's file, not yet decoded; what opening it and decoding it in the body raises is one sentence."""
    try:
        with _quiet_decoders(), Image.open(file, formats=READABLE) as opened:
            check_size(opened, shown)
            yield opened
    except BadPicture:
        raise
    except UnidentifiedImageError:
        raise BadPicture(f"{shown} is not a picture that can be read: expected PNG, JPEG or WebP.") from None
    except Image.DecompressionBombError:
        raise BadPicture(f"{shown} has too many pixels, {_TOO_LARGE}") from None
    except PermissionError:
        raise BadPicture(f"{shown} may not be read: check the file's permissions.") from None
    except Exception as error:  # on damaged files the decoders raise struct.error, KeyError, TypeError and more
        raise BadPicture(f"{shown} is damaged or cut off ({one_line(error)}): get the file again.") from None


def contents(data: bytes, name: str) -> BinaryIO:
    """A file's contents as an open file, called ``name`` in messages.

    Raises:
        BadPicture: when there are none.
    """
    if not data:
        raise BadPicture(f"{name} is empty, expected a picture: check how it came about.")
    return io.BytesIO(data)


def decode_opened(image: Image.Image, shown: str) -> Decoded:
    """An image that a caller holds, which may be a file that was opened and not read yet.

    Raises:
        BadPicture: when it is no image, has no pixels or too many, or cannot be decoded.
    """
    if not isinstance(image, Image.Image):
        raise BadPicture(f"{shown} is a {type(image).__name__}, expected a PIL image: convert it first.")
    check_size(image, shown)
    try:
        with _quiet_decoders():
            return _loaded(image)
    except Exception as error:  # as in decode_from
        raise BadPicture(f"{shown} is damaged or cut off ({one_line(error)}): get it again.") from None


def check_size(image: Image.Image, shown: str) -> None:
    """Refuses a picture of no pixels, or of more than :data:`MAX_PIXELS`.

    Raises:
        BadPicture: with its size.
    """
    pixels, size = image.width * image.height, f"{image.width} x {image.height} pixels"
    if pixels == 0:
        raise BadPicture(f"{shown} has {size}, expected at least one.")
    if pixels > MAX_PIXELS:
        raise BadPicture(f"{shown} has {size}, {_TOO_LARGE}")


def as_path(path: Path_) -> Path:
    """A path.

    Raises:
        BadPicture: when it is none.
    """
    if not isinstance(path, str | PathLike):
        raise BadPicture(f"a {type(path).__name__} was given, expected the path of a picture.")
    return Path(path)


def one_line(error: BaseException) -> str:
    """What an error says, short enough for a sentence."""
    text = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return " ".join(text.split())[:120] or type(error).__name__


_TOO_LARGE = f"more than {MAX_PIXELS // 10**6} million: make it smaller first."


def _loaded(image: Image.Image) -> Decoded:
    stored = ""
    for tile in getattr(image, "tile", ())[:1]:  # empty once the image is decoded
        arguments = tile[3] if isinstance(tile[3], tuple) else (tile[3],)
        stored = str(arguments[0]) if arguments else ""
    tags = dict(getattr(image, "tag_v2", {}))
    image.load()
    return Decoded(image, _exif(image), stored=stored, tags=tags)


def _has_more(opened: Image.Image) -> bool:
    """Whether there are frames after the first. Asking moves to the next and back, so that it comes before loading."""
    if opened.format == "MPO":  # a phone's JPEG, with a preview or a depth map: not worth a word
        return False
    try:
        return bool(getattr(opened, "is_animated", False))
    except Exception:  # there are, and damaged: the first is what is read
        opened.seek(0)
        return True


def _exif(image: Image.Image) -> dict[int, Any]:
    try:
        return dict(image.getexif())
    except Exception:  # damaged EXIF data do not make the pixels unreadable
        return {}


@contextmanager
def _quiet_decoders() -> Iterator[None]:
    """Pillow's warnings and libtiff's lines on stderr are not for our users: what matters is raised."""
    with _decoding, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        set_handler = _libtiff()
        before = set_handler(None) if set_handler else None
        try:
            yield
        finally:
            if set_handler:
                set_handler(before)


@cache
def _libtiff() -> Any:
    """The function of the libtiff in Pillow that sets who is told of errors; None where it cannot be reached."""
    with suppress(OSError, AttributeError):  # linked in statically, as on Windows
        from PIL import _imaging

        function = ctypes.CDLL(_imaging.__file__).TIFFSetErrorHandler
        function.argtypes, function.restype = [ctypes.c_void_p], ctypes.c_void_p
        return function
    return None
