"""The styles: a coloured pencil sketch and an oil painting, made from the photo's layers."""

from __future__ import annotations

from random import Random

import numpy as np
from PIL import Image, ImageFilter

from retouch.diorama.textures import Plane, textures


def pencil_sketch(picture: Plane, random: Random) -> Plane:
    """Grey lines on paper where brightness changes, soft hatching in the shade, a faint tint of the colours."""
    t = textures()
    picture = np.clip(picture, 0, 255)
    grey = picture @ np.array((0.3, 0.59, 0.11), np.float32)
    as_image = Image.fromarray(grey.astype(np.uint8))
    soft = np.asarray(as_image.filter(ImageFilter.BoxBlur(1)), np.float32)
    down, across = np.gradient(soft)
    line = np.clip(1.04 - np.sqrt(down * down + across * across) / 34, 0.3, 1)
    shade = np.clip(0.85 - grey / 255, 0, 1)
    tone = 0.66 + 0.34 * soft / 255 + 0.05 * shade * random.choice(t.hatching)
    sheet: Plane = (250 * line * tone)[:, :, None] * np.array((1, 0.99, 0.96), np.float32)
    return sheet + (picture - grey[:, :, None]) * 0.42


def oil_painting(place: Plane, subject: Plane, alpha: Plane, random: Random) -> Plane:
    """Broad strokes for the place, finer ones (never taken from across the outline) for the subject, rich colours."""
    t = textures()
    broad, broad_edge = random.choice(t.coarse_strokes)
    fine, fine_edge = random.choice(t.fine_strokes)
    ground = _softened(np.clip(place, 0, 255).reshape(-1, 3)[broad] * (1 - 0.10 * broad_edge[:, :, None]))
    inside = (alpha.reshape(-1)[fine] > 0.98)[:, :, None]
    dabs = np.where(inside, subject.reshape(-1, 3)[fine] * alpha, subject) * (1 - 0.08 * fine_edge[:, :, None])
    figure = 0.6 * dabs + 0.4 * subject  # eyes and hats must stay readable through the strokes
    painted = ground * (1 - alpha) + figure
    grey = painted.mean(2, keepdims=True)
    rich: Plane = np.clip(grey + (painted - grey) * 1.3 + 6, 0, 255)
    return rich


def _softened(picture: Plane) -> Plane:
    """A 2×2 mean: wet paint has no hard edges."""
    rows = 0.5 * (picture + np.roll(picture, 1, 0))
    softened: Plane = 0.5 * (rows + np.roll(rows, 1, 1))
    return softened
