"""``-`` in place of a file: a picture from standard input, a picture to standard output with nothing else there."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from retouch.errors import BadParameter, BadPicture
from retouch.output import STREAM

if TYPE_CHECKING:
    from PIL import Image

    from retouch.picture import Picture

_INPUT, _OUTPUT = "standard input", "standard output"


def is_stream(path: Path | None) -> bool:
    """Whether a path stands for a stream."""
    return path is not None and str(path) == STREAM


def input_picture(path: Path) -> Picture:
    """A picture from its file, or from standard input.

    Raises:
        BadPicture: when it cannot be read.
    """
    from retouch.picture import from_bytes, read_picture

    return from_bytes(_bytes_in(), _INPUT) if is_stream(path) else read_picture(path)


def input_mask(path: Path | None) -> Picture | None:
    """A mask from its file, or from standard input; None where there is none.

    Raises:
        BadPicture: when it cannot be read, or marks nothing.
    """
    from retouch.picture import mask_from_bytes, opened_mask

    if path is None:
        return None
    return mask_from_bytes(_bytes_in(), _INPUT) if is_stream(path) else opened_mask(path)


def recipe_inside(path: Path) -> dict[str, Any] | None:
    """The recipe inside a picture, from its file or from standard input.

    Raises:
        BadPicture: when it cannot be read.
    """
    from retouch.picture import read_recipe, recipe_from_bytes

    return recipe_from_bytes(_bytes_in(), _INPUT) if is_stream(path) else read_recipe(path)


def input_text() -> str:
    """A text from standard input.

    Raises:
        BadPicture: when there is none to be had.
        BadParameter: when it is not UTF-8.
    """
    try:
        return _bytes_in("a table").decode()
    except UnicodeDecodeError:
        raise BadParameter("standard input is not UTF-8 text, expected a table, .csv or .jsonl.") from None


def check_streams(files: Mapping[str, Path | None], **pictures: Path | None) -> None:
    """Refuses ``-`` where a file has to be, and for more than one picture.

    Args:
        files: what only a file can be, by its option.
        pictures: what may come from standard input.

    Raises:
        BadParameter: naming the option.
    """
    for option, path in files.items():
        if is_stream(path):
            raise BadParameter(f"{option} is -, which stands for a stream: name a place on the disk.")
    if sum(map(is_stream, pictures.values())) > 1:
        raise BadParameter("- stands for two inputs, and standard input holds one picture: name a file for the other.")


@contextmanager
def picture_stream(output: Path) -> Iterator[None]:
    """Where ``output`` is standard output, nothing that is printed in the body gets in the way of the picture.

    Raises:
        BadParameter: when it is a terminal.
    """
    if not is_stream(output):
        yield
        return
    if sys.stdout.isatty():
        raise BadParameter("the output is -, and standard output is a terminal: send it to a file or a program.")
    with redirect_stdout(sys.stderr):
        yield


def output_picture(
    image: Image.Image, output: Path, *, recipe: Mapping[str, Any] | None = None, force: bool = False
) -> None:
    """Writes a picture into its file, or as PNG to standard output.

    Raises:
        OutputExists, BadParameter, BadPicture: when it cannot be written.
    """
    from retouch.picture import png_bytes, write_picture

    if not is_stream(output):
        write_picture(image, output, recipe=recipe, force=force)
        return
    stream = _binary(sys.stdout, _OUTPUT)
    stream.write(png_bytes(image, recipe))
    stream.flush()


def name_of(output: Path) -> str:
    """What messages call an output."""
    return _OUTPUT if is_stream(output) else str(output)


def _bytes_in(what: str = "a picture") -> bytes:
    if sys.stdin is not None and sys.stdin.isatty():
        raise BadPicture(f"standard input is a terminal, expected {what}: send one into the command, or name a file.")
    return _binary(sys.stdin, _INPUT).read()


def _binary(stream: Any, name: str) -> IO[bytes]:
    binary: IO[bytes] | None = getattr(stream, "buffer", None)
    if binary is None:  # closed by the caller
        raise BadPicture(f"{name} is closed: name a file.")
    return binary
