"""Textures shared by all pictures, made once per process from a fixed seed: soft noise, brush strokes, hatching."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import cos, sin
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

SIDE = 128
"""The side of every painted picture, in pixels."""

Plane = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Textures:
    """``clouds``, ``grain``: smooth noise in about -1..1. Strokes: for each pixel, the pixel whose paint it shows."""

    clouds: list[Plane]
    grain: list[Plane]
    coarse_strokes: list[tuple[NDArray[np.int64], Plane]]
    fine_strokes: list[tuple[NDArray[np.int64], Plane]]
    hatching: list[Plane]
    y: Plane
    x: Plane


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

    def strokes(width: int, length: int, count: int) -> tuple[NDArray[np.int64], Plane]:
        canvas = Image.new("I", (SIDE, SIDE))
        draw = ImageDraw.Draw(canvas)
        source = np.zeros(count + 1, np.int64)
        angles = smooth(3) * 1.6 + 0.5
        for i in range(1, count + 1):
            x, y = random.uniform(0, SIDE, 2)
            angle = angles[int(y), int(x)] + random.normal() * 0.15
            dx, dy = cos(angle) * length / 2, sin(angle) * length / 2
            draw.line((x - dx, y - dy, x + dx, y + dy), fill=i, width=width)
            source[i] = int(y) * SIDE + int(x)
        stroke = np.asarray(canvas)
        edge = (stroke != np.roll(stroke, 1, 0)) | (stroke != np.roll(stroke, 1, 1))
        return source[stroke], edge.astype(np.float32)

    coarse, fine = [strokes(7, 18, 2200) for _ in range(6)], [strokes(3, 7, 7000) for _ in range(6)]
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)
    hatching = [
        np.sin((x + y * slope) * 0.55 + 1.2 * clouds[i]).astype(np.float32) for i, slope in enumerate((0.8, 1.1))
    ]
    return Textures(clouds, grain, coarse, fine, hatching, y, x)
