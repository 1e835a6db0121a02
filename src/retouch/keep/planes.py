"""Arithmetic on pictures as float32 planes [h, w] and [h, w, 3], 0..255: OpenCV's filters, under one convention."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]
"""[h, w] or [h, w, 3], 0..255."""
Mask = NDArray[np.bool_]
"""[h, w]."""
_EDGE = cv2.BORDER_REPLICATE


def floats(picture: Any) -> Plane:
    """A picture (PIL, or uint8 [h, w, 3]) as float32."""
    return np.asarray(picture, np.float32)


def luma_chroma(rgb: Plane) -> Plane:
    """Y, Cr and Cb of RGB, not offset: differences of pictures are converted like pictures."""
    weights = np.array(
        [[0.299, 0.587, 0.114], [0.500, -0.419, -0.081], [-0.169, -0.331, 0.500]], np.float32
    )  # ITU-R BT.601
    return np.asarray(cv2.transform(rgb, weights), np.float32)


def blurred(plane: Plane, sigma: float) -> Plane:
    """A Gaussian blur; ``sigma`` in pixels, 0 for none."""
    if not sigma:
        return plane
    return np.asarray(cv2.GaussianBlur(plane, (0, 0), sigma, borderType=_EDGE), np.float32)


def mean(plane: Plane, radius: int) -> Plane:
    """The mean over squares of 2·radius + 1 pixels."""
    side = 2 * radius + 1
    return np.asarray(cv2.blur(plane, (side, side), borderType=_EDGE), np.float32)


def length(plane: Plane) -> Plane:
    """√Σ over channels, [h, w]."""
    return np.asarray(np.sqrt(np.square(plane).sum(2)), np.float32)


def spread(plane: Plane) -> Plane:
    """The standard deviation around each pixel, all channels together: how much is to be seen there."""
    planes = luma_chroma(plane)
    return length(np.sqrt(np.maximum(mean(planes * planes, 2) - mean(planes, 2) ** 2, 0)))


def grown(mask: Mask, radius: int) -> Mask:
    """A mask grown by ``radius`` pixels on every side; shrunk below 0."""
    if not radius:
        return mask
    change = cv2.dilate if radius > 0 else cv2.erode
    side = 2 * abs(radius) + 1
    return change(mask.astype(np.uint8), np.ones((side, side), np.uint8)) > 0


def touching(mask: Mask, seeds: Mask) -> Mask:
    """The connected parts (8 neighbours) of a mask that hold at least one seed."""
    _, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    held = np.unique(labels[seeds & mask])
    return np.isin(labels, held[held > 0])


def resized(plane: Plane, size: tuple[int, int]) -> Plane:
    """A plane at another size (width, height): area means downwards, bicubic upwards."""
    if (plane.shape[1], plane.shape[0]) == size:
        return plane
    smaller = size[0] < plane.shape[1]
    return np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC), np.float32)
