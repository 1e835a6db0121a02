"""Masks: read from files and pictures, changed, and shown on a picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageFilter, ImageOps

from retouch.errors import BadParameter, BadPicture, printable
from retouch.picture.decoding import Decoded, Path_, contents, decode, decode_from, decode_opened
from retouch.picture.reading import Picture, upright
from retouch.picture.samples import transparency

_COLOURED = 48  # levels between a pixel's channels from which it is paint and no grey
_FEW = 4  # colours that a painted mask has at most, but for its edges


def read_mask(mask: Path_ | Image.Image | Picture) -> Image.Image:
    """A mask (L, 0..255): white is where the picture may change; see :func:`opened_mask`.

    Args:
        mask: a path, a PIL image, or a picture that was read.
    """
    return opened_mask(mask).image


def opened_mask(mask: Path_ | Image.Image | Picture) -> Picture:
    """A mask (L, 0..255) from a file or a picture, and what it was taken for, in sentences.

    White is where the picture may change, and a grey one by how much; paint in a colour counts as white as it is
    bright. A picture with transparent holes marks its holes, as in other tools; where paint is on a transparent ground
    the paint marks.

    Raises:
        BadPicture: when it cannot be read, or marks nothing.
    """
    if isinstance(mask, Picture):
        return mask if mask.image.mode == "L" else opened_mask(mask.image)
    if isinstance(mask, Image.Image):
        return mask_of(decode_opened(mask, "the mask"), "the mask")
    return mask_of(decode(mask), f"the mask {printable(str(mask))}")


def mask_from_bytes(data: bytes, name: str) -> Picture:
    """As :func:`opened_mask` for a file's contents, called ``name`` in messages."""
    return mask_of(decode_from(contents(data, name), name), name)


def mask_of(decoded: Decoded, shown: str) -> Picture:
    """As :func:`opened_mask`, from what a decoder left, called ``shown`` in messages."""
    seen = np.asarray(upright(decoded, shown, background="black").image)
    alpha, notes = transparency(decoded), list[str]()
    values, chroma = seen.max(2), seen.max(2).astype(int) - seen.min(2)
    if alpha is not None and np.asarray(alpha).min() < 128 and not _is_paint(np.asarray(decoded.image.convert("RGBA"))):
        holes = decoded._replace(image=ImageOps.invert(alpha), stored="", tags={})
        values = np.asarray(upright(holes, shown).image.convert("L"))
        notes.append(f"{shown} is a picture with a transparent part: that is taken as where the picture may change.")
    elif (chroma > _COLOURED).mean() > 0.0005:
        on_white = bool(values.min() > 200)
        values = np.clip(2 * chroma, 0, 255).astype(np.uint8) if on_white else values
        ground = ", and its white ground as black" if on_white else ""
        notes.append(f"{shown} is painted in colour: the paint counts as white{ground}.")
    if values.max() == 1:
        values = values * 255
        notes.append(f"{shown} is of zeros and ones: one counts as white.")
    if not values.any():
        raise BadPicture(f"{shown} marks nothing: paint white where the picture may change.")
    if values.max() < 128:
        notes.append(f"{shown} is {values.max() / 255:.0%} grey at most: that is how far the edit goes.")
    if values.min() > 127:
        notes.append(f"{shown} covers everything: it keeps nothing of the picture.")
    return Picture(Image.fromarray(np.ascontiguousarray(values, dtype=np.uint8)), tuple(notes), name=shown)


def _is_paint(rgba: NDArray[np.uint8]) -> bool:
    """Whether what is opaque are a few flat colours: a mask painted on a transparent ground, and no photograph."""
    opaque = rgba[rgba[..., 3] > 250][:, :3] >> 4
    if not len(opaque):
        return False
    _, counts = np.unique(opaque.astype(np.uint16) @ np.array([256, 16, 1], np.uint16), return_counts=True)
    return bool(np.sort(counts)[::-1][:_FEW].sum() >= 0.95 * len(opaque))


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
