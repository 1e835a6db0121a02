"""The places: six backgrounds, each fixed by the seed and the horizon alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import sin
from random import Random

import numpy as np
from PIL import Image, ImageDraw

from retouch.diorama.brush import Colour, scaled
from retouch.diorama.pen import Pen
from retouch.diorama.scene import PLACES
from retouch.diorama.textures import Plane, enlarged, textures

CANVAS = 256  # places are drawn at twice the size and halved, which softens every edge


@dataclass(frozen=True)
class _Canvas:
    image: Image.Image
    draw: Pen
    horizon: float
    random: Random

    def ramp(self, top: float, bottom: float, first: Colour, last: Colour) -> None:
        """A vertical colour gradient over the full width."""
        start, stop = (edge * self.draw.factor for edge in (max(0, int(top)), min(CANVAS, int(bottom))))
        share = np.linspace(0, 1, max(1, stop - start), dtype=np.float32)[:, None]
        column = (np.array(first, np.float32) * (1 - share) + np.array(last, np.float32) * share).astype(np.uint8)
        strip = Image.fromarray(column[:, None]).resize((self.image.width, len(column)), Image.Resampling.NEAREST)
        self.image.paste(strip, (0, start))

    def ridge(self, y: float, height: float, colour: Colour) -> None:
        """Hills: everything below a soft wavy line."""
        phase = self.random.uniform(0, 6.28), self.random.uniform(0, 6.28)
        waves = self.random.uniform(0.6, 1.1), self.random.uniform(1.5, 2.2)
        line = [
            (
                x,
                y
                - height
                * (
                    0.65 * sin(waves[0] * x / CANVAS * 6.28 + phase[0])
                    + 0.35 * sin(waves[1] * x / CANVAS * 6.28 + phase[1])
                ),
            )
            for x in range(0, CANVAS + 1, 8 // self.draw.factor)
        ]
        self.draw.polygon([*line, (CANVAS, CANVAS), (0, CANVAS)], colour, smooth=True)

    def disc(self, x: float, y: float, rx: float, ry: float, colour: Colour) -> None:
        """A filled ellipse."""
        self.draw.ellipse((x - rx, y - ry, x + rx, y + ry), fill=colour)

    def jitter(self, colour: Colour, amount: int = 6) -> Colour:
        """The colour varied a little by the seed."""
        red, green, blue = (max(0, min(255, value + self.random.randint(-amount, amount))) for value in colour)
        return red, green, blue

    def aside(self, near: float = 16, far: float = 52) -> float:
        """A place for a thing at one side of the picture, out of the subject's way."""
        return self.random.choice((self.random.uniform(near, far), CANVAS - self.random.uniform(near, far)))


def _beach(c: _Canvas) -> None:
    h, r = c.horizon, c.random
    c.ramp(0, h, c.jitter((96, 176, 236)), (206, 234, 246))
    c.disc(c.aside(26, 70), r.uniform(26, 44), 18, 18, (255, 240, 170))
    shore = h + r.uniform(26, 34)
    c.ramp(h, shore, c.jitter((24, 112, 180)), (70, 190, 206))
    c.ramp(shore, CANVAS, (246, 222, 164), c.jitter((222, 184, 120)))
    surf = [(x, shore + 3 * sin(x / 26)) for x in range(0, CANVAS + 1, 8)]
    c.draw.line(surf, fill=(250, 252, 252), width=6, smooth=True)
    if r.random() < 0.5:
        x, y = c.aside(22, 50), shore + r.uniform(4, 12)
        cloth = r.choice([(240, 90, 80), (250, 190, 60), (70, 150, 230)])
        c.draw.line([(x, y + 12), (x, y - 52)], fill=(150, 110, 80), width=4)
        c.draw.pieslice((x - 34, y - 76, x + 34, y - 12), 180, 360, fill=cloth)
        c.draw.pieslice((x - 12, y - 76, x + 12, y - 12), 180, 360, fill=(252, 248, 240))


def _forest(c: _Canvas) -> None:
    h, r = c.horizon, c.random
    c.ramp(0, h, c.jitter((150, 196, 150)), (196, 216, 160))
    c.ridge(h - 40, 14, c.jitter((92, 140, 92)))
    for layer, (bark, width) in enumerate((((98, 92, 72), 9), ((74, 56, 42), 16))):
        count = 5 - layer
        for i in range(count):
            x, w = (i + r.uniform(0.25, 0.75)) * CANVAS / count, width * r.uniform(0.85, 1.15)
            base = h + 10 * layer
            c.draw.polygon([(x - w * 0.8, -4), (x + w * 0.7, -4), (x + w, base), (x - w, base)], fill=c.jitter(bark, 5))
            c.draw.polygon(
                [(x + w * 0.15, -4), (x + w * 0.7, -4), (x + w, base), (x + w * 0.3, base)], fill=scaled(bark, 0.75)
            )
    for i in range(12):
        x, y, q = (i + r.random()) * CANVAS / 12, r.uniform(-12, 22), r.uniform(24, 36)
        c.disc(x, y, q, q * 0.8, c.jitter(r.choice([(38, 92, 46), (52, 112, 52), (70, 130, 58)]), 5))
    c.ramp(h, CANVAS, c.jitter((70, 104, 50)), (52, 78, 38))
    for i in range(10):
        x, q = (i + r.random()) * CANVAS / 10, r.uniform(11, 17)
        c.disc(x, h, q * 1.5, q * 0.7, c.jitter((58, 100, 46), 8))


def _snow(c: _Canvas) -> None:
    h, r = c.horizon, c.random
    c.ramp(0, h, c.jitter((150, 178, 208)), (222, 232, 242))
    c.ridge(h - 30, 18, c.jitter((186, 204, 224), 4))
    for i in range(6):
        x, q, y = (i + r.uniform(0.2, 0.8)) * CANVAS / 6, r.uniform(24, 36), h + r.uniform(-2, 6)
        for k in range(2):
            w = 0.66 - 0.2 * k
            c.draw.polygon(
                [(x - q * w, y - q * 0.7 * k), (x + q * w, y - q * 0.7 * k), (x, y - q * (1.2 + 0.7 * k))],
                fill=(70, 110, 104),
            )
        c.draw.polygon(
            [(x - q * 0.24, y - q * 1.35), (x + q * 0.24, y - q * 1.35), (x, y - q * 1.9)], fill=(238, 244, 250)
        )
    c.ramp(h, CANVAS, (240, 245, 251), c.jitter((198, 214, 236), 4))
    c.ridge(h + 40, 6, (222, 231, 245))
    for _ in range(12):
        c.disc(r.uniform(0, CANVAS), r.uniform(0, CANVAS), 4, 4, (255, 255, 255))


def _desert(c: _Canvas) -> None:
    h, r = c.horizon, c.random
    c.ramp(0, h, c.jitter((244, 176, 104)), (252, 226, 170))
    c.disc(c.aside(26, 70), r.uniform(28, 50), 20, 20, (255, 250, 220))
    c.ridge(h - 12, 15, c.jitter((214, 146, 84)))
    c.ridge(h + 6, 9, c.jitter((226, 160, 88)))
    c.ramp(h + 14, CANVAS, (232, 168, 92), c.jitter((200, 128, 62)))
    c.ridge(h + 52, 7, (216, 148, 76))
    x, y, q, green = c.aside(22, 46), h + r.uniform(12, 20), r.uniform(0.95, 1.15), (62, 128, 74)
    c.draw.rounded_rectangle((x - 8 * q, y - 66 * q, x + 8 * q, y), 8 * q, fill=green)
    for side, height in ((-1, 30), (1, 42)):
        arm, elbow = x + side * 20 * q, y - height * q + 8
        c.draw.line([(x, elbow), (arm, elbow)], fill=green, width=int(11 * q))
        c.draw.rounded_rectangle((arm - 6 * q, elbow - 22 * q, arm + 6 * q, elbow + 5), 6 * q, fill=green)


def _city(c: _Canvas) -> None:
    h, r = c.horizon, c.random
    c.ramp(0, h, c.jitter((14, 18, 52), 4), (62, 52, 108))
    c.disc(c.aside(26, 70), r.uniform(20, 34), 15, 15, (250, 244, 208))
    x = -4.0
    while x < CANVAS:
        width, top = r.choice((34, 42)), h - r.uniform(56, 116)
        wall = r.choice([(36, 38, 70), (46, 44, 82), (30, 34, 62)])
        c.draw.rectangle((x, top, x + width, h), fill=wall)
        for row in range(int(top) + 9, int(h) - 12, 24):
            for k in range((width - 8) // 15):
                if r.random() < 0.7:
                    c.draw.rectangle((x + 6 + k * 15, row, x + 15 + k * 15, row + 12), fill=(255, 218, 124))
        x += width
    c.ramp(h, CANVAS, (62, 60, 84), c.jitter((44, 44, 62), 3))
    c.draw.rectangle((0, h, CANVAS, h + 8), fill=(92, 90, 112))
    y, start = h + 58, r.uniform(-40, 0)
    for k in range(6):
        left = start + k * 60
        c.draw.polygon([(left, y), (left + 34, y), (left + 29, y + 9), (left - 5, y + 9)], fill=(224, 206, 120))


def _meadow(c: _Canvas) -> None:
    h, r = c.horizon, c.random
    c.ramp(0, h, c.jitter((92, 168, 240)), (200, 230, 250))
    c.ridge(h - 12, 15, c.jitter((120, 184, 104)))
    c.ridge(h - 2, 8, c.jitter((100, 176, 84)))
    c.ramp(h + 4, CANVAS, (118, 196, 78), c.jitter((70, 150, 54)))
    for i in range(11):
        x, y = (i + r.uniform(0.15, 0.85)) * CANVAS / 11, h + 18 + (CANVAS - h - 26) * r.random()
        petals = r.choice([(250, 250, 250), (255, 220, 70), (250, 120, 140)])
        c.disc(x, y, 7, 6, petals)
        c.disc(x, y, 2.6, 2.4, (250, 180, 50))


_PAINTERS: dict[str, Callable[[_Canvas], None]] = {
    "beach": _beach, "forest": _forest, "snow": _snow, "desert": _desert, "city at night": _city, "meadow": _meadow,
}  # fmt: skip
_CLOUDS = {"beach": 0.7, "meadow": 0.8, "snow": 0.4}


def paint_place(place: str, seed: int, horizon: int, factor: int = 1) -> Plane:
    """The background, float32 [side, side, 3] in about 0..255 with side = 128 · factor.

    Args:
        horizon: its row in a picture of 128×128.
    """
    random = Random(seed * 6 + PLACES.index(place))
    image = Image.new("RGB", (CANVAS * factor, CANVAS * factor))
    _PAINTERS[place](_Canvas(image, Pen(ImageDraw.Draw(image), factor, gridded=True), horizon * 2, random))
    t = textures()
    grain, clouds = (enlarged(random.choice(planes), factor) for planes in (t.grain, t.clouds))
    picture = np.array(image.reduce(2), np.float32)
    if place in _CLOUDS:
        rows = (horizon - 6) * factor
        fading = np.linspace(1, 0.3, rows, dtype=np.float32)[:, None, None] * _CLOUDS[place]
        cover = np.clip(clouds[:rows] * 1.9 - 0.4, 0, 1)[:, :, None] * fading
        picture[:rows] += (255 - picture[:rows]) * cover
    picture *= (1 + 0.025 * grain + 0.03 * clouds)[:, :, None]
    return picture
