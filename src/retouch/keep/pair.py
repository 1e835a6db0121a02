"""Anybody's edit, with the input's own pixels put back wherever it changed nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from retouch.errors import BadPicture
from retouch.keep.change import changed
from retouch.keep.planes import Mask, Plane, blurred, floats, resized
from retouch.keep.put_back import put_back, weights
from retouch.keep.register import Matrix, Tone, alike, between, laid_over, motion, moved, refined, tone
from retouch.picture import from_image

_SIDE = 512  # the longer side at which pictures are compared
_SHAPE = 0.03  # by how much the shapes may differ
_ALIKE = 0.5  # the least correlation of two pictures of one thing, where nothing changed
_LEFT = 0.1  # the least share of the picture that nothing changed
_ROUNDS = 3  # laid over, toned, looked at for what changed, and again without that
_SOFTER = (0.0, 0.5, 0.8, 1.2, 1.8, 2.5)  # how much softer an edit may be, as a Gaussian blur in pixels
_GROW = 2  # pixels: an edit by another tool is known less well
_COARSE = 0.75  # an edit of fewer pixels a side than this share lends its change of colour, and not its blur


@dataclass(frozen=True)
class Kept:
    """An edit put back into the picture it was made of.

    Attributes:
        image: RGB, the size of the picture before.
        changed: L, how much of the edit each pixel takes; 0 where it is the one of the picture before.
        untouched: the share of such pixels, 0..1.
        shift: how far the edit had moved at most, in pixels of the picture before.
        drift: how far its tone had drifted on average, in levels of 0..255.
    """

    image: Image.Image
    changed: Image.Image
    untouched: float
    shift: float
    drift: float


@dataclass(frozen=True)
class _Compared:
    """Two pictures of one size: the second in the first's frame, the first as soft as it, and where they differ."""

    matrix: Matrix
    tone: Tone
    laid: Plane
    soft: Plane
    region: Mask


def keep(before: Image.Image, after: Image.Image) -> Kept:
    """Takes over what ``after`` changed and nothing else.

    The edit is laid over the picture (a shift, a zoom, a turn, all small), the drift of its tone is measured where
    nothing changed and undone, and what differs still, beyond the blur that came with the edit, is what it changed.

    Args:
        before, after: of any mode and size, but one shape.

    Raises:
        BadPicture: when their shapes differ, or they have too little in common.
    """
    before, after = (_picture(one, name) for one, name in ((before, "before"), (after, "after")))
    if before.size == after.size and before.tobytes() == after.tobytes():
        return Kept(before, Image.new("L", before.size), untouched=1.0, shift=0.0, drift=0.0)
    one_shape, other_shape = (picture.width / picture.height for picture in (before, after))
    if abs(one_shape / other_shape - 1) > _SHAPE:
        raise BadPicture(
            f"before is {before.width} x {before.height} and after {after.width} x {after.height}: expected one shape; "
            "crop them alike."
        )
    size, scale = before.size, min(1.0, _SIDE / max(before.size))
    small = (max(8, round(size[0] * scale)), max(8, round(size[1] * scale)))
    large = floats(before)
    shown = resized(large, small)
    found = _compared(shown, resized(floats(after), small))

    edit, seen = laid_over(floats(after), between(found.matrix, small, size, after.size), size)
    weight = weights(found.region, size) * seen
    if after.width < _COARSE * before.width:
        whole = put_back(np.asarray(before), found.soft, found.tone.undone(found.laid), weight)
    else:
        out = large + weight[..., None] * (found.tone.undone(edit) - large)
        whole = np.where(weight[..., None] > 0, np.clip(np.rint(out), 0, 255), large).astype(np.uint8)
    return Kept(
        Image.fromarray(whole),
        Image.fromarray(np.ceil(weight * 255).astype(np.uint8)),
        untouched=float((weight == 0).mean()),
        shift=float(np.abs(moved(between(found.matrix, small, size, size), size)).max()),
        drift=float(np.abs(found.tone.applied(shown) - shown).mean()),
    )


def _picture(image: object, name: str) -> Image.Image:
    """A picture of any mode as RGB.

    Raises:
        BadPicture: when it is none.
    """
    if not isinstance(image, Image.Image):
        raise BadPicture(f"{name} is of the type {type(image).__name__}, expected a PIL image.")
    return from_image(image).image


def _compared(one: Plane, other: Plane) -> _Compared:
    """What changed between two pictures of one size, found in rounds: each knows better where nothing did."""
    size = (one.shape[1], one.shape[0])
    start = motion(one, other)
    matrix = np.eye(2, 3, dtype=np.float32) if start is None else start
    still = np.ones(one.shape[:2], bool)
    for number in range(_ROUNDS):
        if number or start is None:  # before it is known what changed, points are the better guide
            matrix = refined(one, other, matrix, still)
        laid, seen = laid_over(other, matrix, size)
        drift = tone(one, laid, seen & still)
        soft = min(
            (blurred(one, sigma) for sigma in _SOFTER), key=lambda plane: _usual(drift.applied(plane), laid, seen)
        )
        region = changed(drift.applied(one), drift.applied(soft), laid, grow=_GROW, unrest=False) & seen
        still = seen & ~region
        if still.mean() < _LEFT:
            break
    if still.mean() < _LEFT or alike(drift.applied(one), laid, still) < _ALIKE:
        raise BadPicture(
            "before and after have too little in common: no pixel of the picture before would be left. Expected an "
            "edit of the same picture, moved by a little at most."
        )
    return _Compared(matrix, drift, laid, soft, region)


def _usual(one: Plane, other: Plane, seen: Mask) -> float:
    """How far two pictures lie apart where they are alike: by the median, which no change in a part of them moves."""
    apart = np.abs(one - other).mean(2)[seen]
    return float(np.median(apart)) + 0.02 * float(apart.mean())
