"""An edit made at the model's size, put into the picture at its own: only what it changed, only where it may."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from retouch.keep.change import changed
from retouch.keep.edge import to_outlines
from retouch.keep.planes import Plane
from retouch.keep.put_back import put_back, weights

EVERYWHERE = 0.7
"""A change that reaches more than this share of the picture is one of the whole picture: its place, its style."""
_FULL = 64.0  # the grey of a mask from which on a pixel is the edit's alone: it was held long enough to be like X below
_FADE = 2.0  # pixels of the model's grid over which the edit fades in from a mask's edge, at most
_THIN = 0.25  # of a mask's own half width: a thin one fades in faster


def put_into(
    large: Image.Image,
    shown: Plane,
    unasked: Plane,
    edited: Plane,
    *,
    changed_only: bool = True,
    everywhere: bool = False,
    mask: Image.Image | None = None,
    finer: Plane | None = None,
) -> tuple[Image.Image, NDArray[np.float32], bool]:
    """The picture with the edit in it.

    Args:
        large: the input, RGB.
        shown, unasked, edited: [h, w, 3] in 0..255: the input at the model's size, what the model makes of it when
            nothing is asked, and the edit.
        changed_only: whether only what the edit changed is taken.
        everywhere: whether that holds for a change of the whole picture, too.
        mask: L, of the input's size: where it is 0 the input's bytes stay.
        finer: the edit enlarged by a model, [s h, s w, 3]; None for none.

    Returns:
        the picture, how much of the edit each pixel takes [H, W] in 0..1, and whether all of it was taken because the
        change is one of the whole picture.
    """
    weight, whole = np.ones((large.height, large.width), np.float32), False
    if changed_only:
        region = changed(shown, unasked, edited)
        whole = not everywhere and float(region.mean()) > EVERYWHERE
        if not whole:
            weight = to_outlines(np.asarray(large), unasked, edited, weights(region, large.size))
    if mask is not None:
        weight = weight * mask_weights(mask, large.width / shown.shape[1])
    texture = changed_only and not whole
    out = put_back(np.asarray(large), unasked, edited, weight, texture=texture, finer=finer)
    return Image.fromarray(out), weight, whole


def mask_weights(mask: Image.Image, scale: float) -> Plane:
    """How much of an edit each pixel takes under a mask: 0 where it is 0, 1 well inside, fading in between.

    Args:
        mask: L, where grey has held the edit back already.
        scale: pixels of the picture per pixel of the model's grid.
    """
    plane = np.asarray(mask)
    inside = cv2.copyMakeBorder((plane > 0).astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_REPLICATE)  # no edge at the frame
    distance = cv2.distanceTransform(inside, cv2.DIST_L2, 3)[1:-1, 1:-1]
    if distance.max() > max(plane.shape) * 2:  # no edge at all
        return np.minimum(1, plane / np.float32(_FULL))
    fade = max(1.0, min(_FADE * scale, _THIN * float(distance.max())))
    return np.asarray(np.minimum(plane / np.float32(_FULL), distance / fade).clip(0, 1), np.float32)
