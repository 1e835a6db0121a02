"""Contact sheets: labelled pictures in rows, to be looked at side by side."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

_GAP = 8


def tile_size(side: int, lines: int) -> tuple[int, int]:
    """Of what :func:`labelled` makes (width, height)."""
    return side, side + 6 + 14 * lines


def sheet_size(rows: int, columns: int, tile: tuple[int, int]) -> tuple[int, int]:
    """Of what :func:`contact_sheet` makes of so many rows of tiles (width, height)."""
    return columns * (tile[0] + _GAP) - _GAP, rows * (tile[1] + _GAP) - _GAP


def row_size(sizes: Sequence[tuple[int, int]], gap: int = _GAP) -> tuple[int, int]:
    """Of what :func:`side_by_side` makes of pictures of these sizes (width, height)."""
    height = sizes[0][1]
    return sum(w if h == height else round(w * height / h) for w, h in sizes) + gap * (len(sizes) - 1), height


def labelled(image: Image.Image, text: str, side: int = 192, lines: int = 2) -> Image.Image:
    """A picture, its longer side scaled to ``side`` pixels, in a square tile with ``text`` below it.

    Args:
        image: RGB.
        text: broken into lines; what is too long for them is left out.
        side: in pixels.
        lines: of text.
    """
    scale = side / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    font = ImageFont.load_default(11)
    tile = Image.new("RGB", tile_size(side, lines), "white")
    tile.paste(image.resize(size, Image.Resampling.LANCZOS), ((side - size[0]) // 2, (side - size[1]) // 2))
    draw = ImageDraw.Draw(tile)
    for i, line in enumerate(_wrapped(text, draw, font, side - 4)[:lines]):
        draw.text((2, side + 3 + 14 * i), line, fill="black", font=font)
    return tile


def _wrapped(
    text: str, draw: ImageDraw.ImageDraw, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int
) -> list[str]:
    lines = [""]
    for paragraph in text.splitlines():
        if lines[-1]:
            lines.append("")
        for word in paragraph.split():
            if lines[-1] and draw.textlength(f"{lines[-1]} {word}", font) > width:
                lines.append(word)
            else:
                lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def contact_sheet(rows: Sequence[Sequence[Image.Image]]) -> Image.Image:
    """Tiles of one size in rows on white.

    Args:
        rows: of tiles; rows may differ in length.
    """
    width, height = rows[0][0].size
    canvas = Image.new("RGB", sheet_size(len(rows), max(map(len, rows)), (width, height)), "white")
    for y, row in enumerate(rows):
        for x, tile in enumerate(row):
            canvas.paste(tile, (x * (width + _GAP), y * (height + _GAP)))
    return canvas


def in_rows(tiles: Sequence[Image.Image], columns: int) -> list[list[Image.Image]]:
    """``tiles`` broken into rows of ``columns``."""
    return [list(tiles[i : i + columns]) for i in range(0, len(tiles), columns)]


def side_by_side(images: Sequence[Image.Image], gap: int = _GAP) -> Image.Image:
    """Pictures in one row on white, brought to the height of the first.

    Args:
        images: at least one.
        gap: white between two, in pixels.
    """
    height = images[0].height
    scaled = [im if im.height == height else im.resize((round(im.width * height / im.height), height)) for im in images]
    strip = Image.new("RGB", row_size([im.size for im in images], gap), "white")
    x = 0
    for im in scaled:
        strip.paste(im, (x, 0))
        x += im.width + gap
    return strip
