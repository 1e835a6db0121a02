"""Pictures out: in one piece, never over another file, with the recipe inside; and the recipe read again."""

from __future__ import annotations

import base64
import io
import json
import zlib
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import IO, Any, NamedTuple

from PIL import ExifTags, Image, PngImagePlugin

from retouch.atomic import atomic_write
from retouch.errors import BadParameter, BadPicture, printable
from retouch.output import check_place, taken_already
from retouch.picture.decoding import Path_, contents, decode, decode_from, one_line, undecoded

WRITABLE = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
MAX_SIDE = {"JPEG": 65_500, "WEBP": 16_383}
"""The largest side of a picture that a format takes, in pixels: libjpeg's limit and WebP's."""
RECIPE_KEY = "retouch"
_PACKED = f"{RECIPE_KEY}+zlib:"
"""How a recipe begins that is compressed, because a JPEG's EXIF data end at 64 KiB."""
_LONG = 60_000


def check_output(path: Path_, force: bool = False, size: tuple[int, int] | None = None) -> None:
    """Refuses an output that cannot or should not be written; call it before long work.

    Args:
        size: of the picture to come (width, height), where it is known.

    Raises:
        OutputExists: when there is a file and ``force`` is not set.
        BadParameter: when the suffix is unknown, the folder is missing, the path is a folder, or the format cannot hold
            a picture of that size.
    """
    where = _as_output(path)
    check_place(where, force, WRITABLE)
    if size is not None:
        _check_side(where, size)


def check_outputs(
    paths: Sequence[Path_ | None], force: bool = False, sizes: Sequence[tuple[int, int] | None] = ()
) -> None:
    """:func:`check_output` for all the files of one command, which must differ; None stands for none.

    Raises:
        OutputExists, BadParameter: as :func:`check_output`, or when two are the same file.
    """
    seen: set[Path] = set()
    for i, path in enumerate(paths):
        if path is None:
            continue
        check_output(path, force, sizes[i] if i < len(sizes) else None)
        where = Path(path).resolve()
        if where in seen:
            raise BadParameter(f"{printable(str(path))} is named for two outputs: give each a name of its own.")
        seen.add(where)


def write_picture(
    image: Image.Image, path: Path_, *, recipe: Mapping[str, Any] | None = None, force: bool = False
) -> None:
    """Writes a picture in one piece (a temporary name, then renamed), with the recipe inside.

    PNG carries the recipe as JSON in the text chunk "retouch", JPEG and WebP in the EXIF image description.

    Args:
        image: RGB or L.
        path: the ending says the format, see :data:`WRITABLE`.
        recipe: JSON-ready.
        force: whether a file that is there already is replaced.

    Raises:
        OutputExists, BadParameter: as :func:`check_output`; also when the file came into being meanwhile.
        BadPicture: when the disk or the format does not take it; nothing is left behind.
    """
    where = _as_output(path)
    check_output(where, force, image.size)
    shown = printable(str(where))
    try:
        with atomic_write(where, replace=force) as unfinished, unfinished.open("xb") as file:
            write_to(image, file, WRITABLE[where.suffix.lower()], recipe)
    except FileExistsError:
        raise taken_already(where) from None
    except OSError as error:
        raise BadPicture(
            f"{shown} could not be written ({one_line(error)}): check the disk and the permissions."
        ) from None
    except ValueError as error:  # too long a recipe for JPEG
        raise BadPicture(f"{shown} could not be written ({one_line(error)}): write a .png instead.") from None


def write_to(image: Image.Image, file: IO[bytes], kind: str, recipe: Mapping[str, Any] | None = None) -> None:
    """As :func:`write_picture`, into an open file; ``kind`` is PNG, JPEG or WEBP.

    Raises:
        OSError: when the file takes no more.
        ValueError: when the format does not take the recipe.
    """
    options: dict[str, Any] = {"quality": 95}
    if kind == "PNG":
        options = {"compress_level": 2}  # three times as fast as the usual 6, and a seventh larger
    if kind == "JPEG":
        options["subsampling"] = 0  # an edit is often a colour: keep it at full resolution
    if recipe is not None:
        text = json.dumps(recipe)  # plain ASCII, which every container takes
        if kind == "PNG":
            options["pnginfo"] = PngImagePlugin.PngInfo()
            options["pnginfo"].add_text(RECIPE_KEY, text)
        else:
            exif = Image.Exif()
            exif[ExifTags.Base.ImageDescription] = f"{RECIPE_KEY}:{text}" if len(text) < _LONG else _packed(text)
            options["exif"] = exif
    image.save(file, kind, **options)


def png_bytes(image: Image.Image, recipe: Mapping[str, Any] | None = None) -> bytes:
    """A picture as the contents of a PNG file, with the recipe inside.

    Args:
        image: RGB or L.
        recipe: JSON-ready.
    """
    file = io.BytesIO()
    write_to(image, file, "PNG", recipe)
    return file.getvalue()


def read_recipe(path: Path_) -> dict[str, Any] | None:
    """The recipe inside a picture, None when it carries none.

    Args:
        path: of a picture.

    Raises:
        BadPicture: when the file is not a readable picture.
    """
    return recipe_in(decode(path).image)


class Head(NamedTuple):
    """What a picture's file says before its pixels.

    Attributes:
        size: (width, height) as stored: a phone's picture may have to be turned.
        recipe: as :func:`read_recipe`.
    """

    size: tuple[int, int]
    recipe: dict[str, Any] | None


def read_head(path: Path_) -> Head:
    """Size and recipe of a picture that is not decoded, however large it is.

    Raises:
        BadPicture: when the file is no picture.
    """
    with undecoded(path) as opened:
        return Head(opened.size, recipe_in(opened))


def recipe_from_bytes(data: bytes, name: str) -> dict[str, Any] | None:
    """As :func:`read_recipe` for a file's contents, called ``name`` in messages."""
    return recipe_in(decode_from(contents(data, name), name).image)


def recipe_in(image: Image.Image) -> dict[str, Any] | None:
    """As :func:`read_recipe`, of a picture that was opened."""
    text = image.info.get(RECIPE_KEY) if image.format == "PNG" else None
    try:
        described = str(image.getexif().get(ExifTags.Base.ImageDescription, ""))
    except Exception:  # damaged EXIF data hold no recipe
        described = ""
    if text is None and described.startswith(f"{RECIPE_KEY}:"):
        text = described.removeprefix(f"{RECIPE_KEY}:")
    try:
        if text is None and described.startswith(_PACKED):
            text = _unpacked(described.removeprefix(_PACKED))
        recipe = json.loads(text or "null")
    except (TypeError, ValueError, RecursionError, zlib.error):
        return None  # another program's text under our key
    return recipe if isinstance(recipe, dict) else None


_MOST = 64 * 2**20  # a compressed text that grows beyond this is no recipe


def _packed(text: str) -> str:
    return _PACKED + base64.b85encode(zlib.compress(text.encode(), 9)).decode()


def _unpacked(text: str) -> str:
    stream = zlib.decompressobj()
    return stream.decompress(base64.b85decode(text), _MOST).decode()


def _check_side(where: Path, size: tuple[int, int]) -> None:
    kind = WRITABLE[where.suffix.lower()]
    if max(size) > MAX_SIDE.get(kind, max(size)):
        raise BadParameter(
            f"the output {printable(str(where))} would have {size[0]} x {size[1]} pixels, and {kind} takes at most "
            f"{MAX_SIDE[kind]} a side: write a .png instead."
        )


def _as_output(path: Path_) -> Path:
    if not isinstance(path, str | PathLike):
        raise BadParameter(f"the output is a {type(path).__name__}, expected a path.")
    return Path(path)
