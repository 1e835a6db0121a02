"""Pictures as arrays of numbers in -1..1, and back."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from retouch.errors import BadPicture


def to_array(image: Image.Image) -> NDArray[np.float32]:
    """An RGB picture as float32 [3, H, W] in -1..1."""
    values = np.asarray(image.convert("RGB"), np.float32).transpose(2, 0, 1)
    return np.ascontiguousarray(values / np.float32(127.5) - 1)


def from_array(values: NDArray[np.float32]) -> Image.Image:
    """The inverse of :func:`to_array`: exact for what came from 8 bits, clipped and rounded otherwise.

    Raises:
        BadPicture: when there are values that are not numbers, which would else turn black unseen.
    """
    if not np.isfinite(values).all():
        raise BadPicture("the model returned values that are not numbers: try float32 or a lower guidance scale.")
    pixels = np.clip((values.astype(np.float32) + 1) * np.float32(127.5), 0, 255).round().astype(np.uint8)
    return Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0)))
