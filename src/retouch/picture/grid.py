"""Pictures and masks on a model's grid, and back at their own size."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from retouch.errors import BadPicture

MAX_SIDES = 4
"""The longer side of a fitted picture is at most this many native sides; a longer picture is stretched."""
AS_IT_IS = (0.5, 1.5)
"""A picture on the grid already is taken as it is where its area is in this range, in native areas."""


@dataclass(frozen=True)
class Fitted:
    """A picture on a model's grid, and the way back.

    Attributes:
        image: RGB, sides multiples of the model's.
        box: where the picture lies on it (left, top, right, bottom); the rest is mirrored edge.
        size: of the original (width, height).
    """

    image: Image.Image
    box: tuple[int, int, int, int]
    size: tuple[int, int]
    notes: tuple[str, ...] = ()

    def restore(self, image: Image.Image) -> Image.Image:
        """An edit of :attr:`image` cropped and scaled back to the original size.

        Raises:
            BadPicture: when ``image`` has another size than :attr:`image`.
        """
        if image.size != self.image.size:
            given, expected = (f"{width} x {height}" for width, height in (image.size, self.image.size))
            raise BadPicture(f"the picture to restore is {given}, expected the fitted size {expected}.")
        whole = self.box == (0, 0, *image.size)
        cropped = image if whole else image.crop(self.box)
        return cropped if cropped.size == self.size else cropped.resize(self.size, Image.Resampling.LANCZOS)


def fit(image: Image.Image, native_side: int, multiple: int, *, exact: bool = False) -> Fitted:
    """Fits a picture of any size to a model's grid.

    The rule: scale it, keeping its shape, to about ``native_side``² pixels; centre it on the smallest canvas whose
    sides are multiples of ``multiple`` and fill the margin by mirroring the edge. Nothing is cropped or distorted. A
    picture that is on the grid already, and not much smaller or larger than the model likes (:data:`AS_IT_IS`), stays
    as it is, bit for bit. Only where a picture is so long that its longer side would exceed ``MAX_SIDES`` native sides
    it is stretched to that, which a note says.

    Args:
        native_side: the side the model was trained on, in pixels, or another to work at.
        multiple: what the model's sides must be multiples of, in pixels.
        exact: whether a picture on the grid is brought to that size, too.
    """
    width, height = image.size
    scale = native_side / (width * height) ** 0.5
    longest = MAX_SIDES * native_side
    if not exact and width % multiple == height % multiple == 0 and max(width, height) <= longest and _suits(scale):
        return Fitted(image, (0, 0, width, height), image.size)
    wide, high = (max(1, min(longest, round(side * scale))) for side in (width, height))
    notes: tuple[str, ...] = ()
    if max(width, height) * scale > longest:
        wide, high = max(wide, multiple), max(high, multiple)
        notes = (f"a picture of {width} x {height} is too long for the model; it is stretched for the edit and back.",)
    canvas = (-(-wide // multiple) * multiple, -(-high // multiple) * multiple)
    scaled = image if (wide, high) == image.size else image.resize((wide, high), Image.Resampling.LANCZOS)
    left, top = (canvas[0] - wide) // 2, (canvas[1] - high) // 2
    box = (left, top, left + wide, top + high)
    padded = Image.fromarray(_mirror(np.asarray(scaled), box, canvas)) if canvas != scaled.size else scaled
    return Fitted(padded, box, image.size, notes)


def _suits(scale: float) -> bool:
    """Whether a picture that would be scaled by this much may as well stay at its size."""
    smallest, largest = AS_IT_IS
    return smallest <= scale**-2 * (1 + 1e-9) and scale**-2 * (1 - 1e-9) <= largest


def fit_mask(mask: Image.Image, fitted: Fitted) -> tuple[Image.Image, tuple[str, ...]]:
    """A mask (L) carried through the same geometry as the picture, mirrored into the margin like it.

    Returns:
        the mask on the model's grid, and a note where it had another size than the picture and was stretched to it.
    """
    notes: tuple[str, ...] = ()
    if mask.size != fitted.size:
        given, expected = (f"{width} x {height}" for width, height in (mask.size, fitted.size))
        notes = (f"the mask is {given}, the picture {expected}: the mask is stretched to the picture.",)
    left, top, right, bottom = fitted.box
    plane = most(np.asarray(mask.convert("L")), (right - left, bottom - top))
    return Image.fromarray(_mirror(plane, fitted.box, fitted.image.size)), notes


def most(plane: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """A plane at another size (width, height), each pixel the greatest of the area it stands for: a thin stroke stays.

    Args:
        plane: [h, w].
    """
    reach = [-(-old // new) for old, new in zip(plane.shape, size[::-1], strict=True)]
    if max(reach) > 1:
        plane = np.asarray(cv2.dilate(plane, np.ones([2 * (side // 2) + 1 for side in reach], np.uint8)), np.uint8)
    return np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_NEAREST_EXACT), np.uint8)


def _mirror(pixels: NDArray[np.uint8], box: tuple[int, int, int, int], canvas: tuple[int, int]) -> NDArray[np.uint8]:
    """Pixels [h, w] or [h, w, C] at ``box`` of a canvas (width, height) whose margin mirrors them."""
    left, top, right, bottom = box
    margins = [(top, canvas[1] - bottom), (left, canvas[0] - right)] + [(0, 0)] * (pixels.ndim - 2)
    return np.pad(pixels, margins, mode="symmetric")
