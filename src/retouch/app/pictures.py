"""Pictures that a browser sends, and pictures for it: limits before decoding, thumbnails, outlines."""

from __future__ import annotations

import io

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from retouch.errors import BadPicture
from retouch.picture import READABLE, Picture, from_bytes, mask_from_bytes, png_bytes, recipe_from_bytes

MAX_BYTES = 32 * 2**20
"""Of a file that is sent."""
MAX_PIXELS = 24_000_000
"""Of a picture that is sent; larger ones are refused before they are decoded."""
MAX_MASK_SIDE = 2048
"""A mask that is larger than this is made smaller; it is stretched to its picture anyway."""
_MILLIONS = MAX_PIXELS // 10**6
_THUMB = 160
_OUTLINE = 3  # pixels of an outline, at 1024 pixels
_OUTLINE_SIDE = 1024
_CHANGED = 24  # of 255: how much of the edit a pixel takes at least that counts as changed


def check_size(data: bytes, name: str) -> None:
    """Refuses what is too large, from a picture's head alone.

    Raises:
        BadPicture: with its size, and the limit.
    """
    if len(data) > MAX_BYTES:
        raise BadPicture(
            f"{name} has {len(data) / 2**20:.0f} MB, more than {MAX_BYTES // 2**20}: save it smaller, or as JPEG."
        )
    try:
        with Image.open(io.BytesIO(data), formats=READABLE) as opened:
            width, height = opened.size
    except Image.DecompressionBombError:
        raise BadPicture(f"{name} has far more than {_MILLIONS} million pixels: make it smaller first.") from None
    except Exception:  # what is wrong with it is said where it is read
        return
    if width * height > MAX_PIXELS:
        raise BadPicture(f"{name} has {width} x {height} pixels, more than {_MILLIONS} million: make it smaller first.")


def opened(data: bytes, name: str) -> tuple[Picture, dict[str, object] | None]:
    """A picture that was sent, and the recipe inside it, if any.

    Raises:
        BadPicture: when it is none, or too large.
    """
    check_size(data, name)
    picture = from_bytes(data, name)
    return picture, recipe_from_bytes(data, name)


def opened_mask(data: bytes, name: str = "the mask") -> Picture:
    """A mask that was sent, L.

    Raises:
        BadPicture: when it is none, too large, or marks nothing.
    """
    check_size(data, name)
    mask = mask_from_bytes(data, name)
    small = mask.image
    small.thumbnail((MAX_MASK_SIDE, MAX_MASK_SIDE))
    return Picture(small, mask.notes)


def united(one: bytes | None, other: bytes) -> bytes:
    """Two masks as one, PNG (L), at the size of the second."""
    if one is None:
        return other
    after = Image.open(io.BytesIO(other)).convert("L")
    before = Image.open(io.BytesIO(one)).convert("L").resize(after.size, Image.Resampling.BILINEAR)
    return png_bytes(Image.fromarray(np.maximum(np.asarray(before), np.asarray(after))))


def thumbnail(picture: bytes) -> bytes:
    """A small JPEG of a picture."""
    small = Image.open(io.BytesIO(picture)).convert("RGB")
    small.thumbnail((_THUMB, _THUMB))
    file = io.BytesIO()
    small.save(file, "JPEG", quality=85)
    return file.getvalue()


def outline(changed: bytes) -> bytes | None:
    """The outline of what changed, PNG with alpha, at most 1024 pixels a side; None where nothing did.

    White between black lines, so that it is seen on any ground.
    """
    plane = Image.open(io.BytesIO(changed)).convert("L")
    plane.thumbnail((_OUTLINE_SIDE, _OUTLINE_SIDE))
    grown = _OUTLINE_SIDE / max(plane.size)
    if grown > 1:
        plane = plane.resize((round(plane.width * grown), round(plane.height * grown)), Image.Resampling.BILINEAR)
    marked = plane.point(lambda value: 255 if value > _CHANGED else 0)
    if marked.getbbox() is None:
        return None
    shape = np.asarray(marked)
    for operation, reach in ((cv2.MORPH_CLOSE, 4), (cv2.MORPH_OPEN, 2)):  # no specks, no pinholes
        shape = cv2.morphologyEx(shape, operation, _disc(reach))
    if not shape.any():
        return None
    first, second, outer = (cv2.dilate(shape, _disc(reach)) for reach in (2, 2 + _OUTLINE, 4 + _OUTLINE))
    alpha, light = cv2.subtract(outer, shape), cv2.subtract(second, first)
    return png_bytes(Image.fromarray(np.dstack([light, light, light, alpha])))


def _disc(reach: int) -> NDArray[np.uint8]:
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1)), np.uint8)
