"""Two pictures of one thing laid over each other: a small shift and zoom, and a drift of tone, found and undone."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from retouch.keep.planes import Mask, Plane, blurred, length, luma_chroma

Matrix = NDArray[np.float32]
"""[2, 3]: pixel (x, y) of the first picture lies at matrix · (x, y, 1) of the second."""
_STEPS = 40
_POINTS = 12  # the fewest that say how a picture moved
_FAR, _STRAY = 0.1, 0.02  # of the longer side: pairs further apart are none; a refinement goes no further than this
_STILL = 0.05  # pixels of the large picture: a motion below this everywhere is none
_FITS = 10
_FLAT = 8.0  # grey levels: the spread of tones below which they say little about a gain
_GAINS = (0.6, 1.6)


@dataclass(frozen=True)
class Tone:
    """A drift of tone, a gain and an offset [3] for each channel: what was c is gain · c + offset."""

    gain: NDArray[np.float64]
    offset: NDArray[np.float64]

    def applied(self, picture: Plane) -> Plane:
        """The picture in the other's tone."""
        return np.asarray(picture * self.gain + self.offset, np.float32)

    def undone(self, picture: Plane) -> Plane:
        """A picture of that tone in the first's."""
        return np.asarray((picture - self.offset) / self.gain, np.float32)


_SAME = Tone(np.ones(3), np.zeros(3))


def motion(before: Plane, after: Plane) -> Matrix | None:
    """The shift, zoom and turn of ``after`` against ``before`` that most pairs of points agree on (SIFT, RANSAC).

    It holds whatever else changed, to a pixel or so.

    Args:
        before, after: [h, w, 3] of the same size.

    Returns:
        None where too few points do.
    """
    finder = cv2.SIFT.create(nfeatures=1500, contrastThreshold=0.02)
    (here, about), (there, about_there) = (
        finder.detectAndCompute(_luma(plane).clip(0, 255).astype(np.uint8), None) for plane in (before, after)
    )
    if about is None or about_there is None or min(len(here), len(there)) < _POINTS:
        return None
    pairs = cv2.BFMatcher(cv2.NORM_L2, crossCheck=True).match(about, about_there)
    first = np.array([here[pair.queryIdx].pt for pair in pairs], np.float32).reshape(-1, 2)
    second = np.array([there[pair.trainIdx].pt for pair in pairs], np.float32).reshape(-1, 2)
    near = np.abs(first - second).max(1) < _FAR * max(before.shape[:2])
    if near.sum() < _POINTS:
        return None
    cv2.setRNGSeed(0)
    matrix, agree = cv2.estimateAffinePartial2D(
        first[near], second[near], method=cv2.RANSAC, ransacReprojThreshold=1.5, maxIters=5000, confidence=0.999
    )
    return None if matrix is None or agree.sum() < _POINTS else np.asarray(matrix, np.float32)


def refined(before: Plane, after: Plane, start: Matrix, still: Mask) -> Matrix:
    """A motion to a small part of a pixel, from one that is near (enhanced correlation, Evangelidis & Psarakis 2008).

    Args:
        still: where the pictures may be compared.

    Returns:
        the motion, or ``start`` where the search strays from it.
    """
    criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, _STEPS, 1e-6)
    try:
        _, ended = cv2.findTransformECC(
            _luma(before), _luma(after), start.copy(), cv2.MOTION_AFFINE, criteria, still.astype(np.uint8), 5
        )
    except cv2.error:  # it leads nowhere
        return start
    size, found = (before.shape[1], before.shape[0]), np.asarray(ended, np.float32)
    strays = np.abs(moved(found, size) - moved(start, size)).max() > _STRAY * max(size)
    return start if strays else found


def alike(one: Plane, other: Plane, still: Mask) -> float:
    """The correlation of two pictures' light where nothing changed, -1..1; 0 where there is nothing to compare."""
    a, b = (_luma(plane)[still].astype(np.float64) for plane in (one, other))
    a, b = a - a.mean(), b - b.mean()
    size = float(np.sqrt(np.square(a).sum() * np.square(b).sum()))
    return float((a * b).sum()) / size if size else 0.0


def _luma(plane: Plane) -> Plane:
    return np.ascontiguousarray(luma_chroma(plane)[..., 0])


def moved(matrix: Matrix, size: tuple[int, int]) -> NDArray[np.float64]:
    """By how much the corners of a picture (width, height) move, [4, 2] in pixels."""
    corners = np.array([[x, y, 1] for x in (0, size[0] - 1) for y in (0, size[1] - 1)], np.float64)
    return corners @ matrix.T.astype(np.float64) - corners[:, :2]


def laid_over(after: Plane, matrix: Matrix, size: tuple[int, int]) -> tuple[Plane, Mask]:
    """The second picture in the first's frame (width, height), and where it has pixels; the rest is its edge's."""
    if np.abs(moved(matrix, size)).max() < _STILL and (after.shape[1], after.shape[0]) == size:
        return after, np.ones(size[::-1], bool)
    how = cv2.INTER_LANCZOS4 | cv2.WARP_INVERSE_MAP
    there = np.ones(after.shape[:2], np.uint8)
    seen = cv2.warpAffine(there, matrix, size, flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP) > 0
    return np.asarray(cv2.warpAffine(after, matrix, size, flags=how, borderMode=cv2.BORDER_REPLICATE), np.float32), seen


def tone(before: Plane, after: Plane, still: Mask) -> Tone:
    """How the tone drifted from one picture to the other, by robust least squares where ``still``.

    What fits badly counts for nothing in the end (Geman and McClure's weights), so that a region that changed and was
    not seen yet does not lead. Gains stay near 1: a change of one colour into another is no drift.
    """
    one, other = (blurred(plane, 1.5)[still].astype(np.float64) for plane in (before, after))
    if len(one) < 64:
        return _SAME
    step = max(1, len(one) // 40_000)
    one, other = one[::step], other[::step]
    gain, offset = np.ones(3), np.median(other - one, 0)
    for _ in range(_FITS):
        error = length((other - gain * one - offset)[:, None].astype(np.float32))[:, 0]
        spread = max(3.0, 1.5 * float(np.median(error)))
        weight = 1 / np.square(1 + np.square(error / spread))[:, None]
        total = weight.sum(0)
        middle, theirs = (weight * one).sum(0) / total, (weight * other).sum(0) / total
        held = _FLAT**2 * total  # drawn to a gain of 1 where there is one colour alone
        joint = (weight * (one - middle) * (other - theirs)).sum(0) + held
        gain = np.clip(joint / ((weight * np.square(one - middle)).sum(0) + held), *_GAINS)
        offset = theirs - gain * middle
    return Tone(gain, offset)


def between(matrix: Matrix, small: tuple[int, int], before: tuple[int, int], after: tuple[int, int]) -> Matrix:
    """A motion that was found with both pictures at one ``small`` size, between them at their own (width, height).

    Pixels are counted from their centres.
    """
    down, up = np.eye(3), np.eye(3)
    for axis in (0, 1):
        for change, factor in ((down, small[axis] / before[axis]), (up, after[axis] / small[axis])):
            change[axis, axis], change[axis, 2] = factor, 0.5 * factor - 0.5
    whole = np.concatenate([matrix.astype(np.float64), [[0, 0, 1]]])
    return np.asarray((up @ whole @ down)[:2], np.float32)
