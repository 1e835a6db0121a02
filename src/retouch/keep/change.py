"""Where an edit changed a picture: against what the model makes of it unasked, over the noise of reconstruction."""

from __future__ import annotations

import cv2
import numpy as np

from retouch.keep.planes import Mask, Plane, blurred, grown, length, luma_chroma, mean, spread, touching

_BLUR = 1.0  # pixels of the model's grid: noise averages out, an outline does not
_NOISE = (4.0, 8.0)  # grey levels; more would hide changes beside outlines that the model draws badly
_SEED, _REACH = (3.0, 14.0, 0.3), (2.0, 7.0, 0.1)
"""Times the noise, at least so many grey levels, and of the strongest difference: for sure, and perhaps."""
_THICK = 3  # pixels: half the width from which on a part is more than a line
_BUSY, _LESS = 6.0, 0.5  # grey levels that an outline makes, and the share of them that is none
_LITTLE = 0.1  # of the largest part's change
_HOLE = 1 / 40  # of the picture


def changed(shown: Plane, unasked: Plane, edited: Plane, *, grow: int = 1, unrest: bool = True) -> Mask:
    """Where ``edited`` differs from ``unasked`` by more than the model's own noise.

    A difference is smoothed and compared with how badly the model draws the picture around there. What is certain
    seeds a region that reaches as far as what is likely; gaps are closed, specks dropped, and the rest is grown a
    little, so that the edit's soft edge lies within.

    Args:
        shown: the input at the model's size, [h, w, 3] in 0..255.
        unasked: what the model makes of it when nothing is asked, likewise.
        edited: the edit, likewise.
        grow: pixels.
        unrest: whether to leave out what the model did beside the edit: differences that are weak beside the
            strongest, lines that lead away from the rest, parts that hold little of the whole change. Small holes in
            what is left are the edit's, too.

    Returns:
        [h, w].
    """
    difference = length(blurred(luma_chroma(edited - unasked), _BLUR))
    error = length(blurred(luma_chroma(shown - unasked), _BLUR))
    noise = np.clip(mean(error, 4), *_NOISE)
    strongest = float(np.percentile(difference, 98)) if unrest else 0.0
    certain, likely = (
        difference > np.maximum(max(least, share * strongest), times * noise) for times, least, share in (_SEED, _REACH)
    )
    if not unrest:
        region = _closed(touching(likely, certain))
        return grown(touching(region, grown(region, -1)), grow)
    other = _other_outlines(unasked, edited)
    region = _closed(touching(likely | (other & (difference > _REACH[1])), certain))
    return _filled(_large_ones(grown(_without_lines(region, other), grow), difference))


def _other_outlines(unasked: Plane, edited: Plane) -> Mask:
    """Where outlines went, or came: there is much less, or more, to be seen around a cell than within a pixel of it."""
    busy, busier = spread(unasked), spread(edited)
    most, more = (cv2.dilate(plane, np.ones((3, 3), np.uint8)) for plane in (busy, busier))
    return ((busy > _BUSY) & (more < _LESS * busy)) | ((busier > _BUSY) & (most < _LESS * busier))


def _closed(region: Mask) -> Mask:
    return grown(grown(region, 1), -1)


def _without_lines(region: Mask, other: Mask) -> Mask:
    """A region without lines, as they lead along outlines that the model draws a little differently; specks go, too.

    What is thin where outlines went or came stays: a leg, a tail. Where nothing is left the region is thin itself.
    """
    kept = (grown(grown(region, -_THICK), _THICK + 1) | grown(other, 1)) & region
    kept = touching(kept, grown(kept, -1))
    return kept if kept.any() else touching(region, grown(region, -1))


def _large_ones(region: Mask, difference: Plane) -> Mask:
    """The connected parts of a region that hold more than a little of its change."""
    count, labels = cv2.connectedComponents(region.astype(np.uint8), connectivity=8)
    mass = np.bincount(labels.ravel(), weights=difference.ravel(), minlength=count)
    mass[0] = 0
    return (mass >= _LITTLE * mass.max())[labels] & region


def _filled(region: Mask) -> Mask:
    """A region without its small holes."""
    _, labels = cv2.connectedComponents((~region).astype(np.uint8), connectivity=4)
    size = np.bincount(labels.ravel())
    size[np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))] = region.size
    return region | (size <= _HOLE * region.size)[labels]
