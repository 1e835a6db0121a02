"""Pictures in: files of every kind as upright 8-bit RGB, and what was done to them on the way."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PIL import ExifTags, Image

from retouch.errors import printable
from retouch.picture.decoding import Decoded, Path_, as_path, contents, decode, decode_from, decode_opened
from retouch.picture.profiles import to_srgb
from retouch.picture.samples import eight_bit, is_deep, transparency

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # what brings each EXIF orientation upright


@dataclass(frozen=True)
class Picture:
    """An upright RGB picture and what was done to it on the way in, in sentences that call it ``name``."""

    image: Image.Image
    notes: tuple[str, ...] = ()
    path: Path | None = None
    name: str = ""


def read_picture(path: Path_) -> Picture:
    """Reads PNG, JPEG, WebP, BMP, TIFF or the first frame of a GIF, up to :data:`MAX_PIXELS`.

    EXIF rotation is applied; transparency goes onto white; greyscale, palette, 16-bit, CMYK and other colour profiles
    become 8-bit sRGB.

    Args:
        path: of the file.

    Raises:
        BadPicture: one sentence that names the file, for anything that is not a readable picture.
    """
    where = as_path(path)
    return upright(decode(where), printable(str(where)), where)


def from_bytes(data: bytes, name: str) -> Picture:
    """As :func:`read_picture` for a file's contents, called ``name`` in messages.

    Args:
        data: the file's contents.
        name: what messages call it.

    Raises:
        BadPicture: as there.
    """
    return upright(decode_from(contents(data, name), name), name)


def from_image(image: Image.Image) -> Picture:
    """As :func:`read_picture` for a picture in memory.

    Args:
        image: in any mode.

    Raises:
        BadPicture: when it is no PIL image, has no pixels or too many, or is a file that was opened but cannot be
            decoded.
    """
    return upright(decode_opened(image, "the picture"), "the picture")


def upright(decoded: Decoded, name: str, path: Path | None = None, background: str = "white") -> Picture:
    """What a decoder left as a picture, its transparent parts on ``background``."""
    notes: list[str] = []
    if decoded.more_frames:
        notes.append(f"{name}: only the first of its frames is used.")
    turn = _TURNS.get(_orientation(decoded))
    if turn is not None:
        notes.append(f"{name}: turned upright as its EXIF data says.")
    if is_deep(decoded):
        notes.append(f"{name}: values of more than 8 bits were reduced to 8.")
    image, alpha = eight_bit(decoded), transparency(decoded)
    if alpha is not None and alpha.getextrema()[0] < 255:  # type: ignore[operator]
        notes.append(f"{name}: transparent parts were put onto {background}.")
    if image.mode == "CMYK":
        notes.append(f"{name}: CMYK was converted to RGB.")
    rgb, unfit = to_srgb(image, decoded.image.info.get("icc_profile"))
    if unfit:
        notes.append(f"{name}: its colour profile was left out ({unfit}).")
    if alpha is not None:
        rgb = Image.composite(rgb, Image.new("RGB", rgb.size, background), alpha)
    if turn is not None:
        rgb = rgb.transpose(turn)
    plain = Image.new("RGB", rgb.size)  # without metadata that no longer holds
    plain.paste(rgb)
    return Picture(plain, tuple(notes), path, name)


def _orientation(decoded: Decoded) -> int:
    value = decoded.exif.get(ExifTags.Base.Orientation, 1)
    return value if isinstance(value, int) else 1
