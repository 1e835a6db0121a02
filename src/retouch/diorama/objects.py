"""The objects: ball, cake, house, car and tree."""

from __future__ import annotations

from math import cos, radians, sin

from retouch.diorama.brush import WHITE, Brush, Colour, is_dark, mixed, scaled


def _shades(colour: Colour) -> tuple[Colour, Colour]:
    if is_dark(colour):
        return scaled(colour, 0.6), (104, 104, 118)
    return scaled(colour, 0.7), mixed(colour, WHITE, 0.4)


def _ball(brush: Brush, colour: Colour, variant: str | None) -> None:
    dark, light = _shades(colour)
    brush.dot((0, 0.42), 0.42, dark)
    brush.dot((-0.02, 0.44), 0.395, colour)
    brush.oval((0, 0.42), 0.40, 0.10, light, 25)
    brush.oval((0, 0.42), 0.40, 0.07, (250, 250, 250), 25)
    brush.oval((-0.14, 0.60), 0.12, 0.075, mixed(colour, WHITE, 0.7), 35)


def _cake(brush: Brush, colour: Colour, variant: str | None) -> None:
    dark, light = _shades(colour)
    cream = (255, 250, 240)
    brush.oval((0, 0.06), 0.62, 0.085, (180, 180, 187))
    brush.oval((0, 0.08), 0.6, 0.075, (226, 226, 234))
    if variant == "round":
        brush.polygon([(-0.46, 0.12), (0.46, 0.12), (0.46, 0.5), (-0.46, 0.5)], colour)
        brush.oval((0, 0.12), 0.46, 0.09, colour)
        brush.oval((0, 0.28), 0.46, 0.06, light)
        brush.polygon([(-0.46, 0.28), (0.46, 0.28), (0.46, 0.36), (-0.46, 0.36)], light)
        brush.oval((0, 0.36), 0.46, 0.06, colour)
        brush.polygon([(-0.46, 0.36), (0.46, 0.36), (0.46, 0.5), (-0.46, 0.5)], colour)
        brush.oval((0, 0.5), 0.46, 0.13, scaled(light, 0.93))
        brush.oval((0, 0.515), 0.43, 0.11, light)
        for angle in range(0, 360, 60):
            brush.dot((0.35 * cos(radians(angle)), 0.53 + 0.085 * sin(radians(angle))), 0.05, cream)
    else:
        brush.polygon([(-0.5, 0.07), (0.24, 0.07), (0.24, 0.5), (-0.5, 0.5)], colour)
        brush.polygon([(0.24, 0.07), (0.54, 0.19), (0.54, 0.62), (0.24, 0.5)], dark)
        brush.polygon([(-0.5, 0.25), (0.24, 0.25), (0.24, 0.34), (-0.5, 0.34)], light)
        brush.polygon([(0.24, 0.25), (0.54, 0.37), (0.54, 0.46), (0.24, 0.34)], scaled(light, 0.8))
        brush.polygon([(-0.5, 0.5), (0.24, 0.5), (0.54, 0.62), (-0.2, 0.62)], light)
        for at in ((-0.42, 0.52), (-0.1, 0.52), (0.2, 0.52), (0.45, 0.61), (-0.18, 0.61), (0.14, 0.61)):
            brush.dot(at, 0.048, cream)
    brush.limb((0, 0.55), (0, 0.74), 0.034, 0.034, (250, 240, 220))
    brush.oval((0, 0.84), 0.05, 0.08, (255, 190, 40))


def _house(brush: Brush, colour: Colour, variant: str | None) -> None:
    side = (62, 62, 72) if is_dark(colour) else scaled(colour, 0.84)
    brush.polygon([(-0.46, 0), (0.46, 0), (0.46, 0.58), (-0.46, 0.58)], colour)
    brush.polygon([(0.2, 0), (0.46, 0), (0.46, 0.58), (0.2, 0.58)], side)
    brush.polygon([(0.22, 0.72), (0.36, 0.72), (0.36, 1.0), (0.22, 1.0)], (130, 84, 70))
    brush.polygon([(-0.58, 0.54), (0.58, 0.54), (0, 1.02)], (92, 62, 58))
    brush.polygon([(-0.52, 0.575), (0.5, 0.575), (0, 0.98)], (126, 82, 72))
    brush.polygon([(-0.1, 0), (0.1, 0), (0.1, 0.34), (-0.1, 0.34)], (96, 62, 40))
    for x in (-0.30, 0.31):
        brush.polygon([(x - 0.11, 0.23), (x + 0.11, 0.23), (x + 0.11, 0.45), (x - 0.11, 0.45)], (250, 250, 245))
        brush.polygon([(x - 0.08, 0.26), (x + 0.08, 0.26), (x + 0.08, 0.42), (x - 0.08, 0.42)], (150, 205, 240))


def _car(brush: Brush, colour: Colour, variant: str | None) -> None:
    dark, _ = _shades(colour)
    hull = [(-0.68, 0.16), (0.7, 0.16), (0.72, 0.34), (0.62, 0.42), (0.36, 0.46), (-0.66, 0.46), (-0.72, 0.36)]
    brush.polygon(hull, colour)
    brush.polygon([(-0.52, 0.45), (0.42, 0.45), (0.2, 0.76), (-0.36, 0.76)], dark)
    brush.polygon([(-0.43, 0.46), (-0.08, 0.46), (-0.08, 0.70), (-0.31, 0.70)], (170, 218, 244))
    brush.polygon([(-0.02, 0.46), (0.33, 0.46), (0.16, 0.70), (-0.02, 0.70)], (190, 228, 248))
    brush.polygon([(-0.7, 0.16), (0.71, 0.16), (0.71, 0.23), (-0.7, 0.23)], dark)
    brush.dot((0.65, 0.34), 0.06, (255, 244, 170))
    brush.dot((-0.67, 0.36), 0.045, (255, 90, 70))
    for x in (-0.4, 0.42):
        brush.dot((x, 0.16), 0.16, (30, 30, 34))
        brush.dot((x, 0.16), 0.08, (190, 190, 198))


def _tree(brush: Brush, colour: Colour, variant: str | None) -> None:
    dark, light = _shades(colour)
    brush.polygon([(-0.1, 0), (0.1, 0), (0.07, 0.5), (-0.07, 0.5)], (112, 74, 46))
    brush.polygon([(0.02, 0), (0.1, 0), (0.07, 0.5), (0.02, 0.5)], (86, 56, 36))
    crown = (
        (-0.24, 0.56, 0.24, dark), (0.24, 0.56, 0.24, dark), (0, 0.6, 0.3, dark), (-0.2, 0.68, 0.22, colour),
        (0.2, 0.7, 0.22, colour), (0, 0.84, 0.26, colour), (-0.08, 0.9, 0.13, light), (-0.24, 0.74, 0.09, light),
        (0.14, 0.74, 0.09, light),
    )  # fmt: skip
    for x, y, r, shade in crown:
        brush.dot((x, y), r, shade)


OBJECTS = {"ball": _ball, "cake": _cake, "house": _house, "car": _car, "tree": _tree}
"""What draws each object, standing on the origin, from its colour and variant."""
