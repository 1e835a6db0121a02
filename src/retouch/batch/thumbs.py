"""Small pictures for a batch's summary: taken while the large ones are open, or later from their files."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from retouch.errors import BadPicture
from retouch.picture import read_picture
from retouch.report.gallery import data_uri

SIDES = ((100, 320), (400, 240), (2000, 160))
"""Up to so many edits, thumbnails have at most so many pixels a side."""
SMALLEST = 96


class Thumbs:
    """Thumbnails, as addresses that hold the picture, by output and part ("before", "after")."""

    def __init__(self, edits: int = 1) -> None:
        self._side = next((side for most, side in SIDES if edits <= most), SMALLEST)
        self._taken: dict[tuple[str, str], str] = {}

    def take(self, output: str, part: str, image: Image.Image) -> None:
        """Keeps a picture's thumbnail."""
        small = image.convert("RGB")
        small.thumbnail((2 * self._side, 2 * self._side), reducing_gap=2.0)  # quick for large ones
        self._taken[(output, part)] = data_uri(small, self._side)

    def of(self, output: str, part: str, path: Path) -> str:
        """A thumbnail, from the file where none was taken; "" where that cannot be read."""
        if (output, part) not in self._taken:
            try:
                self.take(output, part, read_picture(path).image)
            except BadPicture:
                return ""
        return self._taken[(output, part)]
