"""The styles: a coloured pencil sketch and an oil painting, made from the layers of the photo, small or large."""

from __future__ import annotations

from random import Random
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from retouch.diorama.material import fine, grain, hairs, textured
from retouch.diorama.textures import Plane, enlarged, grid, reduced, textures

_SLOPES = (0.8, 1.1)  # of the two hatchings
_Pixels = TypeVar("_Pixels", bound=NDArray[np.generic])


def pencil_sketch(picture: Plane, random: Random, seed: int, factor: int = 1) -> Plane:
    """Grey lines on paper where brightness changes, soft hatching in the shade, a faint tint of the colours.

    Args:
        picture: of the photo, [side, side, 3] in 0..255; ``factor`` is how many times larger than 128 its side is.
        random: chooses the hatching.
        seed: fixes the paper, on a large sheet.
    """
    picture = np.clip(picture, 0, 255)
    grey = picture @ np.array((0.3, 0.59, 0.11), np.float32)
    soft, slope = _slopes(grey, factor)
    line = np.clip(1.04 - slope / 34, 0.3, 1)
    shade = np.clip(0.85 - grey / 255, 0, 1)
    tone = 0.66 + 0.34 * soft / 255 + 0.05 * shade * _hatching(random, factor)
    sheet: Plane = (250 * line * tone)[:, :, None] * np.array((1, 0.99, 0.96), np.float32)
    sketch = sheet + (picture - grey[:, :, None]) * 0.42
    if factor == 1:
        return sketch
    # lead takes to the tooth of the paper: the darker a place, the more of it shows
    lead = 0.02 + 0.18 * np.clip(1 - line * tone, 0, 1)
    tooth = 0.7 * hairs(seed, 4, factor, length=13, lean=0.7) + 0.7 * grain(seed, 5, factor)
    return sketch + (255 * lead * tooth)[:, :, None]


def _slopes(grey: Plane, factor: int) -> tuple[Plane, Plane]:
    """The mean of 3×3 small pixels, and how much it changes from one small pixel to the next."""
    soft: Plane
    if factor == 1:
        soft = np.asarray(Image.fromarray(grey.astype(np.uint8)).filter(ImageFilter.BoxBlur(1)), np.float32)
        down, across = np.gradient(soft)
    else:
        exact = (grey * 256).astype(np.uint16)  # whole numbers: the same on every machine
        edge = cv2.BORDER_REPLICATE
        wide = cv2.blur(exact, (3 * factor, 3 * factor), borderType=edge)  # reaches one pixel further up and left
        soft = cv2.blur(wide, (2, 2), anchor=(0, 0), borderType=edge).astype(np.float32) / 256
        around = np.pad(soft, factor, mode="edge")
        down = 0.5 * (around[2 * factor :] - around[: -2 * factor])[:, factor:-factor]
        across = 0.5 * (around[:, 2 * factor :] - around[:, : -2 * factor])[factor:-factor]
    slope: Plane = np.sqrt(down * down + across * across)
    return soft, slope


def _hatching(random: Random, factor: int) -> Plane:
    """Slanted waves about eleven small pixels apart."""
    which = random.choice(range(len(_SLOPES)))
    y, x = grid(factor)
    waves = enlarged(textures().clouds[which], factor)
    hatching: Plane = np.sin((x + y * _SLOPES[which]) * 0.55 + 1.2 * waves).astype(np.float32)
    return hatching


def oil_painting(place: Plane, subject: Plane, alpha: Plane, random: Random, factor: int = 1) -> Plane:
    """Broad strokes for the place, finer ones (never taken from across the outline) for the subject, rich colours.

    Args:
        place: [side, side, 3] in about 0..255; ``factor`` is how many times larger than 128 its side is.
        subject: of the same shape, times alpha.
        alpha: where the subject is, [side, side, 1] in 0..1.
        random: chooses the strokes, which lie the same at every factor and take their paint from the small picture.
    """
    t = textures()
    broad, thin = random.choice(t.coarse_strokes), random.choice(t.fine_strokes)
    stroke, edge = broad.laid(factor)
    stroke, edge = _moved(stroke, factor // 2), _moved(edge, factor // 2)
    dab, rim = thin.laid(factor)
    ground = _paints(np.clip(place, 0, 255), factor)[broad.source[stroke]]
    ground = _softened(ground * (1 - 0.10 * edge[:, :, None]), factor)
    source = thin.source[dab]
    inside = _paints(alpha, factor)[source] > 0.98
    dabs = np.where(inside, _paints(subject, factor)[source] * alpha, subject) * (1 - 0.08 * rim[:, :, None])
    figure = 0.6 * dabs + 0.4 * subject  # eyes and hats must stay readable through the strokes
    painted = ground * (1 - alpha) + figure
    grey = painted.mean(2, keepdims=True)
    rich: Plane = np.clip(grey + (painted - grey) * 1.3 + 6, 0, 255)
    if factor == 1:
        return rich
    bristles = [fine(one.bristles(where, factor), factor) for one, where in ((broad, stroke), (thin, dab))]
    return textured(rich, bristles[0] + alpha[:, :, 0] * (bristles[1] - bristles[0]))


def _paints(layer: Plane, factor: int) -> Plane:
    """What the strokes are dipped into: the pixels of the small picture, one after the other."""
    return reduced(layer, factor).reshape(-1, layer.shape[2])


def _moved(plane: _Pixels, by: int) -> _Pixels:
    """The plane [side, side] moved down and to the right, its border repeated."""
    return np.pad(plane, ((by, 0), (by, 0)), mode="edge")[: len(plane), : len(plane)]  # type: ignore[return-value]


def _softened(picture: Plane, factor: int) -> Plane:
    """A 2×2 mean: wet paint has no hard edges. Of the small picture it moves everything by half a pixel."""
    for axis in (0, 1):
        before = np.roll(picture, 1, axis)
        if factor > 1:  # a small picture goes on at its other side, which one pixel does not show
            np.moveaxis(before, axis, 0)[0] = np.moveaxis(picture, axis, 0)[0]
        picture = 0.5 * (picture + before)
    return picture
