"""By how much a picture moved: phase correlation for whole pixels, least squares for their parts."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]
"""[h, w], grey levels 0..255."""
Region = NDArray[np.bool_]
"""[h, w], where pixels count."""
Offset = tuple[float, float]
"""Pixels to the right and down."""

SMALLEST_SIDE = 16
"""Pixels along a side, below which no shift is looked for."""
FURTHEST = 0.25
"""Of the shorter side: what seems to lie further away is taken for another picture."""
LEAST_ALIKE = 0.3
"""Correlation of both pictures' detail, one laid over the other, below which they have too little in common."""

_LARGEST_SIDE = 512  # pixels: what is larger is looked at smaller, in whole parts
_COARSE, _FINE = (
    8.0,
    1.0,
)  # pixels: deviation of the blur whose result is light and no detail, and of that against noise
_TAPER = 0.06  # of the shorter side: over so much a region's edge fades, which else would be seen to stand still
_STEPS, _SETTLED = 20, 1e-3  # of the refinement, and pixels
_SAME_START = 0.5  # pixels: starts that are nearer together lead to the same end
_ENOUGH, _NEARLY = 16_384, 0.01  # pixels that the first steps look at, until they are so short; the last look at all
_FLAT = 1e-3  # squared levels a pixel: slopes below this show no motion
_USUAL = 0.5  # grey levels between pictures that are alike, at least
_RIM = 2  # pixels, that are left out along the picture's edge


def shift_between(before: Plane, after: Plane, region: Region) -> Offset:
    """The one shift with which ``after`` is most like ``before`` within a region, whatever changed elsewhere.

    Phase correlation (Kuglin & Hines 1975) of both pictures without their coarse light, faded out at the region's edge,
    says it to a pixel or so. From there, and from no shift at all, least squares in the shift, a gain and an offset of
    light (Lucas & Kanade 1981) lead to a small part of a pixel, with less weight where much differs; the end that fits
    better counts. So neither a drift of tone nor softness is taken for motion, nor what was drawn anew.

    Returns:
        zeros where every pixel of the region is the same; NaN where the region is empty or flat, the picture has
        fewer than :data:`SMALLEST_SIDE` pixels along a side, or the pictures have too little in common there
        (:data:`FURTHEST`, :data:`LEAST_ALIKE`).
    """
    nothing = (math.nan, math.nan)
    if not region.any():
        return nothing
    if np.array_equal(before[region], after[region]):
        return 0.0, 0.0
    times = -(-max(before.shape) // _LARGEST_SIDE)
    before, after = (_smaller(plane, times) for plane in (before, after))
    region = _smaller(region.astype(np.float32), times) > 0.99
    if not region.any() or min(before.shape) < SMALLEST_SIDE:
        return nothing
    starts = [(0.0, 0.0), _whole_pixels(before, after, region)]
    if math.hypot(*starts[1]) < _SAME_START:
        starts.pop()
    alike, (across, down) = max(_refined(before, after, region, start) for start in starts)
    near = math.hypot(across, down) <= FURTHEST * min(before.shape)
    return (times * across, times * down) if alike >= LEAST_ALIKE and near else nothing


def _smaller(plane: Plane, times: int) -> Plane:
    """The means of squares of so many pixels; what is left over at the edges is cut off."""
    if times == 1:
        return plane
    height, width = (side // times for side in plane.shape)
    return plane[: times * height, : times * width].reshape(height, times, width, times).mean((1, 3))


def _detail(plane: Plane) -> Plane:
    return plane - _blurred(plane, _COARSE)


def _blurred(plane: Plane, sigma: float) -> Plane:
    return np.asarray(cv2.GaussianBlur(plane, (0, 0), sigma), np.float32)


def _whole_pixels(before: Plane, after: Plane, region: Region) -> Offset:
    """By phase correlation."""
    height, width = before.shape
    inner = np.pad(region.astype(np.uint8), 1)
    reach = max(2.0, _TAPER * min(height, width))
    depth = cv2.distanceTransform(inner, cv2.DIST_L2, cv2.DIST_MASK_5)[1:-1, 1:-1]
    window = 0.5 - 0.5 * np.cos(np.pi * np.clip(depth / reach, 0, 1))
    planes = []
    for plane in (before, after):
        detail = _detail(plane)
        planes.append((detail - (detail * window).sum() / window.sum()) * window)
    (across, down), _ = cv2.phaseCorrelate(*planes)
    return float(across), float(down)


def _refined(before: Plane, after: Plane, region: Region, start: Offset) -> tuple[float, Offset]:
    """The correlation of detail at the shift where least squares end, and that shift; -1 where they lead nowhere."""
    one, other = (_blurred(plane, _FINE) for plane in (before, after))
    inner = region.copy()
    inner[:_RIM], inner[-_RIM:], inner[:, :_RIM], inner[:, -_RIM:] = False, False, False, False
    offset, tone, few = np.array(start), np.zeros(2), True
    for turn in range(_STEPS):
        moved, still = _laid_over(other, inner, offset)
        if not still.any():
            return -1.0, start
        here = np.flatnonzero(still)
        here = here[:: len(here) // _ENOUGH | 1] if few else here  # an odd step falls into every column
        light, theirs = one.ravel()[here].astype(np.float64), moved.ravel()[here].astype(np.float64)
        across, down = (cv2.Sobel(moved, cv2.CV_32F, *axis, scale=1 / 8).ravel()[here] for axis in ((1, 0), (0, 1)))
        slopes = np.stack([across, down, theirs, np.ones_like(theirs)]).astype(np.float64)
        if (slopes[:2] ** 2).mean(1).sum() < _FLAT:
            return -1.0, start
        apart = light - theirs
        weighed = slopes * _trust(apart - (tone[:, None] * slopes[2:]).sum(0))
        squares = np.einsum("in,jn->ij", weighed, slopes)  # BLAS would wake its threads for each
        squares[[0, 1], [0, 1]] += _FLAT * len(light)  # along a direction without slopes nothing moves
        step, tone = np.split(np.linalg.lstsq(squares, np.einsum("in,n->i", weighed, apart), rcond=None)[0], 2)
        if not np.isfinite(step).all() or np.hypot(*step) > min(before.shape):
            return -1.0, start
        offset = offset + step
        if not few and np.abs(step).max() < _SETTLED:
            break
        few = few and turn < _STEPS // 2 and np.abs(step).max() > _NEARLY
    moved, still = _laid_over(other, inner, offset)
    return _correlation(_detail(one)[still], _detail(moved)[still]), (float(offset[0]), float(offset[1]))


def _trust(residual: NDArray[np.float64]) -> NDArray[np.float64]:
    """How much each pixel counts, 0..1 (Cauchy's weights): what changed says nothing of the motion of the rest."""
    usual = max(_USUAL, float(np.median(np.abs(residual))))
    return 1 / (1 + np.square(residual / (2 * usual)))


def _laid_over(plane: Plane, region: Region, offset: NDArray[np.float64]) -> tuple[Plane, Region]:
    """A plane moved back by an offset, and where of a region it then has pixels that were in the region, too."""
    whole = np.floor(offset)
    matrix, size = np.array([[1, 0, whole[0]], [0, 1, whole[1]]], np.float32), (plane.shape[1], plane.shape[0])
    how = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
    moved = cv2.warpAffine(plane, matrix, size, flags=how, borderMode=cv2.BORDER_REPLICATE)
    there = cv2.warpAffine(region.astype(np.uint8), matrix, size, flags=how, borderValue=0)
    # by filters: OpenCV's own warp knows 32 places within a pixel
    across, down = map(_cubic, offset - whole)
    moved = cv2.sepFilter2D(moved, cv2.CV_32F, across, down, borderType=cv2.BORDER_REPLICATE)
    reach = np.ones((1 + 2 * _RIM, 1 + 2 * _RIM), np.uint8)
    return np.asarray(moved, np.float32), region & (cv2.erode(there, reach, borderValue=0) > 0)


def _cubic(part: float) -> NDArray[np.float64]:
    """Cubic convolution (Keys 1981) at a part of a pixel behind the middle: weights of five pixels."""
    far = np.abs(np.arange(-2, 3) - part)
    near, rest = 1.5 * far**3 - 2.5 * far**2 + 1, -0.5 * far**3 + 2.5 * far**2 - 4 * far + 2
    return np.where(far < 1, near, np.where(far < 2, rest, 0.0))


def _correlation(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    if not one.size:
        return -1.0
    a, b = (values.astype(np.float64) - values.mean(dtype=np.float64) for values in (one, other))
    size = math.sqrt(float((a * a).sum()) * float((b * b).sum()))
    return float((a * b).sum()) / size if size else -1.0
