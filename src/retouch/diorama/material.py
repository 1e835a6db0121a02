"""What things are made of, seen from near: grain, grass, fur and bristles, for large pictures.

All of it is finer than a pixel of the small picture, over which it evens out: shrunk, a large picture is the small one.
It is fixed by a scene's seed, so that two scenes of one seed share it wherever they show the same thing.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from retouch.diorama.textures import SIDE, Plane, enlarged, reduced, textures

_STRENGTH = 0.055  # standard deviation of the brightness, as a share of it
_MOST = 2.5  # standard deviations


def textured(picture: Plane, texture: Plane) -> Plane:
    """The picture [side, side, 3] in 0..255 with the texture [side, side] on it: every pixel brighter or darker.

    Where white is near there is less of it, since what is cut off above 255 would make the picture darker.
    """
    swing = np.minimum(_STRENGTH * picture, np.maximum(255 - picture, 0) / _MOST)
    shown: Plane = picture + swing * texture[:, :, None]
    return shown


def ground(place: str, seed: int, horizon: int, factor: int) -> Plane:
    """The texture of a place: grains, blades where grass grows, and only a little of it in an open sky."""
    kind = 3 if place in ("meadow", "forest") else 1
    texture = grain(seed, kind, factor) if kind == 1 else hairs(seed, kind, factor, length=6, lean=0.15)
    if place not in ("forest", "city at night"):
        rows = np.arange(SIDE * factor, dtype=np.float32)[:, None] / factor - horizon
        texture = texture * (0.45 + 0.55 * np.clip(0.5 + rows / 8, 0, 1))
    return texture


def grain(seed: int, kind: int, factor: int) -> Plane:
    """Grains of one pixel and of three; a seed has one such texture of each ``kind``."""
    random, side = np.random.default_rng([seed, kind]), SIDE * factor
    cells = -(-side // 3)
    coarse = Image.fromarray(random.standard_normal((cells, cells), np.float32))
    both = np.asarray(coarse.resize((side, side), Image.Resampling.BICUBIC)) * 1.4
    return fine(both + 0.6 * random.standard_normal((side, side), np.float32), factor)


def hairs(seed: int, kind: int, factor: int, *, length: int = 9, lean: float = 0.5) -> Plane:
    """Hairs one pixel wide and ``length`` pixels long that lean to the left and lie in soft waves."""
    random, side = np.random.default_rng([seed, kind]), SIDE * factor
    noise = random.standard_normal((side + length, side), np.float32)
    sums = np.cumsum(noise, 0, dtype=np.float64)
    upright = (sums[length:] - sums[:-length]).astype(np.float32)
    waves = enlarged(textures().clouds[seed % 8], factor)
    rows, columns = np.ogrid[0:side, 0:side]
    shift = (rows * lean + waves * (3 * factor)).astype(np.int64)
    return fine(upright[rows, (columns + shift) % side], factor)


def fine(noise: Plane, factor: int) -> Plane:
    """The noise [side, side] without what a small picture would show of it: standard deviation 1, at most 2.5 of it."""
    for _ in range(2):  # the first leaves about a fifth
        noise = noise - enlarged(reduced(noise, factor), factor)
    alone: Plane = np.clip(noise / noise.std(), -_MOST, _MOST)
    return alone
