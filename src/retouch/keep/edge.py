"""Where an enlarged edit ends: at the outlines of the larger picture, not a cell of the model's grid beside them."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from retouch.keep.planes import Mask, Plane, blurred, floats, length, luma_chroma, mean, resized, touching
from retouch.keep.put_back import put_back
from retouch.keep.transfer import drawn_anew, transfer

_FINER = 4  # times the model's grid: outlines are told apart at this size, at most
_SIDE = 1024  # pixels: a larger grid than a quarter of it is told apart at less, and at least at twice its own
_NEAR, _AROUND = 4, 8  # pixels of the model's grid: within which a change is compared with the largest, and ground seen
_HALF = (0.5, 0.8)  # of the largest change nearby: a pixel that changed less is beside what was drawn, or surely of it
_FADES = 1.5  # pixels of the model's grid over which an edit fades into what it is drawn on
_HARDLY = (0.2, 8.0)  # of the largest change nearby, and grey levels: less is hardly a change
_OF_GROUND = (1.5, 100.0)  # times its variance, and squared grey levels: so far ground may lie from its mean
_LIKER = 20.0  # grey levels by which the edit may be liker the ground than the picture is, at most
_GONE = 25.0  # grey levels: a change that shows
_SURE = 0.4  # from which on a pixel leads on to others
_LEAST = 0.02  # of the edit: less is none


def to_outlines(large: NDArray[np.uint8], unasked: Plane, edited: Plane, weight: Plane) -> Plane:
    """Weights that end where what was drawn does: ground beside it that the edit only blurred is the picture's own.

    An edit is drawn at the model's size and enlarged, and fades over some cells of its grid into what it is drawn on.
    A pixel counts as ground where it changed by less than half as much as the most nearby did, where it looks like
    what lies unchanged around the edit, and where the edit looks less like that than the picture: what an edit
    took away is no ground, nor is the line along it. Ground is followed inwards from where nothing changed.

    Args:
        large: the picture, [H, W, 3].
        unasked, edited: as for :func:`retouch.keep.put_back.put_back`.
        weight: how much of the edit each pixel takes, [H, W].

    Returns:
        [H, W], nowhere more than ``weight``; itself where the picture is less than twice as large as the model's.
    """
    side = max(unasked.shape[:2])
    scale = min(max(large.shape[:2]) / side, max(2, min(_FINER, _SIDE // side)))
    if scale < 2 or not weight.any():
        return weight
    size = (round(scale * unasked.shape[1]), round(scale * unasked.shape[0]))
    picture = np.asarray(cv2.resize(large, size, interpolation=cv2.INTER_AREA), np.uint8)
    share = resized(weight, size)
    drawn = floats(put_back(picture, unasked, edited, (share > 0).astype(np.float32)))
    own = drawn_anew(transfer(unasked, edited), unasked, edited, resized(weight, unasked.shape[1::-1]) > 0)
    ground = blurred(_ground(floats(picture), drawn, share > 0, resized(own, size) > 0.5, scale), 0.7)
    full = (weight.shape[1], weight.shape[0])
    left: Plane = np.asarray(cv2.resize(1 - ground, full, interpolation=cv2.INTER_LINEAR), np.float32)
    left[left < _LEAST] = 0
    left *= weight  # in place: a picture may be large
    return np.asarray(np.minimum(left, weight, out=left), np.float32)


def _ground(picture: Plane, drawn: Plane, region: Mask, anew: Mask, scale: float) -> Plane:
    """How far each pixel of a region is ground, 0..1, [h, w]; 1 outside."""
    change = length(blurred(luma_chroma(drawn - picture), 1.0)) * region
    beside = 1 - np.clip((_of_most(change, anew, scale) - _HALF[0]) / (_HALF[1] - _HALF[0]), 0, 1)
    known = mean((~region).astype(np.float32), round(_AROUND * scale))
    usual, variance = _around(picture, region, known, round(_AROUND * scale))
    away = np.square(picture - usual).sum(2) / (_OF_GROUND[0] * variance.sum(2) + _OF_GROUND[1])
    was, is_now = (length(blurred(luma_chroma(plane - usual), 1.0)) for plane in (picture, drawn))
    found = beside * np.clip(2 - away, 0, 1) * np.clip(1 + (is_now - was) / _LIKER, 0, 1) * (known > 0.05)
    gone = region & (is_now < was - _LIKER / 2) & (change > _GONE)
    found[cv2.dilate(gone.astype(np.uint8), _disc(2)) > 0] = 0
    sure = cv2.morphologyEx(((found > _SURE) | ~region).astype(np.uint8), cv2.MORPH_OPEN, _disc(1)) > 0
    return np.where(region, np.where(touching(sure, ~region), found, 0), 1).astype(np.float32)


def _of_most(change: Plane, anew: Mask, scale: float) -> Plane:
    """How much each pixel changed of what the most changed nearby, 0..1, [h, w].

    What is drawn anew may have a part that changed by less, as a brown hat's yellow ribbon changes more than the hat
    does before a dark wall: where nothing that hardly changed is near, an edit does not fade, and all of it counts.
    """
    shares = change / np.maximum(cv2.dilate(change, _disc(round(_NEAR * scale))), 1)
    hardly = (shares < _HARDLY[0]) | (change < _HARDLY[1])
    fades = cv2.dilate(hardly.astype(np.uint8), _disc(round(_FADES * scale))) > 0
    return np.where(fades | ~anew, shares, 1).astype(np.float32)


def _around(picture: Plane, region: Mask, known: Plane, radius: int) -> tuple[Plane, Plane]:
    """The mean and the variance around each pixel of what lies outside the region, [h, w, 3] each."""
    outside, share = picture * ~region[..., None], known[..., None] + 1e-4
    usual = mean(outside, radius) / share
    return usual, np.maximum(mean(outside * picture, radius) / share - usual**2, 0)


def _disc(radius: int) -> NDArray[np.uint8]:
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1)), np.uint8)
