"""What an edit did to the colours of what it kept, as maps that can be applied to a larger picture; found small."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from retouch.keep.planes import Mask, Plane, blurred, grown, luma_chroma, mean, spread, touching

_EDGE = cv2.BORDER_REPLICATE
_WINDOW = 5  # pixels of the model's grid: the radius in which a change of colour is taken for one and the same
_RIDGE = 30.0  # squared grey levels: where the picture is flat the change is an offset alone
_BEYOND = 24.0  # grey levels: texture is finer than an edit draws it
_DARK = 16.0  # grey levels added to both before their brightness is compared
_GAIN = (0.3, 2.0)
_RECOLOURED = 0.3  # an edit that draws a smaller share of its region anew is one of colours
_APART = (0.45, 0.8)  # of 2: how far two pictures disagree that perhaps, and surely, show other things


@dataclass(frozen=True)
class Transfer:
    """e ≈ g c + A c + b around each pixel of the model's grid, for the colours c of the picture.

    Attributes:
        gain: g, [h, w, 1].
        mix: A, [h, w, 9]: the three weights of the first channel's share, then of the second's and the third's.
        shift: b, [h, w, 3].
    """

    gain: Plane
    mix: Plane
    shift: Plane

    def applied(self, picture: Plane) -> Plane:
        """The colours of a picture [h, w, 3] changed likewise."""
        out = self.gain * picture + self.shift
        for channel in range(3):
            out += picture[..., channel : channel + 1] * self.mix[..., 3 * channel : 3 * channel + 3]
        return np.asarray(out, np.float32)


def transfer(unasked: Plane, edited: Plane) -> Transfer:
    """The maps that lead from ``unasked`` to ``edited``, [h, w, 3] each: a guided filter (He et al. 2013) of colours.

    Brightness is a factor, so that texture grows and fades with it; the rest is fitted by ridge regression.
    """
    light, lit = (mean(luma_chroma(one)[..., 0], _WINDOW) for one in (unasked, edited))
    gain = np.clip((lit + _DARK) / (light + _DARK), *_GAIN).astype(np.float32)[..., None]
    rest = np.asarray(edited - gain * unasked, np.float32)
    centre, offset = mean(unasked, _WINDOW), mean(rest, _WINDOW)
    spread = _products(unasked, unasked) - centre[..., :, None] * centre[..., None, :]
    joint = _products(unasked, rest) - centre[..., :, None] * offset[..., None, :]
    mix = np.linalg.solve(spread + _RIDGE * np.eye(3, dtype=np.float32), joint)
    shift = offset - (centre[..., None, :] @ mix)[..., 0, :]
    mix = mean(mix.reshape(*mix.shape[:2], 9).astype(np.float32), 2)
    return Transfer(mean(gain, 2)[..., None], mix, mean(shift.astype(np.float32), 2))


def _products(one: Plane, other: Plane) -> Plane:
    """The windows' means of every product of two channels, [h, w, 3, 3]."""
    whole = one[..., :, None] * other[..., None, :]
    return mean(whole.reshape(*whole.shape[:2], 9), _WINDOW).reshape(whole.shape)


def around(edited: Plane) -> tuple[Plane, Plane]:
    """The darkest and the brightest that mapped colours may be, [h, w, 3] each: little beyond what the edit has there.

    Beside an outline a map is found from colours of both sides, and may lead one of them far away.
    """
    near = np.ones((2 * _WINDOW + 1,) * 2, np.uint8)
    least, most = cv2.erode(edited, near), cv2.dilate(edited, near)
    return np.asarray(least - _BEYOND, np.float32), np.asarray(most + _BEYOND, np.float32)


def drawn_anew(colours: Transfer, unasked: Plane, edited: Plane, region: Mask) -> Plane:
    """How far the edit draws something else than what was there in other colours: 0..1, [h, w].

    That is where the transfer, applied to what the model makes of the picture unasked, disagrees with the edit; or
    where an outline went or came. Both are seen through the same model, so that what it cannot draw at its size counts
    for nothing, and stays as the picture has it. Where most of an edit is in other colours alone, its outlines may
    lie a pixel beside the picture's: then they are the picture's own.

    Args:
        region: where the edit is, [h, w].
    """
    told = np.clip(colours.applied(unasked), 0, 255)
    loose = _apart(told, unasked, edited, 1)
    share = float(_faded(loose, 2, 1)[region].mean()) if region.any() else 0.0
    return _faded(loose, 1, 0) if share < _RECOLOURED else _faded(_apart(told, unasked, edited, 0), 2, 1)


def _apart(told: Plane, unasked: Plane, edited: Plane, slack: int) -> Mask:
    """Where what is told and what is drawn disagree, though outlines may lie so many pixels apart."""
    shifts = range(-slack, slack + 1)
    gap = 1 - np.max([_agreement(_moved(told, dx, dy), edited) for dx in shifts for dy in shifts], axis=0)
    busy, busier = spread(unasked), spread(edited)
    most, more = (cv2.dilate(plane, np.ones((2 * slack + 1,) * 2, np.uint8)) for plane in (busy, busier))
    gone, fresh = (busy > 9) & (more < 0.4 * busy), (busier > 11) & (most < 0.4 * busier)
    return touching(gap > _APART[0], gap > _APART[1]) | gone | fresh


def _faded(region: Mask, close: int, grow: int) -> Plane:
    """A region without gaps, grown, with a soft edge: 0..1."""
    whole = grown(grown(grown(region, close), -close), grow)
    return np.clip(blurred(whole.astype(np.float32), 1.2) * 1.25 - 0.1, 0, 1)


def _moved(plane: Plane, dx: int, dy: int) -> Plane:
    """A plane moved by whole pixels; its edge is repeated."""
    matrix = np.array([[1, 0, dx], [0, 1, dy]], np.float32)
    size = (plane.shape[1], plane.shape[0])
    return np.asarray(cv2.warpAffine(plane, matrix, size, flags=cv2.INTER_NEAREST, borderMode=_EDGE), np.float32)


def _agreement(one: Plane, other: Plane) -> Plane:
    """How alike two pictures are around each cell, at most 1: SSIM of three planes, in structure and level."""
    a, b = (blurred(luma_chroma(plane), 0.7) for plane in (one, other))
    mean_a, mean_b = mean(a, 2), mean(b, 2)
    var_a, var_b = mean(a * a, 2) - mean_a**2, mean(b * b, 2) - mean_b**2
    structure = (2 * (mean(a * b, 2) - mean_a * mean_b) + 60) / (var_a + var_b + 60)
    level = np.exp(-np.square((mean_a - mean_b) / 25))
    return np.asarray((structure * level).min(2), np.float32)
