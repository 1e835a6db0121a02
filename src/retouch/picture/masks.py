"""Masks: read from files and pictures, changed, and shown on a picture."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageChops, ImageFilter, ImageOps

from retouch.errors import BadParameter, BadPicture, printable
from retouch.picture.decoding import Decoded, Path_, contents, decode, decode_from, decode_opened
from retouch.picture.reading import upright


def read_mask(mask: Path_ | Image.Image) -> Image.Image:
    """A mask (L, 0..255) from a file or a picture: white is where the picture may change; transparent counts as black.

    Raises:
        BadPicture: when it cannot be read, or marks nothing.
    """
    if isinstance(mask, Image.Image):
        decoded, shown = decode_opened(mask, "the mask"), "the mask"
    else:
        decoded, shown = decode(mask), f"the mask {printable(str(mask))}"
    return mask_of(decoded, shown)


def mask_from_bytes(data: bytes, name: str) -> Image.Image:
    """As :func:`read_mask` for a file's contents, called ``name`` in messages."""
    return mask_of(decode_from(contents(data, name), name), name)


def mask_of(decoded: Decoded, shown: str) -> Image.Image:
    """As :func:`read_mask`, from what a decoder left, called ``shown`` in messages."""
    plane = upright(decoded, shown, background="black").image.convert("L")
    if np.asarray(plane).max() == 1:
        plane = plane.point(lambda value: 255 * value)  # masks of zeros and ones
    if np.asarray(plane).max() < 128:
        raise BadPicture(f"{shown} marks nothing: paint white where the picture may change.")
    return plane


def check_growth(grow: int, size: tuple[int, int]) -> None:
    """Refuses a mask of ``size`` to be grown or shrunk by more pixels than it has.

    Raises:
        BadParameter: naming both.
    """
    if abs(grow) >= max(size):
        raise BadParameter(f"grow is {grow}, expected fewer pixels than the picture has ({max(size)}).")


def changed_mask(mask: Image.Image, *, grow: int = 0, invert: bool = False) -> Image.Image:
    """A mask (L) grown by ``grow`` pixels on every side (shrunk below 0), then turned round where ``invert`` says so.

    Raises:
        BadParameter: when nothing or everything is left marked, or ``grow`` exceeds the picture.
    """
    check_growth(grow, mask.size)
    if grow:
        rule = ImageFilter.MaxFilter if grow > 0 else ImageFilter.MinFilter
        mask = mask.filter(rule(2 * abs(grow) + 1))
    if invert:
        mask = ImageOps.invert(mask)
    low, high = int(np.asarray(mask).min()), int(np.asarray(mask).max())
    if high < 128 or low > 127:
        raise BadParameter(f"the mask would mark {'nothing' if high < 128 else 'everything'}: point at something else.")
    return mask


def overlaid(picture: Image.Image, mask: Image.Image) -> Image.Image:
    """The picture, greyer outside the mask and with its outline in colour, to see what is marked."""
    outline = ImageChops.subtract(mask.filter(ImageFilter.MaxFilter(3)), mask)
    faded = Image.blend(picture, Image.new("RGB", picture.size, "white"), 0.65)
    shown = Image.composite(picture, faded, mask)
    return Image.composite(Image.new("RGB", picture.size, "#ff2f92"), shown, outline)
