"""A small edit put back into a large picture: its own pixels everywhere else, its fine texture where that fits."""

from __future__ import annotations

import cv2
import numpy as np

from retouch.keep.planes import Mask, Plane, blurred, grown, length, luma_chroma, mean, resized, touching

_WINDOW = 3  # pixels of the model's grid: the radius in which a change of colour is taken for one and the same
_RIDGE = 30.0  # squared grey levels: where the picture is flat the change is an offset alone
_DARK = 16.0  # grey levels added to both before their brightness is compared
_GAIN = (0.3, 2.0)
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


def put_back(large: Plane, shown: Plane, unasked: Plane, edited: Plane, weight: Plane) -> Plane:
    """The large picture with the edit in it.

    Where the edit keeps the structure of what it changed, a local affine map of colours e ≈ g r + A r + b is applied to
    the large picture, whose texture survives; where it draws something else, the edit itself is enlarged.

    Args:
        large: the input, [H, W, 3] in 0..255.
        shown, unasked, edited: as for :func:`retouch.keep.change.changed`.
        weight: [H, W]; where it is 0 the input's values come back.

    Returns:
        [H, W, 3].
    """
    if not weight.any():
        return large
    size, small = (large.shape[1], large.shape[0]), (edited.shape[1], edited.shape[0])
    transferred = _transferred(large, unasked, edited)
    again = resized(np.clip(transferred, 0, 255), small)
    drawn = _drawn_anew(again, shown, unasked, edited)
    fresh = np.clip(resized(drawn, size), 0, 1)[..., None]
    inside = transferred + fresh * (_enlarged(edited, size) - transferred)
    out = large + weight[..., None] * (np.clip(inside, 0, 255) - large)
    out[weight == 0] = large[weight == 0]
    return out


def _enlarged(edited: Plane, size: tuple[int, int]) -> Plane:
    return np.asarray(cv2.resize(edited, size, interpolation=cv2.INTER_LANCZOS4), np.float32)


def _transferred(large: Plane, unasked: Plane, edited: Plane) -> Plane:
    """g X + A X + b with coefficients found at the model's size (a guided filter of colours) and enlarged."""
    size = (large.shape[1], large.shape[0])
    light, lit = (mean(luma_chroma(one)[..., 0], _WINDOW) for one in (unasked, edited))
    gain = np.clip((lit + _DARK) / (light + _DARK), *_GAIN).astype(np.float32)[..., None]
    rest = np.asarray(edited - gain * unasked, np.float32)
    centre, offset = mean(unasked, _WINDOW), mean(rest, _WINDOW)
    spread = _products(unasked, unasked) - centre[..., :, None] * centre[..., None, :]
    joint = _products(unasked, rest) - centre[..., :, None] * offset[..., None, :]
    mix = np.linalg.solve(spread + _RIDGE * np.eye(3, dtype=np.float32), joint)
    shift = offset - (centre[..., None, :] @ mix)[..., 0, :]
    mix = mean(mix.reshape(*mix.shape[:2], 9).astype(np.float32), 2)
    shift, gain = mean(shift.astype(np.float32), 2), mean(gain.astype(np.float32), 2)
    out = resized(gain, size)[..., None] * large + resized(shift, size)
    for channel in range(3):
        out += large[..., channel : channel + 1] * resized(
            np.ascontiguousarray(mix[..., 3 * channel : 3 * channel + 3]), size
        )
    return np.asarray(out, np.float32)


def _products(one: Plane, other: Plane) -> Plane:
    """The windows' means of every product of two channels, [h, w, 3, 3]."""
    whole = one[..., :, None] * other[..., None, :]
    return mean(whole.reshape(*whole.shape[:2], 9), _WINDOW).reshape(whole.shape)


def _drawn_anew(again: Plane, shown: Plane, unasked: Plane, edited: Plane) -> Plane:
    """0..1 [h, w]: where the transfer, made small again, agrees worse with the edit than the picture does with r.

    Or where an outline came or went that the transfer does not show.
    """
    agrees, usual = _agreement(again, edited), _agreement(shown, unasked)
    kernel = np.ones((3, 3), np.uint8)
    gap = np.clip(cv2.erode(blurred(usual, 1.0), kernel) - agrees, 0, 2)
    busy, busier = _busy(again), _busy(edited)
    gone, fresh = (busy > 4.5) & (busier < 0.66 * busy), (busier > 11) & (busy < 0.55 * busier)
    region = touching(gap > 0.12, gap > 0.3) | gone | fresh
    region = grown(grown(grown(region, 2), -2), 2)
    return np.clip(blurred(region.astype(np.float32), 1.2) * 1.25 - 0.1, 0, 1)


def _agreement(one: Plane, other: Plane) -> Plane:
    """How alike two pictures are around each cell, at most 1: SSIM of three planes, in structure and level."""
    a, b = (blurred(luma_chroma(plane), 0.7) for plane in (one, other))
    mean_a, mean_b = mean(a, 2), mean(b, 2)
    var_a, var_b = mean(a * a, 2) - mean_a**2, mean(b * b, 2) - mean_b**2
    structure = (2 * (mean(a * b, 2) - mean_a * mean_b) + 60) / (var_a + var_b + 60)
    level = np.exp(-np.square((mean_a - mean_b) / 25))
    return np.asarray((structure * level).min(2), np.float32)


def _busy(plane: Plane) -> Plane:
    """The standard deviation around each cell, all channels together."""
    planes = luma_chroma(plane)
    return length(np.sqrt(np.maximum(mean(planes * planes, 2) - mean(planes, 2) ** 2, 0)))
