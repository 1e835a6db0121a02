"""The pen: Pillow's shapes on a canvas that is a whole number of times larger than their coordinates say."""

from __future__ import annotations

from collections.abc import Sequence

from PIL.ImageDraw import ImageDraw

Ink = tuple[int, ...]
Point = tuple[float, float]
Box = tuple[float, float, float, float]


class Pen:
    """Draws what Pillow would draw on the small canvas, ``factor`` times larger; factor 1 is Pillow itself.

    Pillow cuts coordinates to whole pixels, and its shapes include the pixels under their edges: half a pixel more than
    the coordinates say on every side. The larger shapes grow by as much as that half pixel has become. ``gridded`` also
    puts their corners where the small canvas would have put them, so that things with straight sides stand exactly as
    there; without it they stand where the coordinates say, and joints and curves stay smooth.
    """

    def __init__(self, draw: ImageDraw, factor: int, *, gridded: bool) -> None:
        self._draw, self.factor, self._gridded = draw, factor, gridded and factor > 1

    def polygon(self, points: Sequence[Point], fill: Ink, *, smooth: bool = False) -> None:
        """A filled polygon; ``smooth`` for one that stands for a curve, which no grid may break."""
        corners = self._all(points, self._gridded and not smooth)
        self._draw.polygon(corners, fill=fill)
        if self.factor > 1:
            self._draw.line([*corners, *corners[:2]], fill=fill, width=self.factor, joint="curve")

    def ellipse(self, box: Box, fill: Ink) -> None:
        """A filled ellipse."""
        self._draw.ellipse(self._box(box), fill=fill)

    def rectangle(self, box: Box, fill: Ink) -> None:
        """A filled rectangle."""
        self._draw.rectangle(self._box(box), fill=fill)

    def rounded_rectangle(self, box: Box, radius: float, fill: Ink) -> None:
        """A filled rectangle with round corners."""
        self._draw.rounded_rectangle(self._box(box), radius * self.factor, fill=fill)

    def pieslice(self, box: Box, start: float, end: float, fill: Ink) -> None:
        """A filled slice of an ellipse, angles in degrees."""
        self._draw.pieslice(self._box(box), start, end, fill=fill)

    def line(self, points: Sequence[Point], fill: Ink, width: int, *, smooth: bool = False) -> None:
        """Strokes from point to point; ``smooth`` as for :meth:`polygon`."""
        corners = self._all(points, self._gridded and not smooth)
        self._draw.line(corners, fill=fill, width=width * self.factor, joint="curve" if self.factor > 1 else None)

    def _all(self, points: Sequence[Point], gridded: bool) -> list[Point]:
        k = self.factor
        if not gridded:
            return [(x * k, y * k) for x, y in points]
        middle = (k - 1) / 2
        return [(int(x) * k + middle, int(y) * k + middle) for x, y in points]

    def _box(self, box: Box) -> Box:
        k = self.factor
        x0, y0, x1, y1 = box
        if self._gridded:
            return int(x0) * k, int(y0) * k, int(x1) * k + k - 1, int(y1) * k + k - 1
        half = (k - 1) / 2
        return x0 * k - half, y0 * k - half, x1 * k + half, y1 * k + half
