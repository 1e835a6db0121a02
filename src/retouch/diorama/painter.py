"""The painter: a scene becomes a picture and the mask of its subject."""

from __future__ import annotations

from random import Random

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from retouch.diorama.brush import Brush, Colour
from retouch.diorama.places import paint_place
from retouch.diorama.scene import Scene
from retouch.diorama.styles import oil_painting, pencil_sketch
from retouch.diorama.subjects import SIZES, draw_subject
from retouch.diorama.textures import SIDE, Plane, textures

PALETTE: dict[str, Colour] = {
    "red": (214, 44, 42), "orange": (242, 136, 34), "yellow": (248, 214, 52), "green": (58, 166, 70),
    "blue": (48, 102, 216), "purple": (148, 70, 192), "white": (244, 244, 242), "black": (46, 46, 54),
}  # fmt: skip
_FINE = 3  # the subject is drawn three times larger, then reduced, for smooth edges
_UNIT = 79  # pixels of one subject unit at size 1


def paint(scene: Scene) -> tuple[Image.Image, Image.Image]:
    """Paints the scene.

    Returns:
        the picture (RGB, 128×128) and the subject's mask (L, 128×128, 255 inside). The same scene gives the same
        pixels in every process.
    """
    picture, mask = paint_array(scene)
    return Image.fromarray(picture), Image.fromarray(mask)


def paint_array(scene: Scene) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """As :func:`paint`, as arrays: uint8 [128, 128, 3] and uint8 [128, 128]."""
    layout = Random(scene.seed * 31 + 11)
    horizon, feet = layout.randint(60, 68), layout.uniform(110, 116)
    place = paint_place(scene.place, scene.seed, horizon)
    centre, scale = scene.position * SIDE, scene.size * _UNIT * SIZES[scene.subject]

    canvas = Image.new("RGBA", (SIDE * _FINE, SIDE * _FINE))
    brush = Brush(ImageDraw.Draw(canvas), (centre * _FINE, feet * _FINE), scale * _FINE, scene.direction == "left")
    draw_subject(brush, scene.subject, PALETTE[scene.colour], scene.pose, scene.accessory, scene.variant)
    cutout = canvas.convert("RGBa").reduce(_FINE)
    mask = cutout.getchannel("a")
    layer = np.asarray(cutout, np.float32)
    alpha = layer[:, :, 3:] / 255

    place = _shadow(place, centre, feet, scale, jumping=scene.pose == "jumping")
    outline = np.clip(_blurred(mask, 1) * 1.7, 0, 1)[:, :, None] * 0.62
    place = place * (1 - outline) + 20 * outline
    subject = layer[:, :, :3] * _relief(mask)[:, :, None]
    if scene.place == "city at night":
        subject = subject * np.array((0.86, 0.86, 0.95), np.float32)

    texture = Random(scene.seed * 17 + 3)
    if scene.style == "oil painting":
        picture = oil_painting(place, subject, alpha, texture)
    else:
        picture = place * (1 - alpha) + subject
        if scene.style == "pencil sketch":
            picture = pencil_sketch(picture, texture)
    return np.clip(picture, 0, 255).astype(np.uint8), np.asarray(mask)


def _blurred(mask: Image.Image, radius: int) -> Plane:
    return np.asarray(mask.filter(ImageFilter.BoxBlur(radius)), np.float32) / 255


def _relief(mask: Image.Image) -> Plane:
    """Light from the upper left: the factor by which the subject's rim is brighter or darker."""
    soft = _blurred(mask, 3)
    slope = soft.copy()
    slope[3:, 3:] -= soft[:-3, :-3]
    relief: Plane = 1 + 0.42 * np.clip(slope, -0.6, 0.5)
    return relief


def _shadow(place: Plane, centre: float, feet: float, scale: float, *, jumping: bool) -> Plane:
    """A soft shadow on the ground, smaller and fainter under a subject in the air."""
    t = textures()
    half, depth = (0.42, 0.30) if jumping else (0.50, 0.42)
    distance = ((t.x - centre - 2) / (half * scale)) ** 2 + ((t.y - feet) / (half * scale * 0.17)) ** 2
    shaded: Plane = place * (1 - depth * np.clip(1.35 - distance, 0, 1))[:, :, None]
    return shaded
