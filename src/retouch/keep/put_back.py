"""A small edit put back into a large picture: its own pixels everywhere else, its fine texture where that fits."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from retouch.keep.enlarge import Enlarged, strips
from retouch.keep.planes import Mask, Plane, mean
from retouch.keep.transfer import around, drawn_anew, transfer

_SOFT = 2.0  # pixels of the model's grid over which the edit fades in


def weights(region: Mask, size: tuple[int, int]) -> Plane:
    """How much of the edit each pixel of the large picture takes: 0 outside the region, 1 well inside, soft between.

    Args:
        region: [h, w], at the model's size.
        size: of the large picture (width, height).
    """
    plane = cv2.resize(region.astype(np.float32), size, interpolation=cv2.INTER_LINEAR)
    radius = round(_SOFT * size[0] / region.shape[1] / 2)
    plane = mean(mean(np.clip(2 * plane - 1, 0, 1).astype(np.float32), radius), radius)
    plane = np.clip((plane - 0.35) / 0.65, 0, 1)
    return np.asarray(plane * plane * (3 - 2 * plane), np.float32)


def put_back(
    large: NDArray[np.uint8],
    unasked: Plane,
    edited: Plane,
    weight: Plane,
    *,
    texture: bool = True,
    finer: Plane | None = None,
) -> NDArray[np.uint8]:
    """The large picture with the edit in it.

    Where the edit keeps the structure of what it changed, a local affine map of colours e ≈ g r + A r + b is applied to
    the large picture, whose texture survives; where it draws something else, the edit itself is enlarged.

    Args:
        large: the input, [H, W, 3].
        unasked, edited: as for :func:`retouch.keep.change.changed`.
        weight: [H, W]; where it is 0 the input's bytes come back.
        texture: whether the input's may be put into the edit at all; False enlarges the edit everywhere.
        finer: the edit at a larger size, for where it is enlarged; None for ``edited`` itself.

    Returns:
        [H, W, 3].
    """
    out = large.copy()
    rows, columns = (np.flatnonzero(weight.any(axis)) for axis in (1, 0))
    if not len(rows):
        return out
    top, bottom, left, right = int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
    size = (large.shape[1], large.shape[0])
    drawn = Enlarged(edited if finer is None else finer, size, (left, right), "lanczos")
    maps = None
    if texture:
        colours = transfer(unasked, edited)
        small = cv2.resize(weight, (edited.shape[1], edited.shape[0]), interpolation=cv2.INTER_AREA)
        anew = drawn_anew(colours, unasked, edited, small > 0)[..., None]
        planes = [colours.gain, colours.mix, colours.shift, anew, *around(edited)]
        maps = Enlarged(np.concatenate(planes, 2), size, (left, right))
    for first, last in strips(top, bottom, right - left):
        here = large[first:last, left:right]
        own = here.transpose(0, 2, 1).astype(np.float32)
        inside = drawn.rows(first, last)
        if maps is not None:
            inside = _textured(own, inside, maps.rows(first, last))
        share = weight[first:last, None, left:right]
        mixed = own + share * (np.clip(inside, 0, 255) - own)
        taken = np.rint(mixed).astype(np.uint8).transpose(0, 2, 1)
        out[first:last, left:right] = np.where(share[:, 0, :, None] > 0, taken, here)
    return out


def _textured(own: Plane, drawn: Plane, maps: Plane) -> Plane:
    """The picture's colours [s, 3, columns] mapped, and the drawn ones where they are drawn anew."""
    mapped = maps[:, :1] * own + maps[:, 10:13]
    for channel in range(3):
        mapped += own[:, channel : channel + 1] * maps[:, 1 + 3 * channel : 4 + 3 * channel]
    mapped = np.clip(mapped, maps[:, 14:17], maps[:, 17:])
    return np.asarray(mapped + np.clip(maps[:, 13:14], 0, 1) * (drawn - mapped), np.float32)
