"""The painter: a scene becomes a picture and the mask of its subject."""

from __future__ import annotations

from random import Random

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from retouch.diorama.brush import Brush, Colour
from retouch.diorama.material import grain, ground, hairs, textured
from retouch.diorama.pen import Pen, Point
from retouch.diorama.places import paint_place
from retouch.diorama.scene import ANIMALS, Scene
from retouch.diorama.styles import oil_painting, pencil_sketch
from retouch.diorama.subjects import SIZES, draw_subject
from retouch.diorama.textures import SIDE, Plane, factor_of, grid

PALETTE: dict[str, Colour] = {
    "red": (214, 44, 42), "orange": (242, 136, 34), "yellow": (248, 214, 52), "green": (58, 166, 70),
    "blue": (48, 102, 216), "purple": (148, 70, 192), "white": (244, 244, 242), "black": (46, 46, 54),
}  # fmt: skip
_FINE = 3  # the subject is drawn three times larger, then reduced, for smooth edges
_UNIT = 79  # pixels of one subject unit at size 1


def paint(scene: Scene, side: int = SIDE) -> tuple[Image.Image, Image.Image]:
    """Paints the scene.

    Args:
        scene: what is painted, see :func:`retouch.diorama.captions.scene_for`.
        side: of the square picture in pixels: 128, 256, 512 or 1024. The larger ones are the same scene with crisp
            outlines and fine texture (grain, hair) that a small one cannot show.

    Returns:
        the picture (RGB, side × side) and the subject's mask (L, of its size, 255 inside). The same scene and side give
        the same pixels in every process.

    Raises:
        BadParameter: for another side.
    """
    picture, mask = paint_array(scene, side)
    return Image.fromarray(picture), Image.fromarray(mask)


def paint_array(scene: Scene, side: int = SIDE) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """As :func:`paint`, as arrays: uint8 [side, side, 3] and uint8 [side, side]."""
    factor = factor_of(side)
    layout = Random(scene.seed * 31 + 11)
    horizon, feet = layout.randint(60, 68), layout.uniform(110, 116)
    place = paint_place(scene.place, scene.seed, horizon, factor)
    centre, scale = scene.position * SIDE, scene.size * _UNIT * SIZES[scene.subject]
    layer, mask = _cutout(scene, (centre, feet), scale, factor)
    alpha = layer[:, :, 3:] / 255

    place *= _shadow(centre, feet, scale, factor, jumping=scene.pose == "jumping")
    outline = np.clip(_blurred(mask, 1, factor) * 1.7, 0, 1)[:, :, None] * 0.62
    place = place * (1 - outline) + 20 * outline
    subject = layer[:, :, :3] * _relief(mask, factor)[:, :, None]
    if scene.place == "city at night":
        subject = subject * np.array((0.86, 0.86, 0.95), np.float32)

    chance = Random(scene.seed * 17 + 3)
    if scene.style == "oil painting":
        picture = oil_painting(place, subject, alpha, chance, factor)
    else:
        picture = place * (1 - alpha) + subject
        if scene.style == "pencil sketch":
            picture = pencil_sketch(picture, chance, scene.seed, factor)
        elif factor > 1:
            picture = textured(picture, _texture(scene, alpha[:, :, 0], horizon, factor))
    return np.clip(picture, 0, 255).astype(np.uint8), np.asarray(mask)


def _texture(scene: Scene, alpha: Plane, horizon: int, factor: int) -> Plane:
    """The fine texture of place and subject, each where it shows."""
    place = ground(scene.place, scene.seed, horizon, factor)
    subject = hairs(scene.seed, 6, factor) if scene.subject in ANIMALS else grain(scene.seed, 7, factor)
    texture: Plane = place + alpha * (subject - place)
    return texture


def _cutout(scene: Scene, feet: Point, scale: float, factor: int) -> tuple[Plane, Image.Image]:
    """The subject alone: red, green and blue times alpha, and alpha, float32 [side, side, 4] in 0..255; its mask."""
    canvas = Image.new("RGBA", (SIDE * factor * _FINE, SIDE * factor * _FINE))
    pen = Pen(ImageDraw.Draw(canvas), factor, gridded=False)
    brush = Brush(pen, (feet[0] * _FINE, feet[1] * _FINE), scale * _FINE, scene.direction == "left")
    draw_subject(brush, scene.subject, PALETTE[scene.colour], scene.pose, scene.accessory, scene.variant)
    cutout = canvas.convert("RGBa").reduce(_FINE)
    return np.asarray(cutout, np.float32), cutout.getchannel("a")


def _blurred(mask: Image.Image, radius: int, factor: int) -> Plane:
    """The mean over a square of 2 · radius + 1 small pixels, 0..1."""
    return np.asarray(mask.filter(ImageFilter.BoxBlur(((2 * radius + 1) * factor - 1) / 2)), np.float32) / 255


def _relief(mask: Image.Image, factor: int) -> Plane:
    """Light from the upper left: the factor by which the subject's rim is brighter or darker."""
    soft, shift = _blurred(mask, 3, factor), 3 * factor
    slope = soft.copy()
    slope[shift:, shift:] -= soft[:-shift, :-shift]
    relief: Plane = 1 + 0.42 * np.clip(slope, -0.6, 0.5)
    return relief


def _shadow(centre: float, feet: float, scale: float, factor: int, *, jumping: bool) -> Plane:
    """A soft shadow on the ground, smaller and fainter under a subject in the air: what it leaves of the light."""
    y, x = grid(factor)
    half, depth = (0.42, 0.30) if jumping else (0.50, 0.42)
    distance = ((x - centre - 2) / (half * scale)) ** 2 + ((y - feet) / (half * scale * 0.17)) ** 2
    light: Plane = (1 - depth * np.clip(1.35 - distance, 0, 1))[:, :, None]
    return light
