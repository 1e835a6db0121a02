"""Where an edit changed a picture: against what the model makes of it unasked, over the noise of reconstruction."""

from __future__ import annotations

import cv2
import numpy as np

from retouch.keep.planes import Mask, Plane, blurred, grown, length, luma_chroma, mean, touching

_BLUR = 1.0  # pixels of the model's grid: noise averages out, an outline does not
_NOISE = (4.0, 8.0)  # grey levels; more would hide changes beside outlines that the model draws badly
_SEED, _REACH = (3.0, 14.0), (2.0, 7.0)  # times the noise, and at least so many levels: for sure, and perhaps


def changed(shown: Plane, unasked: Plane, edited: Plane, *, grow: int = 1, little: float = 0.1) -> Mask:
    """Where ``edited`` differs from ``unasked`` by more than the model's own noise.

    A difference is smoothed and compared with how badly the model draws the picture around there. What is certain
    seeds a region that reaches as far as what is likely; gaps are closed, specks dropped, the rest is grown a little,
    so that the edit's soft edge lies within, and parts that hold little of the whole change are left out.

    Args:
        shown: the input at the model's size, [h, w, 3] in 0..255.
        unasked: what the model makes of it when nothing is asked, likewise.
        edited: the edit, likewise.
        grow: pixels.
        little: a part that holds a smaller share of the largest part's change than this, 0..1, is the model's unrest.

    Returns:
        [h, w].
    """
    difference = length(blurred(luma_chroma(edited - unasked), _BLUR))
    error = length(blurred(luma_chroma(shown - unasked), _BLUR))
    noise = np.clip(mean(error, 4), *_NOISE)
    certain, likely = (difference > np.maximum(least, times * noise) for times, least in (_SEED, _REACH))
    region = touching(likely, certain)
    region = grown(grown(region, 1), -1)
    region = touching(region, grown(region, -1))
    return _large_ones(grown(region, grow), difference, little)


def _large_ones(region: Mask, difference: Plane, little: float) -> Mask:
    """The connected parts of a region that hold more than a little of its change; the rest is the model's unrest."""
    count, labels = cv2.connectedComponents(region.astype(np.uint8), connectivity=8)
    mass = np.bincount(labels.ravel(), weights=difference.ravel(), minlength=count)
    mass[0] = 0
    return (mass >= little * mass.max())[labels] & region
