"""Textures shared by all pictures, made once per process from a fixed seed: soft noise, brush strokes, hatching."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from math import cos, sin
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from retouch.errors import BadParameter

SIDE = 128
"""The side of the pictures that the model knows, in pixels; all else is laid out at this size."""

SIDES = (128, 256, 512, 1024)
"""The sides that a picture can be painted at."""

Plane = NDArray[np.floating[Any]]
_BRISTLES = 4099


@dataclass(frozen=True, eq=False)
class Strokes:
    """Brush strokes over a picture of 128×128, the later on top.

    Attributes:
        lines: [n, 4], from (x, y) to (x, y) in pixels.
        width: of every stroke, in pixels.
        source: [n + 1] the pixel (y · 128 + x) whose paint a stroke has; 0 is where there is no stroke.
    """

    lines: Plane
    width: int
    source: NDArray[np.int64]

    def laid(self, factor: int = 1) -> tuple[NDArray[np.int64], Plane]:
        """For each pixel of a picture ``factor`` times larger its stroke's number, and what the
        strokes' edges make darker: 1, or more where they are less than a small pixel wide.
        """
        return self._small if factor == 1 else self._drawn(factor)

    def bristles(self, stroke: NDArray[np.int64], factor: int) -> Plane:
        """Noise that runs along each stroke, two pixels wide, for the strokes of :meth:`laid`."""
        ends = np.vstack([np.zeros(4), self.lines * factor]).astype(np.float32)
        along = ends[:, 2:] - ends[:, :2]
        along /= np.maximum(np.hypot(along[:, :1], along[:, 1:]), 1e-6)
        y, x = np.ogrid[0 : SIDE * factor, 0 : SIDE * factor]
        first = ends[:, 1] * along[:, 0] - ends[:, 0] * along[:, 1] + _BRISTLES
        across = y * along[stroke, 0] - x * along[stroke, 1] - first[stroke]
        hair = np.floor(across / 2).astype(np.int64) + stroke * 37
        noise = np.random.default_rng(11).standard_normal(_BRISTLES, np.float32)
        return noise[hair % _BRISTLES]

    @cached_property
    def _small(self) -> tuple[NDArray[np.int64], Plane]:
        return self._drawn(1)

    def _drawn(self, factor: int) -> tuple[NDArray[np.int64], Plane]:
        canvas = Image.new("I", (SIDE * factor, SIDE * factor))
        draw = ImageDraw.Draw(canvas)
        for i, line in enumerate((self.lines * factor).tolist(), start=1):
            draw.line(line, fill=i, width=self.width * factor)
        stroke, width = np.asarray(canvas, np.int64), max(1, factor // 2)
        edge = (stroke != np.roll(stroke, width, 0)) | (stroke != np.roll(stroke, width, 1))
        if factor > 1:  # a small picture goes on at its other side, which one pixel does not show
            edge[:width], edge[:, :width] = False, False
        return stroke, edge.astype(np.float32) * (factor / width)


@dataclass(frozen=True)
class Textures:
    """``clouds``, ``grain``: smooth noise in about -1..1, [128, 128]; the strokes of oil paintings."""

    clouds: list[Plane]
    grain: list[Plane]
    coarse_strokes: list[Strokes]
    fine_strokes: list[Strokes]


@cache
def textures() -> Textures:
    """The textures, the same in every process and on every machine with the same numpy and Pillow."""
    random = np.random.default_rng(7)

    def smooth(cells: int) -> Plane:
        noise = Image.fromarray(random.random((cells, cells), np.float32)).resize(
            (SIDE, SIDE), Image.Resampling.BICUBIC
        )
        return np.asarray(noise) * 2 - 1

    clouds = [0.75 * smooth(5) + 0.35 * smooth(10) for _ in range(8)]
    grain = [0.6 * smooth(24) + 0.4 * smooth(12) for _ in range(8)]

    def strokes(width: int, length: int, count: int) -> Strokes:
        lines, source = np.zeros((count, 4)), np.zeros(count + 1, np.int64)
        angles = smooth(3) * 1.6 + 0.5
        for i in range(count):
            x, y = random.uniform(0, SIDE, 2)
            angle = angles[int(y), int(x)] + random.normal() * 0.15
            dx, dy = cos(angle) * length / 2, sin(angle) * length / 2
            lines[i] = x - dx, y - dy, x + dx, y + dy
            source[i + 1] = int(y) * SIDE + int(x)
        return Strokes(lines, width, source)

    coarse, fine = [strokes(7, 18, 2200) for _ in range(6)], [strokes(3, 7, 7000) for _ in range(6)]
    return Textures(clouds, grain, coarse, fine)


def enlarged(plane: Plane, factor: int) -> Plane:
    """A smooth plane [128, 128] for a picture ``factor`` times larger, float32."""
    if factor == 1:
        return plane
    size = plane.shape[1] * factor, plane.shape[0] * factor
    return np.asarray(Image.fromarray(plane.astype(np.float32)).resize(size, Image.Resampling.BICUBIC))


def reduced(picture: Plane, factor: int) -> Plane:
    """The mean of every ``factor`` × ``factor`` pixels."""
    if factor == 1:
        return picture
    height, width = picture.shape[:2]
    means: Plane = picture.reshape(height // factor, factor, width // factor, factor, *picture.shape[2:]).mean((1, 3))
    return means


def grid(factor: int) -> tuple[Plane, Plane]:
    """Where the pixels of a picture ``factor`` times larger lie in one of 128×128: y [side, 1] and x [1, side]."""
    along = (np.arange(SIDE * factor, dtype=np.float32) + 0.5) / factor - 0.5
    return along[:, None], along[None, :]


def factor_of(side: int) -> int:
    """How many times larger a picture of this side is than one of 128×128.

    Raises:
        BadParameter: for a side at which nothing is painted.
    """
    if not isinstance(side, Integral) or side not in SIDES:
        raise BadParameter(f"side is {side!r}, expected one of {', '.join(map(str, SIDES))} (pixels).")
    return int(side) // SIDE
