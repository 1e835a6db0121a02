"""The painter's brush: simple filled shapes in the subject's own units, and arithmetic on colours."""

from __future__ import annotations

from collections.abc import Sequence
from math import cos, pi, radians, sin, sqrt

from retouch.diorama.pen import Pen, Point

Colour = tuple[int, int, int]

WHITE: Colour = (255, 255, 255)
INK: Colour = (28, 24, 28)
_POLYGON = sqrt(sin(2 * pi / 22) / (2 * pi / 22))  # the radius of a circle as large as the 22-sided polygon in radius 1


def scaled(colour: Colour, factor: float) -> Colour:
    """The colour made darker (factor below 1) or brighter, clipped to 0..255."""
    red, green, blue = (max(0, min(255, int(value * factor))) for value in colour)
    return red, green, blue


def mixed(colour: Colour, other: Colour, share: float) -> Colour:
    """``colour`` with ``share`` (0..1) of ``other`` mixed in."""
    red, green, blue = (int(a + (b - a) * share) for a, b in zip(colour, other, strict=True))
    return red, green, blue


def is_dark(colour: Colour) -> bool:
    """Whether shading the colour darker would make it unreadable, so that it is shaded lighter instead."""
    return sum(colour) < 200


def shifted(point: Point, x: float, y: float) -> Point:
    """The point moved by (x, y)."""
    return point[0] + x, point[1] + y


def polar(point: Point, length: float, degrees: float) -> Point:
    """The point at ``length`` from ``point`` in the direction ``degrees`` (0 is ahead, 90 is up)."""
    return point[0] + length * cos(radians(degrees)), point[1] + length * sin(radians(degrees))


class Brush:
    """Draws in subject units: x ahead, y up, feet at the origin. ``mirrored`` faces the subject to the left."""

    def __init__(self, pen: Pen, origin: Point, scale: float, mirrored: bool) -> None:
        self._pen, self._origin, self._scale, self._side = pen, origin, scale, -1 if mirrored else 1

    def _pixel(self, point: Point) -> Point:
        return self._origin[0] + self._side * point[0] * self._scale, self._origin[1] - point[1] * self._scale

    def polygon(self, points: Sequence[Point], colour: Colour) -> None:
        """A filled polygon."""
        self._pen.polygon([self._pixel(point) for point in points], fill=(*colour, 255))

    def dot(self, centre: Point, radius: float, colour: Colour) -> None:
        """A filled circle."""
        x, y = self._pixel(centre)
        r = radius * self._scale
        self._pen.ellipse((x - r, y - r, x + r, y + r), fill=(*colour, 255))

    def oval(self, centre: Point, rx: float, ry: float, colour: Colour, degrees: float = 0.0) -> None:
        """A filled ellipse, turned by ``degrees``."""
        c, s = cos(radians(degrees)), sin(radians(degrees))
        corners = 22
        if self._pen.factor > 1:  # rounder, of the same area
            corners, rx, ry = 96, rx * _POLYGON, ry * _POLYGON
        around = [2 * pi * i / corners for i in range(corners)]
        self.polygon(
            [
                (centre[0] + rx * cos(t) * c - ry * sin(t) * s, centre[1] + rx * cos(t) * s + ry * sin(t) * c)
                for t in around
            ],
            colour,
        )

    def limb(self, start: Point, end: Point, r0: float, r1: float, colour: Colour) -> None:
        """A tapered stroke with round ends."""
        dx, dy = end[0] - start[0], end[1] - start[1]
        length = (dx * dx + dy * dy) ** 0.5 or 1e-6
        nx, ny = -dy / length, dx / length
        self.dot(start, r0, colour)
        self.dot(end, r1, colour)
        self.polygon(
            [
                (start[0] + nx * r0, start[1] + ny * r0),
                (end[0] + nx * r1, end[1] + ny * r1),
                (end[0] - nx * r1, end[1] - ny * r1),
                (start[0] - nx * r0, start[1] - ny * r0),
            ],
            colour,
        )

    def chain(self, points: Sequence[Point], r0: float, r1: float, colour: Colour) -> None:
        """Limbs from point to point, tapering from ``r0`` to ``r1``."""
        n = len(points) - 1
        for i in range(n):
            self.limb(points[i], points[i + 1], r0 + (r1 - r0) * i / n, r0 + (r1 - r0) * (i + 1) / n, colour)
