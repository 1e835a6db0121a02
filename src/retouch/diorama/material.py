"""What things are made of, seen from near: the fine grain of a place and the fur of a subject, for large pictures.

All of it is finer than a pixel of the small picture, over which it evens out: shrunk, a large picture is the small one.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from retouch.diorama.scene import ANIMALS
from retouch.diorama.textures import SIDE, Plane, enlarged, reduced, textures

_STRENGTH = 0.055  # standard deviation of the brightness


def material(seed: int, subject: str, alpha: Plane, factor: int) -> Plane:
    """The factor by which fine texture makes each pixel brighter or darker, [side, side] around 1.

    It is fixed by the seed, so that two scenes of one seed share it wherever they show the same thing.

    Args:
        alpha: where the subject is, [side, side] in 0..1.
    """
    grain, coat = _grain(seed, factor), _fur(seed, factor) if subject in ANIMALS else _grain(seed + 1, factor)
    texture: Plane = 1 + _STRENGTH * (grain + alpha * (coat - grain))
    return texture


def _grain(seed: int, factor: int) -> Plane:
    """Grains of one pixel and of three."""
    random, side = np.random.default_rng([seed, 1]), SIDE * factor
    cells = -(-side // 3)
    coarse = Image.fromarray(random.standard_normal((cells, cells), np.float32))
    both = np.asarray(coarse.resize((side, side), Image.Resampling.BICUBIC)) * 1.4
    return _fine(both + 0.6 * random.standard_normal((side, side), np.float32), factor)


def _fur(seed: int, factor: int) -> Plane:
    """Hairs one pixel wide and about nine long, that lie in soft waves."""
    random, side, length = np.random.default_rng([seed, 2]), SIDE * factor, 9
    noise = random.standard_normal((side + length, side), np.float32)
    sums = np.cumsum(noise, 0, dtype=np.float64)
    hairs = (sums[length:] - sums[:-length]).astype(np.float32)
    waves = enlarged(textures().clouds[seed % 8], factor)
    rows, columns = np.ogrid[0:side, 0:side]
    lean = (rows * 0.5 + waves * (3 * factor)).astype(np.int64)
    return _fine(hairs[rows, (columns + lean) % side], factor)


def _fine(noise: Plane, factor: int) -> Plane:
    """The noise without what a small picture would show of it, with a standard deviation of 1."""
    for _ in range(2):  # the first leaves about a fifth
        noise = noise - enlarged(reduced(noise, factor), factor)
    fine: Plane = np.clip(noise / noise.std(), -2.5, 2.5)
    return fine
