"""What subjects wear and see with: a hat, a scarf, an eye."""

from __future__ import annotations

from retouch.diorama.brush import INK, Brush, scaled, shifted
from retouch.diorama.pen import Point


def hat(brush: Brush, top: Point, width: float) -> None:
    """A hat whose brim's middle is at ``top``; its crown is about 1.5 ``width`` wide."""
    brown, gold = (112, 62, 30), (255, 208, 70)
    x, y = top
    brush.limb((x - width * 1.2, y), (x + width * 1.2, y), width * 0.2, width * 0.2, brown)
    crown, band = 1.25, (0.12, 0.5)
    brush.polygon(
        [
            (x - width * 0.74, y),
            (x + width * 0.74, y),
            (x + width * 0.66, y + width * crown),
            (x - width * 0.66, y + width * crown),
        ],
        brown,
    )
    brush.polygon(
        [
            (x - width * 0.75, y + width * band[0]),
            (x + width * 0.75, y + width * band[0]),
            (x + width * 0.72, y + width * band[1]),
            (x - width * 0.72, y + width * band[1]),
        ],
        gold,
    )


def scarf(brush: Brush, start: Point, end: Point, radius: float) -> None:
    """A scarf around a neck, seen from ``start`` to ``end``, with a hanging tip."""
    pink, light = (240, 70, 150), (255, 190, 218)
    brush.limb(start, end, radius, radius, pink)
    knot = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
    tip = shifted(knot, -radius * 0.6, -radius * 2.6)
    brush.limb(knot, tip, radius * 0.6, radius * 0.68, scaled(pink, 0.88))
    brush.dot(tip, radius * 0.55, light)


def eye(brush: Brush, at: Point, radius: float) -> None:
    """An open eye that looks ahead."""
    brush.dot(at, radius, (252, 252, 252))
    brush.dot(shifted(at, radius * 0.25, 0), radius * 0.68, INK)
