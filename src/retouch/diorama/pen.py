"""The pen: Pillow's shapes on a canvas that is a whole number of times larger than their coordinates say."""

from __future__ import annotations

from collections.abc import Sequence

from PIL.ImageDraw import ImageDraw

Point = tuple[float, float]
Box = tuple[float, float, float, float]


class Pen:
    """Draws what Pillow would draw, ``factor`` times larger.

    Pillow's shapes include the pixels under their edges, half a pixel more than the coordinates say on every side. The
    larger ones grow by as much as that half pixel has become, so that they cover the same part of the canvas. Factor 1
    is Pillow itself.
    """

    def __init__(self, draw: ImageDraw, factor: int) -> None:
        self._draw, self.factor = draw, factor

    def polygon(self, points: Sequence[Point], fill: tuple[int, ...]) -> None:
        """A filled polygon."""
        corners = self._all(points)
        self._draw.polygon(corners, fill=fill)
        if self.factor > 1:
            self._draw.line([*corners, *corners[:2]], fill=fill, width=self.factor, joint="curve")

    def ellipse(self, box: Box, fill: tuple[int, ...]) -> None:
        """A filled ellipse."""
        self._draw.ellipse(self._box(box), fill=fill)

    def rectangle(self, box: Box, fill: tuple[int, ...]) -> None:
        """A filled rectangle."""
        self._draw.rectangle(self._box(box), fill=fill)

    def rounded_rectangle(self, box: Box, radius: float, fill: tuple[int, ...]) -> None:
        """A filled rectangle with round corners."""
        self._draw.rounded_rectangle(self._box(box), radius * self.factor, fill=fill)

    def pieslice(self, box: Box, start: float, end: float, fill: tuple[int, ...]) -> None:
        """A filled slice of an ellipse, angles in degrees."""
        self._draw.pieslice(self._box(box), start, end, fill=fill)

    def line(self, points: Sequence[Point], fill: tuple[int, ...], width: int) -> None:
        """Straight strokes from point to point."""
        self._draw.line(self._all(points), fill=fill, width=width * self.factor)

    def _all(self, points: Sequence[Point]) -> list[Point]:
        return [(x * self.factor, y * self.factor) for x, y in points]

    def _box(self, box: Box) -> Box:
        half = (self.factor - 1) / 2
        x0, y0, x1, y1 = (value * self.factor for value in box)
        return x0 - half, y0 - half, x1 + half, y1 + half
