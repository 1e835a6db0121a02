"""The styles: a coloured pencil sketch and an oil painting, made from the layers of the photo, small or large."""

from __future__ import annotations

from random import Random

import numpy as np
from PIL import Image, ImageFilter

from retouch.diorama.textures import Plane, enlarged, grid, reduced, textures

_SLOPES = (0.8, 1.1)  # of the two hatchings


def pencil_sketch(picture: Plane, random: Random, factor: int = 1) -> Plane:
    """Grey lines on paper where brightness changes, soft hatching in the shade, a faint tint of the colours."""
    picture = np.clip(picture, 0, 255)
    grey = picture @ np.array((0.3, 0.59, 0.11), np.float32)
    as_image = Image.fromarray(grey.astype(np.uint8))
    soft = np.asarray(as_image.filter(ImageFilter.BoxBlur((3 * factor - 1) / 2)), np.float32)
    down, across = np.gradient(soft)
    line = np.clip(1.04 - np.sqrt(down * down + across * across) * factor / 34, 0.3, 1)
    shade = np.clip(0.85 - grey / 255, 0, 1)
    tone = 0.66 + 0.34 * soft / 255 + 0.05 * shade * _hatching(random, factor)
    sheet: Plane = (250 * line * tone)[:, :, None] * np.array((1, 0.99, 0.96), np.float32)
    return sheet + (picture - grey[:, :, None]) * 0.42


def _hatching(random: Random, factor: int) -> Plane:
    """Slanted waves about eleven small pixels apart."""
    which = random.choice(range(len(_SLOPES)))
    y, x = grid(factor)
    waves = enlarged(textures().clouds[which], factor)
    hatching: Plane = np.sin((x + y * _SLOPES[which]) * 0.55 + 1.2 * waves).astype(np.float32)
    return hatching


def oil_painting(place: Plane, subject: Plane, alpha: Plane, random: Random, factor: int = 1) -> Plane:
    """Broad strokes for the place, finer ones (never taken from across the outline) for the subject, rich colours."""
    t = textures()
    broad, broad_edge = random.choice(t.coarse_strokes).laid(factor)
    fine, fine_edge = random.choice(t.fine_strokes).laid(factor)
    ground = _colours(np.clip(place, 0, 255), factor)[broad]
    ground = _softened(ground * (1 - 0.10 * broad_edge[:, :, None]), factor)
    inside = _colours(alpha, factor)[fine] > 0.98
    dabs = np.where(inside, _colours(subject, factor)[fine] * alpha, subject) * (1 - 0.08 * fine_edge[:, :, None])
    figure = 0.6 * dabs + 0.4 * subject  # eyes and hats must stay readable through the strokes
    painted = ground * (1 - alpha) + figure
    grey = painted.mean(2, keepdims=True)
    rich: Plane = np.clip(grey + (painted - grey) * 1.3 + 6, 0, 255)
    return rich


def _colours(layer: Plane, factor: int) -> Plane:
    """What the strokes are dipped into: the pixels of the small picture, one after the other."""
    return reduced(layer, factor).reshape(-1, layer.shape[2])


def _softened(picture: Plane, factor: int) -> Plane:
    """A 2×2 mean: wet paint has no hard edges."""
    rows = 0.5 * (picture + np.roll(picture, factor, 0))
    softened: Plane = 0.5 * (rows + np.roll(rows, factor, 1))
    return softened
